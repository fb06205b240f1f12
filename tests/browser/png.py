# SPDX-License-Identifier: Apache-2.0
"""Enough of PNG to compare small screenshots (8-bit RGB or RGBA, not interlaced)."""

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


def _luminance(pixel):
    red, green, blue = (value / 255 / 12.92 if value <= 10 else ((value / 255 + 0.055) / 1.055) ** 2.4 for value in pixel)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrasting(first, second, ratio):
    """Number of pixels that differ between two screenshots of one size by a contrast of at least this ratio."""
    width, height, rows = pixels(first)
    width2, height2, rows2 = pixels(second)
    assert (width, height) == (width2, height2)
    step, count = len(rows[0]) // width, 0
    for row, row2 in zip(rows, rows2):
        for x in range(0, width * step, step) if row != row2 else ():
            if row[x:x + 3] != row2[x:x + 3]:
                dark, light = sorted((_luminance(row[x:x + 3]), _luminance(row2[x:x + 3])))
                count += (light + 0.05) / (dark + 0.05) >= ratio
    return count
