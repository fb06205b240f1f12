# SPDX-License-Identifier: Apache-2.0
"""What a process holds in memory, and a PIN in it: four digits in every form in which a program could keep them in order."""

import array
import re
import struct

PAGE = 4096
IN_USE = 0b11 << 62  # pagemap: the page is in memory, or in swap
MESSAGE = re.compile(rb'"digit": ?"(\d)"')  # how a counter page tells the agent one key


def mappings(pid):
    """(start, end, rights) of what the process could have written, or shares; not the text of programs."""
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as maps:
        for line in maps:
            where, rights, _, _, inode, *name = line.split(maxsplit=5)
            start, end = (int(part, 16) for part in where.split("-"))
            if "r" in rights and ("w" in rights or inode == "0") and not "".join(name).startswith("[v"):
                yield start, end, rights


def runs_in_use(pagemap, start, end):
    """(first, last + 1) address of each run of pages that are in use."""
    pagemap.seek(start // PAGE * 8)
    begin = None
    for index, entry in enumerate(array.array("Q", pagemap.read((end - start) // PAGE * 8))):
        if entry & IN_USE:
            begin = start + index * PAGE if begin is None else begin
        elif begin is not None:
            yield begin, start + index * PAGE
            begin = None
    if begin is not None:
        yield begin, end


def memory_of(pid, shared=True):
    """(address, bytes) of everything in use; shared: with what it has in common with others."""
    with open(f"/proc/{pid}/mem", "rb", 0) as memory, open(f"/proc/{pid}/pagemap", "rb", 0) as pagemap:
        for start, end, rights in list(mappings(pid)):
            for first, last in runs_in_use(pagemap, start, end) if shared or "s" not in rights else ():
                try:
                    memory.seek(first)
                    yield first, memory.read(last - first)
                except OSError:
                    continue  # gone meanwhile


def texts(pin):
    return {"text": pin.encode(), "UTF-16": pin.encode("utf-16-le"), "UTF-32": pin.encode("utf-32-le"),
            "list": ",".join(pin).encode(), "quoted list": '","'.join(pin).encode()}


def numbers(pin):
    """Rows of small numbers, which stand in a large process by chance: for a small one."""
    digits = [int(digit) for digit in pin]
    return {"bytes": bytes(digits), "16 bits each": struct.pack("<4H", *digits), "32 bits each": struct.pack("<4I", *digits),
            "64 bits each": struct.pack("<4Q", *digits), "floating": struct.pack("<4d", *digits),
            "PIN block": b"\x24" + bytes.fromhex(pin) + b"\xff"}


def stands_alone(data, at, size):
    """Not in the middle of a longer number."""
    return not re.search(rb"\d", data[max(at - 2, 0):at] + data[at + size:at + size + 2])


def holds(data, needle, is_text):
    at = data.find(needle)
    while at >= 0 and is_text and not stands_alone(data, at, len(needle)):
        at = data.find(needle, at + 1)
    return at >= 0


def keys_of_scripts(parts):
    """Digit → how V8 points to the one text "7" that all scripts share; {} where there is no V8. The texts stand in a row."""
    for start, data in parts:
        at = data.find(b"\1\0\0\0" b"0\0\0\0")
        while at >= 8:
            if all(data[at + 16 * n:at + 16 * n + 5] == b"\1\0\0\0%d" % n for n in range(10)):
                return {str(n): struct.pack("<I", (start + at - 8 + 16 * n + 1) & 0xffffffff) for n in range(10)}
            at = data.find(b"\1\0\0\0" b"0\0\0\0", at + 1)
    return {}


def arrays_of_scripts(pin, keys):
    """An array of keys; of numbers, with its room (as written out, as grown) before it."""
    row = b"".join(struct.pack("<I", 2 * int(digit)) for digit in pin)
    return {"keys of a script": b"".join(keys[digit] for digit in pin), "numbers of a script": struct.pack("<I", 4) + row,
            "grown numbers of a script": struct.pack("<I", 17) + row}


def pins_in(pid, pins, is_small=False):
    """{(form, PIN)} of what one process holds."""
    parts, found = list(memory_of(pid)), set()
    keys = keys_of_scripts(parts)
    messages = b"".join(match[1] for _, data in parts for match in MESSAGE.finditer(data))
    for pin in pins:
        needles = {**texts(pin), **(arrays_of_scripts(pin, keys) if keys else {}), **(numbers(pin) if is_small else {})}
        found |= {(form, pin) for form, needle in needles.items() if any(holds(data, needle, form in texts(pin)) for _, data in parts)}
        found |= {("messages in a row", pin)} if pin.encode() in messages else set()
    return found
