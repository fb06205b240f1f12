#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Renders edge.cfg.in into the configuration of one edge, and its error bodies beside it (FILE.errors/).

    render.py --out FILE --listen 127.0.0.1:8443 --cert server.pem --terminal-ca authority.pem --secret-map edge.map
              --gateway gateway-1=/run/mykey/gateway-1.http [--gateway ...] [--stats PATH] [--ops PATH] [limits]

Then: haproxy -db -f FILE. No root, no chroot; every path is the caller's."""

import argparse
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ERROR_TABLE = os.path.join(HERE, "..", "..", "proto", "errors.tbl.h")
ROW = re.compile(r'X\((\w+),\s*(\d+),\s*(\d),\s*(\d+),\s*"((?:[^"\\]|\\.)*)",\s*"((?:[^"\\]|\\.)*)"\)')

# What the edge itself answers: HTTP status → name in the error table. 503 is UNAVAILABLE; BUSY has its own rule.
ANSWERS = {400: "BAD_REQUEST", 401: "TERMINAL_UNKNOWN", 403: "DENIED", 404: "NOT_FOUND", 408: "BAD_REQUEST", 413: "TOO_LARGE",
           500: "INTERNAL", 502: "UNAVAILABLE", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED"}
RETRY_MS = 2000
BODY_MAX = 65536


def read_table(path):
    with open(path, encoding="utf-8") as file:
        rows = ROW.findall(file.read())
    return {name: (int(number), retryable == "1", en, ja) for name, number, retryable, _, en, ja in rows}


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def text_field(number, text):
    data = text.encode()
    return varint(number << 3 | 2) + varint(len(data)) + data


def error_body(name, row):
    """A packed mykey.terminal.ErrorBody (proto/terminal.proto)."""
    number, retryable, english, japanese = row
    body = varint(1 << 3) + varint(number) + text_field(2, name) + text_field(3, english) + text_field(4, japanese)
    body += text_field(5, "edge")
    return body + (varint(7 << 3) + varint(RETRY_MS) if retryable else b"")


def write(path, data):
    with open(path + ".new", "wb") as file:
        file.write(data)
    os.replace(path + ".new", path)


def write_errors(directory, table):
    os.makedirs(directory, exist_ok=True)
    for name in sorted(set(ANSWERS.values()) | {"BUSY"}):
        write(os.path.join(directory, f"{name}.pb"), error_body(name, table[name]))


def error_lines(directory, table):
    for status, name in ANSWERS.items():
        retry = f" hdr Retry-After {RETRY_MS // 1000}" if table[name][1] else ""
        path = os.path.join(directory, f"{name}.pb")
        yield f"    http-error status {status} content-type application/x-protobuf file {path}{retry}"


def gateway(text):
    name, _, address = text.partition("=")
    if not re.fullmatch(r"[A-Za-z0-9-]{1,32}", name) or not address:
        raise argparse.ArgumentTypeError("NAME=PATH or NAME=HOST:PORT, NAME of A-Z a-z 0-9 -")
    return name, address


def path(text):
    """An absolute path that needs no quoting in the configuration."""
    full = os.path.abspath(text)
    if not re.fullmatch(r"[A-Za-z0-9_./@+:=-]+", full):
        raise argparse.ArgumentTypeError("only letters, digits and _ . / @ + : = - in paths")
    return full


def listen(text):
    if not re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[0-9.]+|\*)?:[0-9]+", text):
        raise argparse.ArgumentTypeError("ADDRESS:PORT")
    return text


def address(text):
    """A server's or socket's address as HAProxy writes it."""
    if text.startswith("unix:"):
        text = text[len("unix:"):]
    return f"unix@{path(text)}" if "/" in text else listen(text)


def ops_section(where):
    if not where:
        return ""
    return "\n".join(["", "frontend ops", f"    bind {address(where)}" + (" mode 660" if "/" in where else ""),
                      "    http-request use-service prometheus-exporter if { path /metrics }",
                      "    http-request return status 200 if { path /livez }",
                      "    http-request return status 200 if { path /readyz } { nbsrv(gateways) gt 0 }",
                      "    http-request return status 503 if { path /readyz }",
                      "    http-request deny deny_status 404"])


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, type=path, help="the configuration to write; its name is the edge's name")
    parser.add_argument("--listen", required=True, type=listen, help="ADDRESS:PORT for the terminals")
    parser.add_argument("--cert", required=True, type=path, help="server certificate, chain and key (PEM)")
    parser.add_argument("--terminal-ca", required=True, type=path, help="certificate of the terminal authority (PEM)")
    parser.add_argument("--secret-map", required=True, type=path, help="file with the line 'edge SECRET'")
    parser.add_argument("--gateway", required=True, action="append", type=gateway, metavar="NAME=PATH",
                        help="a gateway: its gateway.id, and its unix socket or HOST:PORT")
    parser.add_argument("--stats", type=path, help="HAProxy's command socket")
    parser.add_argument("--ops", help="/metrics, /livez and /readyz: unix:PATH or ADDRESS:PORT")
    parser.add_argument("--errors", type=path, default=ERROR_TABLE, help="the error table (proto/errors.tbl.h)")
    limits = parser.add_argument_group("limits")
    for name, default, text in (
            ("threads", 1, "threads of this edge: more where one core is too few for the handshakes"),
            ("maxconn", 2000, "connections in all; at most 9900 where 20000 files may be open"),
            ("gateway-connections", 500, "connections to one gateway at once; further requests wait 2 s"),
            ("source-connections", 400, "open connections of one address: a town hall may have one for all counters"),
            ("source-connection-rate", 300, "new connections of one address in 10 s"),
            ("certificate-rate", 100, "requests of one terminal in 10 s"),
            ("enrol-rate", 300, "enrolment requests of one address in 60 s")):
        limits.add_argument(f"--{name}", type=int, default=default, help=f"{text} ({default})")
    return parser.parse_args(arguments)


def render(args):
    table, errors = read_table(args.errors), args.out + ".errors"
    write_errors(errors, table)
    values = {
        "NAME": re.sub(r"[^A-Za-z0-9-]", "-", os.path.splitext(os.path.basename(args.out))[0]),
        "LISTEN": args.listen, "CERT": args.cert, "TERMINAL_CA": args.terminal_ca, "SECRET_MAP": args.secret_map,
        "STATS": f"    stats socket {args.stats} mode 600 level operator" if args.stats else "",
        "ERRORS": "\n".join(error_lines(errors, table)), "BUSY": os.path.join(errors, "BUSY.pb"),
        "BUSY_RETRY_S": RETRY_MS // 1000, "BODY_MAX": BODY_MAX, "OPS": ops_section(args.ops),
        "SERVERS": "\n".join(f"    server {name} {address(where)}" for name, where in args.gateway),
        "THREADS": args.threads, "MAXCONN": args.maxconn, "GATEWAY_CONNECTIONS": args.gateway_connections,
        "SOURCE_CONNECTIONS": args.source_connections, "SOURCE_CONNECTION_RATE": args.source_connection_rate,
        "CERTIFICATE_RATE": args.certificate_rate, "ENROL_RATE": args.enrol_rate,
    }
    with open(os.path.join(HERE, "edge.cfg.in"), encoding="utf-8") as file:
        return re.sub(r"@([A-Z_]+)@", lambda match: str(values[match[1]]), file.read())


def main():
    args = parse(sys.argv[1:])
    write(args.out, render(args).encode())


if __name__ == "__main__":
    main()
