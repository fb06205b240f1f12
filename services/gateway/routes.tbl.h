/* SPDX-License-Identifier: Apache-2.0
 *
 * The terminal API (docs/terminal-api.md), a row a path:
 *   X(HTTP method, path, needs a terminal, body's message (NONE: no body), handler, deadline in ms, admission class) */
/* clang-format off */
#define ROUTE_TABLE(X) \
    X("GET",  "/v1/terminal",     true,  NONE,              terminal_info,  3000, ADMISSION_TERMINAL) \
    X("POST", "/v1/challenge",    true,  challenge_request, make_challenge, 3000, ADMISSION_TERMINAL) \
    X("POST", "/v1/tap",          true,  tap_request,       tap,            9000, ADMISSION_TAP)      \
    X("POST", "/v1/undo-link",    true,  undo_link,         undo_link,      5000, ADMISSION_TERMINAL) \
    X("POST", "/v1/suspend",      true,  suspend,           suspend,        5000, ADMISSION_TERMINAL) \
    X("POST", "/v1/renew",        true,  renew,             renew,          5000, ADMISSION_TERMINAL) \
    X("POST", "/v1/enrol",        false, enrol,             enrol,          5000, ADMISSION_ENROL)    \
    X("POST", "/v1/enrol/result", false, enrol_result,      enrol_result,   5000, ADMISSION_ENROL)
/* clang-format on */
