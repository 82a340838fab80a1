"""Boxes for an icicle: where each stands and how it looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from zlib import crc32

from acceltop.profiler.numbers import pct
from acceltop.views.draw.line import Line, Row, Span, cells, fit

COLOURS = 6


class Box(NamedTuple):
    """A box of `width` cells at column `x`."""

    x: int
    width: int
    text: str
    line: str
    share: float
    selected: bool = False


def colour_of(name: str) -> str:
    """The same for the same file, whatever else is on the screen."""
    return f"frame.{crc32(name.encode()) % COLOURS}"


def icicle_row(boxes: Sequence[Box], coloured: bool) -> Line:
    """Boxes of one depth, from the left; a blank cell lies between neighbours."""
    row = Row()
    for box in boxes:
        inner = box.width - 1
        if inner < 1:
            continue
        row.to(box.x).add(_box(box, inner, coloured))
    return row.line()


def _box(box: Box, width: int, coloured: bool) -> tuple[Span, ...]:
    token = "base@accent" if box.selected else f"text@{colour_of(box.line.rpartition(':')[0] or box.text)}"
    text = _label(box, width if coloured else width - 1)
    if coloured:
        return (Span(text, token),)
    return (
        Span("▌" if box.selected else "│", "accent" if box.selected else "dim"),
        Span(text, "*" if box.selected else ""),
    )


def _label(box: Box, width: int) -> str:
    """The name; then its line and its share, each if it fits whole; the share stays at the right."""
    room, share = width - 1, f" {pct(box.share)} "
    text, tail = box.text, ""
    if cells(text) + len(share) <= room:
        tail = share
    if box.line and cells(text) + 2 + cells(box.line) + len(tail) <= room:
        text = f"{text}  {box.line}"
    return " " + fit(text, room - len(tail)) + tail if width > 2 else " " * width
