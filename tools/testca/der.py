# SPDX-License-Identifier: Apache-2.0
"""A small DER encoder. Written out by hand so that a test can also build what no library would build for it."""


def tlv(tag, *parts):
    body = b"".join(parts)
    return bytes([tag]) + length(len(body)) + body


def length(n):
    if n < 0x80:
        return bytes([n])
    octets = n.to_bytes((n.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(octets)]) + octets


def sequence(*parts):
    return tlv(0x30, *parts)


def set_of(*parts):
    return tlv(0x31, *sorted(parts))


def integer(n):
    return tlv(0x02, n.to_bytes(n.bit_length() // 8 + 1, "big", signed=True))


def boolean(value):
    return tlv(0x01, b"\xff" if value else b"\x00")


def null():
    return b"\x05\x00"


def octets(data):
    return tlv(0x04, data)


def bits(data, unused=0):
    return tlv(0x03, bytes([unused]), data)


def enumerated(n):
    return tlv(0x0A, bytes([n]))


def oid(text):
    first, second, *rest = [int(arc) for arc in text.split(".")]
    out = b""
    for arc in [first * 40 + second, *rest]:
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(0x80 | (arc & 0x7F))
        out += bytes(reversed(groups))
    return tlv(0x06, out)


def utf8(text):
    return tlv(0x0C, text.encode())


def printable(text):
    return tlv(0x13, text.encode("ascii"))


def ia5(text):
    return tlv(0x16, text.encode("ascii"))


def context(number, *parts, constructed=True):
    return tlv((0xA0 if constructed else 0x80) | number, *parts)


def utc_time(moment):
    return tlv(0x17, moment.strftime("%y%m%d%H%M%SZ").encode())


def generalized_time(moment):
    return tlv(0x18, moment.strftime("%Y%m%d%H%M%SZ").encode())


def time(moment):
    return utc_time(moment) if moment.year < 2050 else generalized_time(moment)


def read_header(data, at=0):
    """(tag, offset of the content, end) of the TLV at `at`; short and long definite lengths only."""
    first = data[at + 1]
    if first < 0x80:
        return data[at], at + 2, at + 2 + first
    size = first & 0x7F
    n = int.from_bytes(data[at + 2 : at + 2 + size], "big")
    return data[at], at + 2 + size, at + 2 + size + n


def children(data):
    """The TLVs inside the TLV `data`, as bytes."""
    _, at, end = read_header(data)
    found = []
    while at < end:
        _, _, next_at = read_header(data, at)
        found.append(data[at:next_at])
        at = next_at
    return found
