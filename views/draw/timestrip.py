"""The strip at the bottom: the whole of what is known in time, the same live and in replay."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from acceltop.views.draw.glyphs import FULL, Glyphs, area
from acceltop.views.draw.line import Line, Row, Span

LONGEST_STATE = len("paused")


def strip(
    width: int,
    mark: Span,
    clock: str,
    values: Sequence[float],
    cursor: int,
    selection: tuple[int, int] | None,
    state: Span,
    glyphs: Glyphs = FULL,
) -> Line:
    """`values` hold two points a cell; `cursor` and `selection` count cells. What lies after the cursor is fainter."""
    row = Row().put(" ").add((mark,)).put(f" {clock} ", "*text").put(" ")
    text = area(values, 1, glyphs)[0]
    cells = [(char, _token(index, cursor, selection)) for index, char in enumerate(text)]
    if 0 <= cursor < len(cells):
        cells[cursor] = ("┃", "*accent")
    for token, run in groupby(cells, key=lambda cell: cell[1]):
        row.put("".join(char for char, _ in run), token)
    return row.put(" ").add((state,)).line()


def strip_cells(width: int) -> tuple[int, int]:
    """First column and length of the history within a strip of `width` cells: the same in each state."""
    start = 13
    return start, max(width - start - LONGEST_STATE - 3, 8)


def _token(index: int, cursor: int, selection: tuple[int, int] | None) -> str:
    if selection and selection[0] <= index < selection[1]:
        return "accent"
    return "dim" if index <= cursor else "rule"
