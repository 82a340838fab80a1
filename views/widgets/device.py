"""The chosen device: its charts, who uses it, and all of its metrics with what they mean."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from acceltop.profiler import numbers
from acceltop.profiler.clock import NS_PER_S
from acceltop.profiler.history.subjects import ProcessState
from acceltop.profiler.metrics import METRICS
from acceltop.profiler.numbers import pct
from acceltop.profiler.text import clean
from acceltop.profiler.timeline import Key
from acceltop.views.draw.chart import beside
from acceltop.views.draw.glyphs import area
from acceltop.views.draw.line import Line, Row, Span
from acceltop.views.draw.table import Column, text_cell
from acceltop.views.facts.activity import ACTIVITY
from acceltop.views.facts.devices import DeviceFact, device_facts, history, limit_of, value
from acceltop.views.facts.notes import device_name
from acceltop.views.widgets.devices import HISTORY_S, DevicesPane
from acceltop.views.widgets.findings import wrapped
from acceltop.views.widgets.pane import Pane
from acceltop.views.widgets.processes import ProcessesPane
from acceltop.views.widgets.table_pane import TablePane
from acceltop.views.widgets.trends import span_words, trend_block

MOST_USERS = 4
WIDE = 110
_CHARTS = ("hw.gpu.dram.bandwidth", "hw.gpu.memory.usage", "hw.power", "hw.temperature", "hw.gpu.clock.sm")


def chosen_device(pane: Pane) -> DeviceFact | None:
    """The device that the table above is on."""
    return pane.screen.query_one(DevicesPane).device


class DeviceChartsPane(Pane):
    """As many of the main metrics as there is width for."""

    title = "device"
    explains = "The chosen device over the time that charts cover; + and - change it."
    metrics = (*ACTIVITY, *_CHARTS)

    def draw(self, width: int, height: int) -> Sequence[Line]:
        fact = chosen_device(self)
        names = dict.fromkeys((device_name(fact.found), fact.found.name)) if fact else {"device": None}
        self.title = clean(" · ".join(names), 60)
        return super().draw(width, height)

    def hints(self) -> Iterable[Span]:
        return [
            Span(f"{span_words(self.scene.head.history_ns)} · ", "dim"),
            Span("+ -", "*accent"),
            Span(" zoom", "dim"),
        ]

    def body(self, width: int, height: int) -> Sequence[Line]:
        fact = chosen_device(self)
        if fact is None:
            return []
        wanted = [fact.activity, *_CHARTS] if fact.activity else list(_CHARTS)
        known = [metric for metric in wanted if metric and value(self.scene, fact, metric) is not None]
        shown = known[: max(width // 38, 1)]
        if not shown:
            return self.waiting("no readings of this device")
        each = (width - 2 - 3 * (len(shown) - 1)) // len(shown)
        return beside([(trend_block(self.scene, metric, each, height, fact), each) for metric in shown], height)


class UsersPane(ProcessesPane):
    """The processes that have memory of the chosen device."""

    noun = ""  # a filter there is for the metrics below
    explains = "Who uses the chosen device: its memory, and the share of time in which a kernel of theirs was resident."
    metrics = ("process.gpu.memory.usage", "process.gpu.sm.utilization", "process.cpu.utilization")

    def draw(self, width: int, height: int) -> Sequence[Line]:
        fact = chosen_device(self)
        self.title = f"processes on {clean(device_name(fact.found), 40)}" if fact else "processes"
        return super().draw(width, height)

    def hints(self) -> Iterable[Span]:
        return self.offers()

    def devices(self) -> Sequence[str | None]:
        fact = chosen_device(self)
        return () if fact is None else (fact.id,)

    def items(self) -> Sequence[ProcessState]:
        return [state for state in super().items() if state.gone is None and self._bytes(state)]

    def wanted(self) -> int:
        """Lines that it would fill: none without a process, some of them where there are many."""
        users = len(self.items())
        return users and min(users, MOST_USERS) + 3

    def columns(self, width: int) -> Sequence[Column[ProcessState]]:
        mark, memory, *others = super().columns(width)
        return [mark, memory, Column("sm", "SM", 4, self._sm, self._busy_share, align=">"), *others]

    def _busy_share(self, state: ProcessState) -> float:
        known = [self.scene.value("process.gpu.sm.utilization", device, state.found.pid) for device in self.devices()]
        return max((share for share in known if share is not None), default=-1.0)

    def _sm(self, state: ProcessState, width: int) -> tuple[Span, ...]:
        share = self._busy_share(state)
        return text_cell(pct(share if share >= 0 else None), width, "sm" if share >= 0 else "dim", ">")


@dataclass(frozen=True)
class MetricFact:
    key: Key
    value: float
    limit: float | None


class MetricsPane(TablePane[MetricFact]):
    """Everything that the chosen device tells."""

    noun = "metric"
    explains = "All metrics of the chosen device, with the last minute and what each means."
    metrics = tuple(METRICS)

    def draw(self, width: int, height: int) -> Sequence[Line]:
        fact = chosen_device(self)
        self.title = f"every metric of {clean(device_name(fact.found), 40)}" if fact else "every metric"
        return super().draw(width, height)

    def items(self) -> Sequence[MetricFact]:
        fact = chosen_device(self)
        if fact is None:
            return ()
        wanted = self.scene.filter.lower()
        found = []
        for key in self._keys(fact):
            number = self.scene.value(*key)
            if number is not None and wanted in f"{key.metric} {METRICS[key.metric].label}".lower():
                found.append(MetricFact(key, number, limit_of(self.scene, fact, key.metric)))
        return found

    def _keys(self, fact: DeviceFact) -> list[Key]:
        """In the order of the registry."""
        wanted = fact.keys[""]
        series: Iterable[Key] = self.scene.timeline.keys()
        there = {key.metric: key for key in series if key[1:] == wanted[1:]}
        return [there[metric] for metric in METRICS if metric in there]

    def identity(self, item: MetricFact) -> Hashable:
        return item.key

    def name_of(self, item: MetricFact) -> str:
        return item.key.metric

    def empty(self) -> str:
        return "no readings yet" if any(device_facts(self.scene)) else "no device"

    def footer(self, width: int) -> Sequence[Line]:
        """The chosen one in full; as many lines for each, so that none moves the rows."""
        item = self.current
        if item is None:
            return ()
        told = wrapped(f"{item.key.metric}: {METRICS[item.key.metric].meaning}", width - 4)
        return [Row(back="bar").put("  ").put(text, "dim").line() for text in [*told, ""][:2]]

    def columns(self, width: int) -> Sequence[Column[MetricFact]]:
        order = {metric: at for at, metric in enumerate(METRICS)}
        return [
            Column("metric", "metric", 16, lambda f, w: text_cell(METRICS[f.key.metric].label, w),
                   lambda f: order[f.key.metric], False),
            Column("now", "now", 16, self._now, lambda f: f.value, align=">"),
            Column("history", "last 60 s", 16 if width >= WIDE else 0, self._history),
            Column("name", "name", 26, lambda f, w: text_cell(f.key.metric, w, "dim"), lambda f: f.key.metric, False,
                   needs=WIDE),
            Column("meaning", "what it is", 0, _meaning, needs=WIDE),
        ]  # fmt: skip

    def _now(self, fact: MetricFact, width: int) -> tuple[Span, ...]:
        limit = fact.limit if METRICS[fact.key.metric].unit != "1" else None
        return text_cell(numbers.metric(fact.key.metric, fact.value, limit), width, "*text", ">")

    def _history(self, fact: MetricFact, width: int) -> tuple[Span, ...]:
        values = history(self.scene, fact.key, width * 2, HISTORY_S * NS_PER_S)
        known = [v for v in values if v == v]
        top = fact.limit or max(known, default=0.0) or 1.0
        colour = METRICS[fact.key.metric].colour
        drawn = area([v / top for v in values], 1, self.scene.glyphs)[0]
        return (Span(drawn, "dim" if colour == "plain" else colour),)


def _meaning(fact: MetricFact, width: int) -> tuple[Span, ...]:
    return (Span(METRICS[fact.key.metric].meaning, "dim"),)
