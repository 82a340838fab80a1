"""A stacked chart in half cells: `▄` in two colours shows two values a row, so a chart is twice as high as its rows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby

from acceltop.views.draw.glyphs import FULL, Glyphs
from acceltop.views.draw.line import Line, Span

_SHADES = "▓▒█░▚+"
_ASCII_SHADES = "dfbocx"


def stacked(
    columns: Sequence[Sequence[float]],
    tokens: Sequence[str],
    rows: int,
    high: float,
    glyphs: Glyphs = FULL,
    colours: bool = True,
) -> list[Line]:
    """`columns` hold one value a part (NaN: nothing is known, the column stays blank), `high` is the top of the scale.

    Without colours each part has a shade of its own and a cell shows one part.
    """
    if not (colours and glyphs.blocks):
        return _shaded(columns, rows, high, _SHADES if glyphs.blocks else _ASCII_SHADES)
    halves = [_parts(tuple(column), rows * 2, high) for column in columns]
    levels = list(zip(*halves, strict=True))  # from below
    names = (*tokens, "")  # the last one is that of no part, -1
    return [_half_row(levels[at], levels[at - 1], names) for at in range(rows * 2 - 1, 0, -2)]


def _half_row(upper: Sequence[int], lower: Sequence[int], names: Sequence[str]) -> Line:
    runs = [(parts, len(list(run))) for parts, run in groupby(zip(upper, lower, strict=True))]
    return Line(tuple(_half_span(names[up], names[low], count) for (up, low), count in runs), "", len(upper))


@lru_cache(maxsize=1024)
def _half_span(upper: str, lower: str, count: int) -> Span:
    if not upper and not lower:
        return Span(" " * count)
    if upper == lower:
        return Span("█" * count, lower)
    if not upper:
        return Span("▄" * count, lower)
    return Span("▄" * count, f"{lower or 'base'}@{upper}")


@lru_cache(maxsize=1024)  # of a chart that has moved on most columns are known
def _parts(column: tuple[float, ...], steps: int, high: float) -> tuple[int, ...]:
    """For each of `steps` from below: the part that covers it, or -1. Rounding keeps the sum, not each part."""
    filled: list[int] = []
    total = 0.0
    for part, value in enumerate(column):
        if value == value and value > 0:
            total += value
            end = min(round(total / high * steps), steps)
            filled += [part] * (end - len(filled))
    return (*filled, *[-1] * (steps - len(filled)))


def _shaded(columns: Sequence[Sequence[float]], rows: int, high: float, shades: str) -> list[Line]:
    parts = [_parts(tuple(column), rows, high) for column in columns]
    lines = []
    for row in range(rows - 1, -1, -1):
        text = "".join(shades[column[row]] if column[row] >= 0 else " " for column in parts)
        lines.append(Line((Span(text, "text"),)))
    return lines


def legend(
    names: Sequence[str], tokens: Sequence[str], colours: bool = True, glyphs: Glyphs = FULL
) -> tuple[Span, ...]:
    """The parts' names in their colours; with their shade where there are no colours."""
    shades = _SHADES if glyphs.blocks else _ASCII_SHADES
    spans: list[Span] = []
    for part, (name, token) in enumerate(zip(names, tokens, strict=True)):
        mark = "" if colours else shades[part]
        spans.append(Span(f"{mark}{name} " if part < len(names) - 1 else f"{mark}{name}", token))
    return tuple(spans)
