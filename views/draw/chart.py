"""Charts with a title and a scale, and several of them side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from acceltop.views.draw.line import BLANK, Line, Row, Span, clipped, spans_width

SCALE = 6  # cells of a scale with its line


def framed(title: Iterable[Span], rows: Sequence[Line], labels: tuple[str, str, str], width: int) -> list[Line]:
    """`labels` stand at the top, in the middle and at the bottom of the scale."""
    middle, last = len(rows) // 2, len(rows) - 1
    places = {0: labels[0], last: labels[2]}
    if last >= 4:
        places[middle] = labels[1]
    lines = [Line(clipped(title, width))]
    for at, row in enumerate(rows):
        drawn = Row().put(places.get(at, ""), "dim", SCALE - 1, ">").put("│", "rule").within(row, width - SCALE)
        lines.append(drawn.line())
    return lines


def beside(blocks: Sequence[tuple[Sequence[Line], int]], height: int, gap: int = 3) -> list[Line]:
    """Blocks of lines, each with its width, in one row."""
    lines = []
    for at in range(height):
        row, edge = Row().put(" "), 1
        for block, width in blocks:
            line = block[at] if at < len(block) else BLANK
            row.to(edge).within(line, width)
            edge += width + gap
        lines.append(row.line())
    return lines


def short(text: str) -> str:
    """A number for a scale: `1.00 ms` → `1ms`, `1.50 ms` → `1.5ms`."""
    number, _, unit = text.partition(" ")
    if "." in number:
        number = number.rstrip("0").rstrip(".")
    return number + unit


def ends(left: Iterable[Span], right: Iterable[Span], width: int) -> tuple[Span, ...]:
    """`left` and, as far as there is room, `right` at the right edge."""
    head, tail = tuple(left), tuple(right)
    gap = width - spans_width(head) - spans_width(tail)
    return (*head, Span(" " * gap), *tail) if gap >= 2 else head
