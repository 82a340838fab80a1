"""Boxes for an icicle: where each stands and how it looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from zlib import crc32

from acceltop.profiler.numbers import cells
from acceltop.views.draw.line import Line, Row, Span, fit

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
    """Name, line and share, as far as there is room; the share stays at the right."""
    share = f"{box.share:.0%} "
    if width < 3:
        return " " * width
    if width < cells(box.text) + len(share) + 3:
        return " " + fit(box.text, width - 1)
    text = f"{box.text}  {box.line}" if box.line else box.text
    return " " + fit(text, width - 1 - len(share)) + share
