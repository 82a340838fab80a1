"""Tables as Markdown that also reads well in a terminal, and how ratios and spreads are written in them."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligned by spaces."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = [_line(head, widths), "|" + "|".join("-" * (width + 2) for width in widths) + "|"]
    return "\n".join([*lines, *(_line(row, widths) for row in rows)])


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"


def likely(values: Sequence[float], digits: int = 3) -> str:
    """`1.004 (0.998 … 1.011)`: the median, and between which two of the values the true one lies in 19 of 20 cases."""
    ordered = sorted(values)
    rank = max(0, int(len(ordered) / 2 - 0.98 * len(ordered) ** 0.5))
    return spread([ordered[rank], median(ordered), ordered[-1 - rank]], digits)


def spread(values: Sequence[float], digits: int = 3) -> str:
    """`1.004 (0.998 … 1.011)`: the median, the least and the most."""
    if not values:
        return "–"
    return f"{median(values):.{digits}f} ({min(values):.{digits}f} … {max(values):.{digits}f})"
