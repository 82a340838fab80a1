"""Text in columns: what a report is laid out with. Widths are in terminal columns; nothing here knows what it shows."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from acceltop.profiler.numbers import cells, shorten

GAP = 2
_CODES = {
    "dim": "2",
    "bold": "1",
    "sm": "36",
    "tensor": "35",
    "dram": "33",
    "memory": "34",
    "warning": "33",
    "error": "31",
}
Paint = Callable[[str, str], str]
"""(text, style) → text; a style is a key of the theme or empty."""


class Cell(NamedTuple):
    text: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column with `weight` 0 always stays; of the others the lightest goes first when it gets narrow.
    One with a `least` width gives way down to that, its texts shortened in the middle."""

    head: str
    right: bool = False
    weight: int = 0
    least: int = 0


def painter(colour: bool) -> Paint:
    def paint(text: str, style: str) -> str:
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if colour and style and text.strip() else text

    return paint


def heading(title: str, right: str, width: int, paint: Paint) -> str:
    """`─ title ─────── right ─`."""
    room = max(width - cells(title) - 8, 0)
    right = f" {shorten(right, room)} ─" if right and room > 8 else ""
    rule = "─" * max(width - cells(title) - cells(right) - 4, 0)
    return f"{paint('─', 'dim')} {paint(title, 'bold')} {paint(rule + right, 'dim')}"


def table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], width: int, paint: Paint) -> list[str]:
    """Headings and rows; columns in which no row says anything are left out."""
    kept = [at for at in range(len(columns)) if any(row[at].text for row in rows)]
    natural = {at: max(cells(columns[at].head), *(cells(row[at].text) for row in rows)) for at in kept}
    widths = _fit(columns, natural, width - 1)
    lines = [_line([(Cell(columns[at].head, "dim"), columns[at].right, widths[at]) for at in widths], paint)]
    if not any(columns[at].head for at in widths):
        lines = []
    lines += [_line([(row[at], columns[at].right, widths[at]) for at in widths], paint) for row in rows]
    return lines


def wrapped(text: str, width: int, first: str, later: str) -> list[str]:
    """A paragraph; `first` and `later` begin its lines."""
    if cells(text) > len(text):  # textwrap counts characters; one of these may take two columns
        width //= 2
    return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=later, break_on_hyphens=False) or [first]


def flowing(items: Iterable[tuple[str, str]], width: int, paint: Paint, gap: str = "   ") -> list[str]:
    """Labels and values one after another, a new line where the next does not fit."""
    lines, used = [""], 0
    for label, value in items:
        value = shorten(value, width - cells(label) - 2)
        length = cells(label) + 1 + cells(value)
        if used and used + len(gap) + length > width - 1:
            lines.append("")
            used = 0
        lines[-1] += (gap if used else " ") + f"{paint(label, 'dim')} {value}"
        used += length + len(gap)
    return [line for line in lines if line]


def _fit(columns: Sequence[Column], natural: dict[int, int], room: int) -> dict[int, int]:
    """Widths by column: first the light columns go, then the flexible ones shrink, the widest first."""
    widths = dict(natural)
    while _least(columns, widths) > room:
        light = [at for at in widths if columns[at].weight]
        if not light:
            break
        del widths[min(light, key=lambda at: columns[at].weight)]
    while _total(widths) > room:
        flexible = [at for at in widths if columns[at].least and widths[at] > columns[at].least]
        if not flexible:
            break
        widths[max(flexible, key=lambda at: widths[at])] -= 1
    return widths


def _least(columns: Sequence[Column], widths: dict[int, int]) -> int:
    return _total({at: min(width, columns[at].least or width) for at, width in widths.items()})


def _total(widths: dict[int, int]) -> int:
    return sum(widths.values()) + GAP * max(len(widths) - 1, 0)


def _line(parts: Iterable[tuple[Cell, bool, int]], paint: Paint) -> str:
    drawn = []
    for cell, right, width in parts:
        text = shorten(cell.text, width)
        pad = " " * (width - cells(text))
        painted = paint(text, cell.style)
        drawn.append(pad + painted if right else painted + pad)
    return (" " + (" " * GAP).join(drawn)).rstrip()
