"""Charts of the last minutes, side by side: devices, their memory, steps and ranks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from acceltop.profiler import numbers
from acceltop.profiler.clock import NS_PER_S
from acceltop.profiler.metrics import METRICS, Metric
from acceltop.profiler.numbers import pct
from acceltop.views.draw.chart import SCALE, beside, ends, framed, short
from acceltop.views.draw.glyphs import bar
from acceltop.views.draw.line import Line, Row, Span, clipped, spans_width
from acceltop.views.draw.stacked import legend, stacked
from acceltop.views.facts.awaited import STEPS, awaited
from acceltop.views.facts.devices import DeviceFact, answering
from acceltop.views.facts.steps import SHORT, StepChart, StepFacts, rank_times, slowest_rank, step_chart, step_facts
from acceltop.views.facts.trends import Trend, gpu_facts, trend, trend_metrics
from acceltop.views.moment import USUAL
from acceltop.views.scene import Scene
from acceltop.views.widgets.pane import Pane

GAP = 3
FIGURES = 19  # cells of those beside a small chart of steps
PACE_S = 1.5  # least time from one picture to the next where a column is wider than two readings


class TrendsPane(Pane):
    """As many charts as the width has room for: steps always, then activity, memory, ranks."""

    title = "trends"
    explains = (
        "All devices over time: filled up to the lowest, dotted up to the highest, a line at their mean. Steps: the "
        "last ones, a column each; zoomed out, a column is the slowest of several."
    )
    metrics = ("hw.gpu.sm.active", "hw.gpu.dram.bandwidth", "system.cpu.utilization")
    _drawn_s = float("-inf")

    def moved(self) -> bool:
        """At the usual zoom of readings a second apart every second one is enough: a column stands for six."""
        scene = self.scene
        rests = scene.head.zoom >= USUAL and scene.clock_s() < self._drawn_s + PACE_S
        return super().moved() and (self._waits or not rests)

    def draw(self, width: int, height: int) -> Sequence[Line]:
        self._drawn_s = self.scene.clock_s()
        return super().draw(width, height)

    def hints(self) -> Iterable[Span]:
        metrics = trend_metrics(self.scene)
        span = span_words(self.scene.head.history_ns)
        devices = len(answering(self.scene, gpu_facts(self.scene))) if metrics else 0
        of = f"mean of {devices}, dots from min to max · " if devices > 1 else ""
        return [Span(f"{of}{span} · ", "dim"), Span("+ -", "*accent"), Span(" zoom", "dim")]

    def body(self, width: int, height: int) -> Sequence[Line]:
        metrics = trend_metrics(self.scene)[: 2 if width >= 140 else 1]
        ranks = rank_times(self.scene) if width >= 140 else []
        steps = step_facts(self.scene) is not None
        parts = len(metrics) + steps + bool(ranks)
        if not parts:
            return self.waiting("waiting for the first reading")
        each = (width - 2 - GAP * (parts - 1)) // parts
        extra = 7 if ranks else 0  # steps have a legend, and give the ranks less
        blocks = [(trend_block(self.scene, metric, each, height), each) for metric in metrics]
        if steps:
            blocks.append((step_block(self.scene, each + extra, height), each + extra))
        if ranks:
            blocks.append((rank_block(self.scene, ranks, each - extra, height), each - extra))
        return beside(blocks, height, GAP)


def span_words(ns: int) -> str:
    """A round length of time: `30 s`, `4 min`, `6 h`."""
    seconds = ns // NS_PER_S
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def trend_block(scene: Scene, metric: str, width: int, height: int, fact: DeviceFact | None = None) -> list[Line]:
    """One metric over time with its scale, `height` lines."""
    cells, rows = max(width - SCALE, 4), max(height - 1, 1)
    shown = trend(scene, metric, cells * 2, fact)
    known = METRICS[metric]
    drawn = scene.band(f"band {metric} {fact.id if fact else ''}", (shown.low, shown.mean, shown.high), rows)
    lines = [Line((Span(text, _colour(known)),)) for text in drawn]
    title = [Span(f"{known.label} ", "dim"), Span(_now(metric, shown), f"*{_colour(known)}"), _limit(shown)]
    return framed(title, lines, _labels(shown, metric), width)


def _now(metric: str, shown: Trend) -> str:
    return numbers.metric(metric, shown.now)


def _limit(shown: Trend) -> Span:
    known = METRICS[shown.metric]
    if shown.limit is None or known.unit == "1":
        return Span("")
    return Span(f" of {numbers.metric(shown.metric, shown.limit)}", "dim")


def _labels(shown: Trend, metric: str) -> tuple[str, str, str]:
    if METRICS[metric].unit == "1":
        return "100%", "50", "0"
    if shown.limit is None:
        return "", "", "0"
    return tuple(_bare(metric, shown.limit * part) for part in (1, 0.5, 0))  # type: ignore[return-value]


def _bare(metric: str, value: float) -> str:
    return short(numbers.metric(metric, value).split(" ")[0])


def step_block(scene: Scene, width: int, height: int) -> list[Line]:
    """Steps as stacked phases, with the median and the slowest percent above."""
    cells, rows = max(width - SCALE, 4), max(height - 1, 1)
    chart, facts = step_chart(scene, cells), step_facts(scene)
    if chart is None or facts is None:
        return []
    lines = stacked(chart.columns, phase_tokens(chart.parts), rows, chart.high, scene.glyphs, scene.palette.coloured)
    title = _step_title(facts, phase_legend(scene, chart.parts), width)
    top = _milliseconds(chart.high), _milliseconds(chart.high / 2), "0"
    return framed(title, lines, top, width)


def _step_title(facts: StepFacts, parts: tuple[Span, ...], width: int) -> tuple[Span, ...]:
    """The figures as far as the legend leaves room: without it nobody can read the chart."""
    median = [Span("step ", "dim"), Span(numbers.duration(facts.median), "*text")]
    figures = [*median, Span(f"  p99 {numbers.duration_beside(facts.p99, facts.median)}", "dim")]
    for left in (figures, median, []):
        if spans_width(left) + spans_width(parts) + 2 <= width:
            return ends(left, parts, width)
    return clipped(parts, width)


def _milliseconds(ns: float) -> str:
    return short(numbers.duration(ns)).removesuffix("ms")


def phase_tokens(parts: Sequence[str]) -> list[str]:
    return [f"phase.{part}" for part in parts]


def phase_legend(scene: Scene, parts: Sequence[str]) -> tuple[Span, ...]:
    names = [SHORT[part] for part in parts]
    return legend(names, phase_tokens(parts), scene.palette.coloured, scene.glyphs)


def rank_block(scene: Scene, ranks: list[tuple[int, float]], width: int, height: int) -> list[Line]:
    slowest = slowest_rank(ranks)
    lines = [
        Row()
        .put("ranks ", "dim")
        .put(f"slowest {slowest.rank}", "*warn")
        .put(f"  +{numbers.duration(slowest.over_ns)}/step", "dim")
        .line()
    ]
    cells = max(width - 13, 4)
    # The slowest must be seen, even where there are more ranks than lines.
    shown = ranks if len(ranks) < height else sorted(ranks, key=lambda rank: -rank[1])[: height - 1]
    for rank, median in shown:
        worst = slowest.is_late and rank == slowest.rank
        drawn = bar(median / (slowest.own_ns * 1.1), cells, "warn" if worst else "share")
        row = Row().put(str(rank), "dim", 3, ">").put(" ").add(drawn).put(" ")
        lines.append(row.put(numbers.duration(median), "warn" if worst else "").line())
    return lines


class StepsPane(Pane):
    """Steps on a small screen: three figures at the left, the chart at the right."""

    number, title = "3", "steps"
    explains = (
        "Training steps by phase, each column the slowest of the steps it stands for. Where data waits: the loader."
    )

    def hints(self) -> Iterable[Span]:
        chart = self._chart(self.size.width)
        return phase_legend(self.scene, chart.parts) if chart else ()

    def _chart(self, width: int) -> StepChart | None:
        return step_chart(self.scene, _beside_figures(width))

    def body(self, width: int, height: int) -> Sequence[Line]:
        facts, scene = step_facts(self.scene), self.scene
        if facts is None:
            return self.waiting(awaited(scene, STEPS))
        chart = self._chart(width)
        if chart is None:
            return []
        lines = stacked(
            chart.columns, phase_tokens(chart.parts), height, chart.high, scene.glyphs, scene.palette.coloured
        )
        return beside([(_figures(facts, chart.group), FIGURES), (lines, _beside_figures(width))], height, 1)


def _beside_figures(width: int) -> int:
    return max(width - FIGURES - 4, 8)


def _figures(facts: StepFacts, group: int) -> list[Line]:
    lines = [
        Row().put(numbers.duration(facts.median), "*text").put(f" p99 {numbers.duration(facts.p99)}", "dim").line(),
        Row().put(f"{numbers.three(facts.rate_per_s)} steps/s", "dim").line(),
    ]
    total = sum(facts.phases.values())
    if total and facts.phases.get("data", 0.0) / total >= 0.01:
        share = facts.phases["data"] / total
        lines.insert(1, Row().put(f"data wait {pct(share)}", "phase.data").line())
    if group > 1:
        lines.append(Row().put(f"slowest of {group}", "dim").line())
    return lines


def _colour(metric: Metric) -> str:
    return "text" if metric.colour == "plain" else metric.colour
