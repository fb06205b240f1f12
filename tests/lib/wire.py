# SPDX-License-Identifier: Apache-2.0
"""The messages of proto/ for Python, and the canonical form of docs/tap.md written a second time."""

import glob
import hashlib
import importlib
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def compile_messages():
    with tempfile.TemporaryDirectory(prefix="mykey-proto-") as out:
        files = sorted(glob.glob(f"{ROOT}/proto/*.proto"))
        subprocess.run(["protoc", f"--proto_path={ROOT}/proto", f"--python_out={out}", *files], check=True)
        sys.path.insert(0, out)
        try:
            return {name: importlib.import_module(f"{name}_pb2") for name in ("tap", "bus", "jpki", "registry", "terminal")}
        finally:
            sys.path.remove(out)


MODULES = compile_messages()
tap, bus, jpki, registry, terminal = (MODULES[name] for name in ("tap", "bus", "jpki", "registry", "terminal"))


def error_table():
    """Name → number of proto/errors.tbl.h."""
    with open(f"{ROOT}/proto/errors.tbl.h", encoding="utf-8") as file:
        return {name: int(number) for name, number in re.findall(r"X\((\w+),\s*(\d+),", file.read())}


CODES = error_table()
NAMES = {number: name for name, number in CODES.items()}


def field(number, value):
    data = value.to_bytes(8, "big") if isinstance(value, int) else value.encode() if isinstance(value, str) else value
    return bytes([number]) + len(data).to_bytes(4, "big") + data


def canonical(statement):
    """The bytes that the card signs, before hashing."""
    s = statement
    values = (s.version, s.environment, s.terminal_id, s.terminal_key_sha256, s.origin, int(s.purpose), s.audience, s.object,
              s.amount, s.unit, s.request_id, s.nonce, s.issued_at_ms, s.expires_at_ms, int(s.assurance))
    return b"MYKEY-TAP-1\0" + b"".join(field(number, value) for number, value in enumerate(values, 1))


def object_link(operator_id, number, terms_version):
    parts = b"".join(field(n, value) for n, value in enumerate((operator_id, number, terms_version), 1))
    return hashlib.sha256(b"MYKEY-OBJECT-LINK-1\0" + parts).digest()


def object_terms(terms_version):
    return hashlib.sha256(b"MYKEY-OBJECT-TERMS-1\0" + field(1, terms_version)).digest()
