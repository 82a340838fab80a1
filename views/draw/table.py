"""A table whose columns give way by the width of the pane, and an order of its rows that doesn't jump."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Generic, NamedTuple, TypeVar

from acceltop.profiler.numbers import shorten
from acceltop.views.draw.line import Line, Row, Span, blank, clipped, fit, spans_width

T = TypeVar("T")
SETTLE_S = 2.0  # an order changes at most this often
HANDS_OFF_S = 3.0  # and not this soon after a key
CELLS_KEPT = 2048  # most cells show what they or their neighbours showed a second ago
LEAST = 9  # cells of the column that takes what is left


@dataclass(frozen=True)
class Column(Generic[T]):
    """`draw` gets an item and the width in cells. Width 0 takes what is left; `needs` is the narrowest pane with it."""

    id: str
    title: str
    width: int
    draw: Callable[[T, int], tuple[Span, ...]]
    key: Callable[[T], Any] | None = None  # sorts by it; None: can't be sorted
    descending: bool = True
    align: str = "<"
    needs: int = 0


class Placed(NamedTuple):
    column: Column[Any]
    x: int
    width: int


def layout(columns: Sequence[Column[T]], width: int, gap: int = 2) -> list[Placed]:
    """Where each column that fits stands; the first cell of a line is the selection's mark."""
    shown = [column for column in columns if column.needs <= width]
    while (rest := width - _fixed(shown, gap)) < LEAST and any(column.needs for column in shown):
        shown.remove(max(shown, key=lambda column: column.needs))  # better none than the last one cut
    rest = max(rest, LEAST)
    placed, x = [], 1
    for column in shown:
        cells = column.width or rest
        placed.append(Placed(column, x, cells))
        x += cells + gap
    return placed


def _fixed(columns: Sequence[Column[T]], gap: int) -> int:
    return sum(column.width for column in columns) + gap * (len(columns) - 1) + 2


def heading(placed: Sequence[Placed], sort: str = "") -> Line:
    """The titles; the column that is sorted by stands out."""
    row = Row()
    for column, x, width in placed:
        text = shorten(column.title, width)
        row.to(x).put(text, "*accent" if column.id == sort else "dim", width, column.align)
    return row.line()


def table_row(placed: Sequence[Placed], item: T, selected: bool = False, faded: bool = False) -> Line:
    """A selected row has a lighter ground and a bar in column 0; in a faded one only what is wrong has its colour."""
    spans = [Span("▌", "accent")] if selected else []
    at = len(spans)
    for column, x, width in placed:
        if x > at:
            spans.append(blank(x - at))
            at = x
        drawn = column.draw(item, width)
        length = spans_width(drawn)
        if length > width:
            drawn = clipped(drawn, width)
            length = spans_width(drawn)
        spans += drawn
        at += length
    line = Line(tuple(spans), "selected" if selected else "", at)
    return _faded(line) if faded else line


def _faded(line: Line) -> Line:
    return line._replace(spans=tuple(Span(span.text, _faint(span.token)) for span in line.spans))


def _faint(token: str) -> str:
    name, at, back = token.partition("@")
    return token if name in ("warn", "bad", "accent") else f"faint{at}{back}"


def column_at(placed: Sequence[Placed], x: int) -> Column[Any] | None:
    """The column under a mouse click."""
    for column, start, width in placed:
        if start <= x < start + width:
            return column
    return None


@lru_cache(maxsize=CELLS_KEPT)
def text_cell(text: str, width: int, token: str = "", align: str = "<") -> tuple[Span, ...]:
    return (Span(fit(text, width, align), token),)


@lru_cache(maxsize=CELLS_KEPT)
def tail_cell(head: tuple[Span, ...], text: str, width: int, token: str = "") -> tuple[Span, ...]:
    """`head` (a bar), then `text` up to the right edge."""
    return (*head, Span(fit(text, width - spans_width(head), ">"), token))


@dataclass
class Order(Generic[T]):
    """The order of a table's rows: recomputed when it may, else the last one, with new rows at the end."""

    identity: Callable[[T], Hashable]
    waits: bool = False  # the last order was kept: another one may be right by now
    _rank: dict[Hashable, int] = field(default_factory=dict)
    _settled_s: float = -1e9
    _asked_s: float = -1e9
    _by: str = ""

    def arrange(
        self,
        items: Sequence[T],
        column: Column[T],
        reverse: bool,
        now_s: float,
        last_key_s: float,
        held: Hashable = None,
    ) -> list[T]:
        """`held` is the row that keeps its place when others move around it."""
        by = f"{column.id}{reverse}"
        in_sight = now_s - self._asked_s < HANDS_OFF_S  # else nobody has an order before their eyes that could jump
        self._asked_s = now_s
        self.waits = in_sight and not self._is_free(now_s, last_key_s) and by == self._by
        if not self.waits:
            asked = by != self._by
            self._settled_s, self._by = now_s, by
            return self._sort(items, column, reverse, None if asked else held)
        identity, rank, last = self.identity, self._rank.get, len(self._rank)
        return sorted(items, key=lambda item: rank(identity(item), last))

    def is_due(self, now_s: float, last_key_s: float) -> bool:
        """Whether the last order was kept for so long that no new rows seem to come, with which it would change."""
        return self.waits and self._is_free(now_s - SETTLE_S, last_key_s)

    def _is_free(self, now_s: float, last_key_s: float) -> bool:
        return now_s - self._settled_s >= SETTLE_S and now_s - last_key_s >= HANDS_OFF_S

    def _sort(self, items: Sequence[T], column: Column[T], reverse: bool, held: Hashable) -> list[T]:
        ranked = sorted(items, key=column.key, reverse=column.descending != reverse) if column.key else list(items)
        kept = [item for item in ranked if self.identity(item) == held] if held in self._rank else []
        for item in kept:
            ranked.remove(item)
            ranked.insert(self._rank[held], item)
        self._rank = {self.identity(item): rank for rank, item in enumerate(ranked)}
        return ranked
