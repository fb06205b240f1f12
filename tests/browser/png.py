# SPDX-License-Identifier: Apache-2.0
"""Enough of PNG to look at the pixels of a small screenshot (8-bit RGB or RGBA, not interlaced)."""

import struct
import zlib


def pixels(data):
    """(width, height, list of rows; a row is bytes of RGB or RGBA)."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, packed, header = 8, b"", None
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        header = struct.unpack(">IIBBBBB", body) if kind == b"IHDR" else header
        packed += body if kind == b"IDAT" else b""
        at += length + 12
    width, height, depth, colour, _, _, interlace = header
    assert (depth, interlace) == (8, 0) and colour in (2, 6)
    return width, height, _unfilter(zlib.decompress(packed), width * (3 if colour == 2 else 4), height, 3 if colour == 2 else 4)


def _paeth(left, above, corner):
    guess = left + above - corner
    return min((left, above, corner), key=lambda value: abs(guess - value))


def _unfilter(raw, stride, height, step):
    rows, above = [], bytes(stride)
    for y in range(height):
        kind, row = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for x in range(stride if kind else 0):
            left = row[x - step] if x >= step else 0
            corner = above[x - step] if x >= step else 0
            row[x] = (row[x] + (left, above[x], (left + above[x]) // 2, _paeth(left, above[x], corner))[kind - 1]) & 255
        rows.append(bytes(row))
        above = rows[-1]
    return rows
