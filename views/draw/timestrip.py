"""The strip at the bottom: the whole of what is known in time, the same live and in replay."""

from __future__ import annotations

from itertools import pairwise

from acceltop.views.draw.line import Line, Row, Span

LONGEST_STATE = len("paused")


def strip(
    width: int,
    mark: Span,
    clock: str,
    history: str,
    cursor: int,
    selection: tuple[int, int] | None,
    state: Span,
) -> Line:
    """`cursor` and `selection` count cells of the `history`. What lies after the cursor is fainter."""
    row = Row().put(" ").add((mark,)).put(f" {clock} ", "*text").put(" ")
    edges = {0, len(history), *(edge for edge in (cursor, cursor + 1, *(selection or ())) if 0 < edge < len(history))}
    for start, end in pairwise(sorted(edges)):
        text, token = history[start:end], _token(start, cursor, selection)
        row.put(*("┃", "*accent") if start == cursor else (text, token))
    return row.put(" ").add((state,)).line()


def strip_cells(width: int) -> tuple[int, int]:
    """First column and length of the history within a strip of `width` cells: the same in each state."""
    start = 13
    return start, max(width - start - LONGEST_STATE - 3, 8)


def _token(index: int, cursor: int, selection: tuple[int, int] | None) -> str:
    if selection and selection[0] <= index < selection[1]:
        return "accent"
    return "dim" if index <= cursor else "rule"
