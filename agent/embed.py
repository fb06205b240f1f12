#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns the files of some folders into one C file: embed.py OUT.c OUT.d /PREFIX=FOLDER … (OUT.d: a depfile, so that new
files are noticed). The first folder's index.html is served as "/"."""
import hashlib
import os
import sys

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json; charset=utf-8",
    ".svg": "image/svg+xml; charset=utf-8",
    ".png": "image/png",
    ".ico": "image/vnd.microsoft.icon",
    ".woff2": "font/woff2",
}


def find(prefix, folder, files, folders):
    """Adds served path: file to files, and the folders that were looked at to folders."""
    for root, directories, names in os.walk(folder):
        directories[:] = sorted(d for d in directories if d not in ("test", "tests") and not d.startswith("."))
        folders.append(root)
        for name in names:
            if os.path.splitext(name)[1] not in TYPES or name.startswith("."):
                continue
            path = prefix + "/" + os.path.relpath(os.path.join(root, name), folder)
            files["/" if name == "index.html" and "/" not in files else path] = os.path.join(root, name)


def c_bytes(data):
    lines = (data[i:i + 32] for i in range(0, len(data), 32))
    return "".join("    " + "".join(f"{b}," for b in line) + "\n" for line in lines) or "    0\n"


def main(out, depfile, *pairs):
    found, folders, rows = {}, [], []
    for pair in pairs:
        prefix, folder = pair.split("=", 1)
        find(prefix, folder, found, folders)
    files = sorted(found.items(), key=lambda item: item[0].encode())
    with open(out, "w", encoding="ascii") as c:
        c.write('/* Made by embed.py. */\n#include "agent/assets.h"\n\n')
        for number, (path, file) in enumerate(files):
            with open(file, "rb") as source:
                data = source.read()
            etag = hashlib.sha256(data).hexdigest()
            c.write(f"static const unsigned char data_{number}[] = {{\n{c_bytes(data)}}};\n")
            kind = TYPES[os.path.splitext(file)[1]]
            rows.append(f'    {{"{path}", "{kind}", "\\"{etag}\\"", data_{number}, {len(data)}}},\n')
        c.write("const asset assets_table[] = {\n" + ("".join(rows) or "    {0}\n") + "};\n")
        c.write(f"const size_t assets_count = {len(rows)};\n")
    with open(depfile, "w", encoding="utf-8") as dep:
        dep.write(out + ": " + " ".join(p.replace(" ", "\\ ") for p in folders + [f for _, f in files]) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
