"""The calls that the timeline has in sight, by name."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from acceltop.profiler import numbers
from acceltop.profiler.text import clean
from acceltop.views.draw.glyphs import bar
from acceltop.views.draw.line import Span
from acceltop.views.draw.table import Column, tail_cell, text_cell
from acceltop.views.facts.slices import CallFact, calls_within
from acceltop.views.widgets.kernels import percent_figure, short_name
from acceltop.views.widgets.slices import SlicesPane
from acceltop.views.widgets.table_pane import TablePane


class CallsPane(TablePane[CallFact]):
    """Enter goes to the longest call of a name."""

    title, noun = "calls in sight", "call"
    explains = (
        "The calls that the rows above have in sight, by the time that they take themselves: without the calls that "
        "they make. Enter chooses the longest one of a name."
    )

    @property
    def _slices(self) -> SlicesPane:
        return self.screen.query_one(SlicesPane)

    def _all(self) -> Sequence[CallFact]:
        shown = self._slices.shown()
        return calls_within(self.scene, shown, *self._slices.span(shown)) if shown else ()

    def sight(self) -> Hashable:
        """The window, and the part of it that the rows are of."""
        shown = self._slices.shown()
        return (id(shown), self._slices.span(shown)) if shown else None

    def items(self) -> Sequence[CallFact]:
        wanted = self.scene.filter.lower()
        return [fact for fact in self._all() if wanted in fact.name.lower()]

    def identity(self, item: CallFact) -> Hashable:
        return item.name

    def name_of(self, item: CallFact) -> str:
        return clean(item.name)

    def empty(self) -> str:
        return "no call in sight" if self._slices.shown() else ""  # the pane above says why

    def opened(self, item: CallFact) -> None:
        self._slices.go_to(item.name)

    def columns(self, width: int) -> Sequence[Column[CallFact]]:
        return [
            Column("share", "share", 11, self._share(), lambda f: f.own_ns),
            Column("name", "call", 0, lambda f, w: text_cell(short_name(f.name), w), lambda f: f.name, False),
            Column("calls", "calls", 6, lambda f, w: text_cell(numbers.count_in(f.calls, w), w, "", ">"),
                   lambda f: f.calls, align=">"),
            Column("self", "itself", 9, lambda f, w: text_cell(numbers.duration(f.own_ns), w, "", ">"),
                   lambda f: f.own_ns, align=">"),
            Column("total", "with its calls", 14, lambda f, w: text_cell(numbers.duration(f.total_ns), w, "", ">"),
                   lambda f: f.total_ns, align=">"),
        ]  # fmt: skip

    def _share(self) -> Callable[[CallFact, int], tuple[Span, ...]]:
        facts = self._all()
        total, top = sum(fact.own_ns for fact in facts), max((fact.own_ns for fact in facts), default=0)

        def draw(fact: CallFact, width: int) -> tuple[Span, ...]:
            drawn = bar(fact.own_ns / top if top else None, width - 5, "share")
            return tail_cell(drawn, percent_figure(fact.own_ns / total) if total else numbers.UNKNOWN, width)

        return draw
