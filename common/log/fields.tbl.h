/* SPDX-License-Identifier: Apache-2.0
 * The allow-list of log fields: X(IDENTIFIER, "json_name", kind, "meaning"); kind: TEXT or NUMBER.
 * Never here: PIN, certificate, serial, MyKey ID, customer number, holder, wallet, pseudonym. */
#define LOG_FIELD_TABLE(X)                                                                                         \
    X(CODE, "code", TEXT, "name of a row of the error table")                                                      \
    X(DETAIL, "detail", TEXT, "id of the rule or field that failed, or a library's error text about our own side") \
    X(SERVICE, "service", TEXT, "bus service")                                                                     \
    X(METHOD, "method", TEXT, "bus method or HTTP path template")                                                  \
    X(CALLER, "caller", TEXT, "bus principal")                                                                     \
    X(PEER, "peer", TEXT, "socket or host of our own side")                                                        \
    X(TRACE, "trace_id", TEXT, "W3C trace id, 32 hex digits")                                                      \
    X(TERMINAL, "terminal", TEXT, "terminal id")                                                                   \
    X(OPERATOR, "operator", TEXT, "operator id of the terminal")                                                   \
    X(PURPOSE, "purpose", TEXT, "purpose of a tap")                                                                \
    X(STATE, "state", TEXT, "a state's name")                                                                      \
    X(FILE, "file", TEXT, "path of one of our own files")                                                          \
    X(SETTING, "setting", TEXT, "name of a setting")                                                               \
    X(HTTP_STATUS, "http_status", NUMBER, "status answered")                                                       \
    X(COUNT, "count", NUMBER, "how many")                                                                          \
    X(DURATION_US, "dur_us", NUMBER, "microseconds")                                                               \
    X(PID, "child_pid", NUMBER, "process id of a child of ours")                                                   \
    X(VERSION, "version", TEXT, "version of a program, schema or key")
