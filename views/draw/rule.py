"""The heading of a pane: a rule with its number and name at the left, what is set or can be pressed at the right."""

from __future__ import annotations

from collections.abc import Iterable

from acceltop.profiler.numbers import shorten
from acceltop.views.draw.line import Line, Row, Span, clipped, spans_width


def rule(width: int, title: str, number: str = "", hints: Iterable[Span] = (), focused: bool = False) -> Line:
    """`─ 4 devices ───── hints ─`; the hints give way before the title does."""
    row = Row().put("─ ", "rule")
    if number:
        row.put(f"{number} ", "*accent")
    row.put(shorten(title, width - row.width - 3), "*accent" if focused else "*text").put(" ")
    tail = clipped(hints, max(width - row.width - 5, 0))
    after = spans_width(tail) + 3 if tail else 0
    row.put("─" * max(width - row.width - after, 0), "rule")
    if tail:
        row.put(" ").add(tail).put(" ─", "rule")
    return row.line()


def keys(*pairs: tuple[str, str], gap: str = "  ") -> tuple[Span, ...]:
    """`/ filter  t sort`: the key in the accent colour, what it does dim."""
    spans: list[Span] = []
    for index, (key, meaning) in enumerate(pairs):
        spans += [Span(gap) if index else Span(""), Span(key, "*accent"), Span(f" {meaning}", "dim")]
    return tuple(span for span in spans if span.text)
