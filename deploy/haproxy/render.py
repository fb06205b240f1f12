#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Renders the configuration of one HAProxy: an edge (edge.cfg.in, with its error bodies beside it in FILE.errors/), or the
TLS side of the gateways of one host, for edges on other hosts (inner.cfg.in).

    render.py edge --out FILE --listen 127.0.0.1:8443 --cert server.pem --terminal-ca authority.pem --secret-map edge.map
                   --gateway gateway-1=/run/mykey/gateway-1.http [--gateway ...] [--stats PATH] [--ops WHERE] [limits]
    render.py edge ... --gateway gateway-1=10.0.0.5:8543 --gateway-ca inner.pem --gateway-cert client.pem
    render.py inner --out FILE --edge-ca inner.pem --gateway gateway-1=10.0.0.5:8543,gateway-1.pem,/run/mykey/gateway-1.http

Then: haproxy -db -f FILE. No root, no chroot; every path is the caller's."""

import argparse
import os
import re
import stat
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


def path(text):
    """An absolute path that needs no quoting in the configuration."""
    full = os.path.abspath(text)
    if not re.fullmatch(r"[A-Za-z0-9_./@+:=-]+", full):
        raise argparse.ArgumentTypeError("only letters, digits and _ . / @ + : = - in paths")
    return full


def key_file(text):
    """A file with a private key: where it is there already, nobody but its owner reads it."""
    full = path(text)
    if os.path.exists(full) and stat.S_IMODE(os.stat(full).st_mode) & 0o077:
        raise argparse.ArgumentTypeError(f"{full}: holds a key and must be readable by its owner alone (chmod 0400)")
    return full


def listen(text):
    if not re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[0-9.]+|\*)?:[0-9]+", text):
        raise argparse.ArgumentTypeError("ADDRESS:PORT")
    return text


def host_port(text):
    """Where a gateway's TLS side is: HOST is a name or a numeric address."""
    if not re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}", text):
        raise argparse.ArgumentTypeError("HOST:PORT")
    return text


def gateway_id(text):
    if not re.fullmatch(r"[A-Za-z0-9-]{1,32}", text):
        raise argparse.ArgumentTypeError("a gateway's NAME is 1 to 32 of A-Z a-z 0-9 -")
    return text


def socket_path(text):
    """The path of "unix:PATH" or "/PATH", None for what is neither."""
    if text.startswith("unix:"):
        return path(text[len("unix:"):])
    return path(text) if "/" in text else None


def gateway(text):
    """What an edge knows of a gateway: name, and a unix socket's path or host and port."""
    name, _, where = text.partition("=")
    return gateway_id(name), socket_path(where) or host_port(where)


def inner_gateway(text):
    """What a host knows of a gateway: name, address to listen on, certificate and key, unix socket."""
    name, _, rest = text.partition("=")
    parts = rest.split(",")
    if len(parts) != 3:
        raise argparse.ArgumentTypeError("NAME=ADDRESS:PORT,CERT,PATH")
    return gateway_id(name), listen(parts[0]), key_file(parts[1]), path(parts[2])


def ops_address(text):
    """As HAProxy writes it."""
    where = socket_path(text)
    return f"unix@{where} mode 660" if where else listen(text)


def ops_section(where, ready):
    """ready: the condition for /readyz to say 200."""
    if not where:
        return ""
    return "\n".join(["", "frontend ops", f"    bind {where}", "    mode http",
                      "    http-request use-service prometheus-exporter if { path /metrics }",
                      "    http-request return status 200 if { path /livez }",
                      f"    http-request return status 200 if {{ path /readyz }} {ready}",
                      "    http-request return status 503 if { path /readyz }",
                      "    http-request deny deny_status 404"])


def add_common(parser, maxconn):
    parser.add_argument("--out", required=True, type=path, help="the configuration to write; its name is the process's name")
    parser.add_argument("--stats", type=path, help="HAProxy's command socket")
    parser.add_argument("--ops", type=ops_address, help="/metrics, /livez and /readyz: unix:PATH or ADDRESS:PORT")
    limits = parser.add_argument_group("limits")
    add_limit(limits, "threads", 1, "threads: more where one core is too few for the handshakes")
    add_limit(limits, "maxconn", maxconn, "connections in all; at most 9900 where 20000 files may be open")
    return limits


def add_limit(group, name, default, text):
    group.add_argument(f"--{name}", type=int, default=default, help=f"{text} ({default})")


def add_edge(parser):
    parser.add_argument("--listen", required=True, type=listen, help="ADDRESS:PORT for the terminals")
    parser.add_argument("--cert", required=True, type=key_file, help="server certificate, chain and key (PEM)")
    parser.add_argument("--terminal-ca", required=True, type=path, help="certificate of the terminal authority (PEM)")
    parser.add_argument("--secret-map", required=True, type=key_file, help="file with the line 'edge SECRET'")
    parser.add_argument("--gateway", required=True, action="append", type=gateway, metavar="NAME=WHERE",
                        help="a gateway: its gateway.id, and the path of its unix socket, or HOST:PORT of its TLS side")
    parser.add_argument("--gateway-ca", type=path,
                        help="certificate of the inner authority (PEM), whose certificates gateways behind HOST:PORT show")
    parser.add_argument("--gateway-cert", type=key_file, help="this edge's own certificate of that authority, and key (PEM)")
    parser.add_argument("--errors", type=path, default=ERROR_TABLE, help="the error table (proto/errors.tbl.h)")
    limits = add_common(parser, 2000)
    for name, default, text in (
            ("gateway-connections", 500, "connections to one gateway at once; further requests wait 2 s"),
            ("source-connections", 400, "open connections of one address: a town hall may have one for all counters"),
            ("source-connection-rate", 300, "new connections of one address in 10 s"),
            ("certificate-rate", 100, "requests of one terminal in 10 s"),
            ("enrol-rate", 300, "enrolment requests of one address in 60 s")):
        add_limit(limits, name, default, text)


def add_inner(parser):
    parser.add_argument("--edge-ca", required=True, type=path,
                        help="certificate of the inner authority (PEM), whose certificates edges show")
    parser.add_argument("--gateway", required=True, action="append", type=inner_gateway, metavar="NAME=ADDRESS:PORT,CERT,PATH",
                        help="a gateway of this host: its gateway.id, where edges reach it, its certificate of the inner "
                             "authority with key (PEM, for the DNS name NAME), its unix socket")
    add_common(parser, 4000)


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="edge|inner")
    add_edge(kinds.add_parser("edge", help="an edge"))
    add_inner(kinds.add_parser("inner", help="the TLS side of a host's gateways"))
    args = parser.parse_args(arguments)
    if args.kind == "edge" and not (args.gateway_ca and args.gateway_cert):
        for name, where in args.gateway:
            if "/" not in where:
                parser.error(f"{name} at {where} is reached over TLS only: give --gateway-ca and --gateway-cert")
    return args


def server_line(name, where, args):
    """A unix socket stays plain; over a network the gateway proves its name, and the edge that it is one."""
    if "/" in where:
        return f"    server {name} unix@{where}"
    resolved = "" if re.match(r"[0-9.]+:|\[", where) else " resolvers names init-addr last,libc,none"
    return (f"    server {name} {where} ssl ssl-min-ver TLSv1.3 verify required verifyhost {name} ca-file {args.gateway_ca} "
            f"crt {args.gateway_cert}{resolved}")


def inner_section(name, where, cert, socket, authority):
    return "\n".join(["", f"listen {name}", f"    bind {where} ssl crt {cert} ca-file {authority} verify required",
                      "    tcp-request connection reject if { nbsrv eq 0 }",
                      f"    server {name} unix@{socket} check"])


def common_values(args):
    name = re.sub(r"[^A-Za-z0-9-]", "-", os.path.splitext(os.path.basename(args.out))[0])
    stats = f"    stats socket {args.stats} mode 600 level operator" if args.stats else ""
    return {"NAME": name, "STATS": stats, "THREADS": args.threads, "MAXCONN": args.maxconn}


def edge_values(args):
    table, errors = read_table(args.errors), args.out + ".errors"
    write_errors(errors, table)
    return {
        "LISTEN": args.listen, "CERT": args.cert, "TERMINAL_CA": args.terminal_ca, "SECRET_MAP": args.secret_map,
        "ERRORS": "\n".join(error_lines(errors, table)), "BUSY": os.path.join(errors, "BUSY.pb"),
        "BUSY_RETRY_S": RETRY_MS // 1000, "BODY_MAX": BODY_MAX, "OPS": ops_section(args.ops, "{ nbsrv(gateways) gt 0 }"),
        "SERVERS": "\n".join(server_line(name, where, args) for name, where in args.gateway),
        "GATEWAY_CONNECTIONS": args.gateway_connections,
        "SOURCE_CONNECTIONS": args.source_connections, "SOURCE_CONNECTION_RATE": args.source_connection_rate,
        "CERTIFICATE_RATE": args.certificate_rate, "ENROL_RATE": args.enrol_rate,
    }


def inner_values(args):
    ready = " ".join(f"{{ nbsrv({name}) gt 0 }}" for name, *_ in args.gateway)
    return {"GATEWAYS": "\n".join(inner_section(*row, args.edge_ca) for row in args.gateway), "OPS": ops_section(args.ops, ready)}


def render(args):
    values = {**common_values(args), **(edge_values if args.kind == "edge" else inner_values)(args)}
    with open(os.path.join(HERE, f"{args.kind}.cfg.in"), encoding="utf-8") as file:
        return re.sub(r"@([A-Z_]+)@", lambda match: str(values[match[1]]), file.read())


def main():
    args = parse(sys.argv[1:])
    write(args.out, render(args).encode())


if __name__ == "__main__":
    main()
