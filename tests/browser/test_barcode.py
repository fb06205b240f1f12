# SPDX-License-Identifier: Apache-2.0
"""Barcodes as displayed, read by zbarimg off a screenshot; whole pixels, size, quiet zone."""

import pytest

import png
from counter_driver import set_viewport
from snapshots import STATES, number, snap


def show(page, value, symbology, view=None):
    return page.begin(snap("number", number=number(value, symbology=symbology)), "ja", view)


READ = [
    ("nw7", "789", "A789A"), ("nw7", "086", "A086A"), ("nw7", "0123456789", "A0123456789A"), ("nw7", "00012345678904", "A00012345678904A"),
    ("code39", "086", "086"), ("code39", "0123456789", "0123456789"), ("code39", "A0086B", "A0086B")]


@pytest.mark.parametrize("view", [None, "resident", "staff"])
def test_zbarimg_reads_it(page, view):
    page.begin(STATES["wait"], "ja", view)
    for symbology, value, read in READ:
        page.show(snap("number", number=number(value, symbology=symbology)))
        assert page.barcode() == (symbology, read)
        assert page.number() == value


@pytest.mark.parametrize(("width", "scale"), [(1920, 1), (1024, 2), (1024, 1.25), (320, 1)])
def test_zbarimg_reads_it_on_other_screens(page, width, scale):
    set_viewport(page.driver, width, 900, scale)
    show(page, "00123456", "nw7")
    page.js("document.querySelector('.mk-barcode').scrollIntoView()")
    assert page.barcode() == ("nw7", "A00123456A")


def geometry(page):
    return page.js("""const svg = document.querySelector('.mk-barcode svg'); const box = svg.getBoundingClientRect();
        const rects = [...svg.querySelectorAll('rect')];
        return { x: box.x, y: box.y, width: box.width, height: box.height, name: svg.getAttribute('aria-label'),
          role: svg.getAttribute('role'), edges: getComputedStyle(svg).shapeRendering, rects: rects.map((r) =>
            [r.x.baseVal.value, r.width.baseVal.value]) }""")


def test_bars_are_whole_pixels_with_room_around(page):
    show(page, "0123456789", "nw7")
    found = geometry(page)
    unit = min(width for _, width in found["rects"])
    assert found["edges"] == "crispedges" and unit == 2
    assert all(x % unit == 0 and width % unit == 0 for x, width in found["rects"])
    first, last = found["rects"][0], found["rects"][-1]
    assert first[0] >= 10 * unit and found["width"] - sum(last) >= 10 * unit
    assert found["height"] >= 25 / 25.4 * 96
    assert found["width"] <= 120 / 25.4 * 96
    assert found["role"] == "img" and "0123456789" in found["name"]


def test_bars_are_pure_black_on_white(page):
    show(page, "789", "nw7")
    box = geometry(page)
    width, height, rows = png.pixels(page.picture({key: box[key] for key in ("x", "y", "width", "height")}))
    step = len(rows[0]) // width
    row = rows[height // 2]
    assert {row[x * step:x * step + 3] for x in range(width)} == {b"\0\0\0", b"\xff\xff\xff"}


def test_no_more_than_120_mm(page):
    show(page, "12345678901234567890", "nw7")
    assert geometry(page)["width"] <= 120 / 25.4 * 96
    assert page.barcode() == ("nw7", "A12345678901234567890A")


def test_what_isnt_modules_isnt_drawn(page):
    page.begin(snap("number", number={"values": ["789"], "chosen": 0, "barcode": {"symbology": "nw7", "text": "", "modules": "10x"}}))
    assert page.number() == "789" and not page.is_shown(".mk-barcode")
