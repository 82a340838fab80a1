"""Steps in full: the chart, how they spread, the slowest ones."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from acceltop.profiler import numbers
from acceltop.profiler.model import PHASES
from acceltop.profiler.numbers import pct
from acceltop.views.draw.glyphs import bar
from acceltop.views.draw.line import BLANK, Line, Row, Span, spans_width
from acceltop.views.draw.table import Column, text_cell
from acceltop.views.facts.awaited import STEPS, awaited
from acceltop.views.facts.notes import clock
from acceltop.views.facts.steps import SHORT, StepFacts, rank_times, step_chart, step_facts
from acceltop.views.widgets.pane import Pane
from acceltop.views.widgets.table_pane import TablePane
from acceltop.views.widgets.trends import rank_block, span_words, step_block

NO_STEPS = "no steps in this range"
MOST_SLOW = 100


class StepChartPane(Pane):
    """The steps of the time that charts cover, over what they consist of."""

    number, title = "3", "steps"
    explains = (
        "Each column is a step, or the slowest of several when zoomed out; its parts are the phases of a step. Steps "
        "are numbered from the first that was seen, not as the job itself may count them."
    )

    def hints(self) -> Iterable[Span]:
        told = " · ".join(self._told())
        return [Span(f"{told} · ", "dim"), Span("+ -", "*accent"), Span(" zoom  ", "dim"), Span("s", "*accent"),
                Span(" slowest", "dim")]  # fmt: skip

    def _told(self) -> Iterator[str]:
        """What a column is, and how much of the time the chart covers."""
        cells = max(self.size.width - 8, 8)
        chart, span = step_chart(self.scene, cells), span_words(self.scene.head.history_ns)
        if chart is None:
            yield span
        elif chart.group > 1:
            yield from (f"each column is the slowest of {chart.group} steps", span)
        else:
            yield "each column is a step"
            yield f"the last {cells}" if len(chart.columns) == cells else span

    def body(self, width: int, height: int) -> Sequence[Line]:
        facts = step_facts(self.scene)
        if facts is None:
            return self.waiting(awaited(self.scene, STEPS))
        return [
            *(Line((Span(" "), *line.spans)) for line in step_block(self.scene, width - 2, height - 2)),
            BLANK,
            _summary(facts, width),
        ]


def _summary(facts: StepFacts, width: int) -> Line:
    """Where there is little room, of the phases their shares alone; the slowest step stands below."""
    wide = width >= 45 + 19 * len(facts.phases)
    row = Row().put(f" {numbers.count(facts.count)} steps · {numbers.three(facts.rate_per_s)} steps/s", "dim")
    if wide:
        row.put(" · slowest ", "dim").put(numbers.duration(facts.slowest))
    total = sum(facts.phases.values())
    for name, ns in facts.phases.items():
        row.put(f"   {SHORT[name]} ", f"phase.{name}")
        row.put(f"{numbers.duration(ns)} " if wide else "").put(pct(ns / total) if total else "", "dim")
    return row.line()


class HistogramPane(Pane):
    """How the step times spread, and the ranks where there are several."""

    title = "how they spread"
    explains = "How many steps of the range shown took how long."

    def hints(self) -> Iterable[Span]:
        return [Span("step time · number of steps", "dim")]

    def body(self, width: int, height: int) -> Sequence[Line]:
        scene = self.scene
        ranks = rank_times(scene)
        if ranks and height >= 2 * min(len(ranks) + 1, 9) + 4:
            lines = [
                Line((Span(" "), *line.spans)) for line in rank_block(scene, ranks, width - 2, min(len(ranks) + 1, 9))
            ]
            return [*self._bins(width, height - len(lines) - 1), BLANK, *lines]
        return self._bins(width, height)

    def _bins(self, width: int, height: int) -> list[Line]:
        facts = step_facts(self.scene)
        if facts is None:
            return self.waiting(NO_STEPS)
        rows = min(height, 16)
        counts, edges = np.histogram(facts.durations, bins=rows)
        most = max(int(counts.max()), 1)
        lines = []
        for count, low in zip(counts.tolist(), edges.tolist(), strict=False):
            row = Row().put(numbers.duration(low), "dim", 9, ">").put(" ")
            row.add(bar(count / most if count else None, max(width - 20, 4), "share"))
            lines.append(row.put(numbers.count(count) if count else "", "", 8, ">").line())
        return lines


@dataclass(frozen=True)
class SlowStep:
    index: int
    start_ns: int
    duration_ns: int
    phases: tuple[tuple[str, int], ...]


class SlowestPane(TablePane[SlowStep]):
    """Enter shows what else happened then."""

    title = "slowest steps"
    explains = (
        "The slowest steps of the range shown, and what took more time than in the median step. Enter goes there."
    )

    def items(self) -> Sequence[SlowStep]:
        pid = self.scene.focus_pid
        if pid is None:
            return ()
        return self.scene.memo("slowest", (pid, self.scene.seen("Steps")), lambda: self._slowest(pid))

    def _slowest(self, pid: int) -> list[SlowStep]:
        steps = self.scene.timeline.steps(pid, *self.scene.head.range_ns())
        order = np.argsort(steps.duration_ns)[::-1][:MOST_SLOW]
        return [
            SlowStep(
                int(steps.index[at]),
                int(steps.start_ns[at]),
                int(steps.duration_ns[at]),
                tuple((name, int(steps.phases[name][at])) for name in PHASES if steps.phases[name][at] >= 0),
            )
            for at in order
        ]

    def identity(self, item: SlowStep) -> Hashable:
        return item.index

    def empty(self) -> str:
        return NO_STEPS

    def opened(self, item: SlowStep) -> None:
        head = self.scene.head
        head.clear()
        head.seek(item.start_ns + item.duration_ns)
        self.host.redraw()

    def columns(self, width: int) -> Sequence[Column[SlowStep]]:
        return [
            Column("time", "step time", 9, lambda f, w: text_cell(numbers.duration(f.duration_ns), w, "*text", ">"),
                   lambda f: f.duration_ns, align=">"),
            Column("index", "step", 9, lambda f, w: text_cell(numbers.count_in(f.index, w), w, "", ">"),
                   lambda f: f.index, align=">"),
            Column("when", "when", 8, lambda f, w: text_cell(clock(f.start_ns), w, "dim"), lambda f: f.start_ns),
            Column("why", "more than the median step", 0, self._why),
        ]  # fmt: skip

    def _why(self, step: SlowStep, width: int) -> tuple[Span, ...]:
        """The phases that took longer than usual, the most first."""
        facts = step_facts(self.scene)
        usual = facts.phases if facts else {}
        over = sorted(((ns - usual.get(name, 0.0), name) for name, ns in step.phases), reverse=True)
        spans: list[Span] = []
        for more, name in over:
            told = [Span(f"{'  ' if spans else ''}{SHORT[name]} ", f"phase.{name}"), Span(f"+{numbers.duration(more)}")]
            if more < 0.05 * step.duration_ns or spans_width([*spans, *told]) > width:
                break
            spans += told
        return tuple(spans)
