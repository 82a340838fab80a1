"""Devices as rows: how busy, since when, memory, power, links, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence

from acceltop.profiler import numbers
from acceltop.profiler.clock import NS_PER_S
from acceltop.profiler.metrics import METRICS
from acceltop.profiler.text import clean
from acceltop.views.draw.glyphs import area, bar
from acceltop.views.draw.line import Span, fit
from acceltop.views.draw.table import Column, tail_cell, text_cell
from acceltop.views.facts.devices import DeviceFact, device_facts, history, limit_of, ratio, state_words, value
from acceltop.views.widgets.table_pane import TablePane

HISTORY_S = 60
LOOK_S = 3
_LABELS = {"hw.gpu.sm.active": "SM active", "hw.gpu.utilization": "kernel resident", "hw.gpu.graphics.active": "engine"}
Draw = Callable[[DeviceFact, int], tuple[Span, ...]]


def pct(share: float | None) -> str:
    return numbers.UNKNOWN if share is None else f"{share * 100:.0f}%"


class DevicesPane(TablePane[DeviceFact]):
    """One row a device, the columns that any of them fills."""

    number, title = "1", "devices"
    explains = "Every accelerator and the host's CPU. ▼ and a word at the right: what slows a device down, or is wrong."
    metrics = ("hw.gpu.sm.active", "hw.gpu.utilization", "hw.gpu.tensor.active", "hw.gpu.dram.bandwidth",
               "hw.gpu.dram.busy_hint", "hw.gpu.memory.usage", "hw.power", "hw.temperature", "hw.gpu.clock.sm",
               "hw.gpu.nvlink.transmit", "hw.gpu.pcie.receive", "system.cpu.utilization",
               "system.pressure.cpu")  # fmt: skip

    def hints(self) -> Iterable[Span]:
        interval = f"{self.scene.link.interval_s:g} s"
        facts = device_facts(self.scene)
        gpm = any(fact.activity == "hw.gpu.sm.active" for fact in facts)
        gpu = any(fact.found.kind == "gpu" for fact in facts)
        if not gpu:
            note = next((n for n in self.scene.timeline.notes() if n.code in ("nvml.no_driver", "source.unavailable")
                         and n.source == "nvml"), None)  # fmt: skip
            return [
                Span(
                    f"{clean(note.text).partition(':')[0]}: see doctor" if note else interval, "warn" if note else "dim"
                )
            ]
        return [Span(f"{interval} · GPM counters" if gpm else interval, "dim")]

    def items(self) -> Sequence[DeviceFact]:
        return device_facts(self.scene)

    def identity(self, item: DeviceFact) -> Hashable:
        return item.id

    def name_of(self, item: DeviceFact) -> str:
        return clean(item.found.name)

    def empty(self) -> str:
        return "waiting for the first device"

    def opened(self, item: DeviceFact) -> None:
        self.host.open_device(item.id)

    def wanted(self, width: int) -> int:
        return max(len(self.items()), 1) + 1 + (not self.headless)

    def columns(self, width: int) -> Sequence[Column[DeviceFact]]:
        facts = self.items()
        roomy = width >= 110
        label = min(max((len(fact.label) for fact in facts), default=3), 12 if roomy else 9)
        place = {fact.id: index for index, fact in enumerate(facts)}
        columns = [
            Column("device", "gpu" if label <= 3 else "device", label, self._label, lambda f: place[f.id], False),
            Column(
                "activity", self._activity_title(), 16 if width >= 60 else 8, self._activity, self._number("activity")
            ),
            Column("history", "last 60 s", 0, self._history),
            *self._known_columns(width, roomy),
            Column("state", "state" if roomy else "", self._state_width(width), self._state),
        ]
        return [column for column in columns if column.needs <= width]

    def _state_width(self, width: int) -> int:
        """Room for a word; for since when, only while a device is silent or lost."""
        longest = max((len(state_words(self.scene, fact)[0]) for fact in self.items()), default=0)
        return 20 if width >= 180 else min(max(longest, 10), 16 if width >= 80 else 10)

    def _known_columns(self, width: int, roomy: bool) -> list[Column[DeviceFact]]:
        """Which metrics there are changes seldom: looked up every few seconds."""
        key = (width, len(self.items()), self.scene.head.at_ns // (LOOK_S * NS_PER_S), id(self.scene.timeline))
        return self.scene.memo(f"columns {id(self)}", key, lambda: self._metric_columns(width, roomy))

    def _metric_columns(self, width: int, roomy: bool) -> list[Column[DeviceFact]]:
        """The columns that some device has a reading for."""
        power = self._of_limit("hw.power")
        found = [
            (
                "hw.gpu.tensor.active",
                Column("tensor", "tensor", 14, self._bar("hw.gpu.tensor.active", 8), None, needs=100),
            ),
            (
                self._bandwidth(),
                Column("dram", "DRAM bandwidth", 27 if width >= 150 else 15, self._dram, None, needs=100),
            ),
            (
                "hw.gpu.memory.usage",
                Column("memory", "memory", 21, self._memory, self._number("memory")),
            ),
            ("hw.power", Column("power", "power W", 7, power, self._number("hw.power"), needs=110)),
            (
                "hw.temperature",
                Column("celsius", "°C", 3, self._celsius, self._number("hw.temperature"), align=">", needs=110),
            ),
            (
                "hw.gpu.clock.sm",
                Column("clock", "MHz", 4, self._clock, self._number("hw.gpu.clock.sm"), align=">", needs=140),
            ),
            ("hw.gpu.nvlink.transmit", Column("nvlink", "NVLink", 9, self._link("nvlink"), None, align=">", needs=150)),
            ("hw.gpu.pcie.receive", Column("pcie", "PCIe", 9, self._link("pcie"), None, align=">", needs=151)),
        ]
        return [
            column
            for metric, column in found
            if any(value(self.scene, fact, metric) is not None for fact in self.items())
        ]

    def _bandwidth(self) -> str:
        known = any(value(self.scene, fact, "hw.gpu.dram.bandwidth") is not None for fact in self.items())
        return "hw.gpu.dram.bandwidth" if known else "hw.gpu.dram.busy_hint"

    def _activity_title(self) -> str:
        first = next((fact.activity for fact in self.items() if fact.activity and not fact.is_host), None)
        return _LABELS.get(first or "", "busy")

    def _number(self, metric: str) -> Callable[[DeviceFact], float]:
        def number(fact: DeviceFact) -> float:
            name = {"activity": fact.activity, "memory": "hw.gpu.memory.usage"}.get(metric, metric)
            known = value(self.scene, fact, name)
            return -1.0 if known is None else known

        return number

    # --- cells

    def _label(self, fact: DeviceFact, width: int) -> tuple[Span, ...]:
        return text_cell(clean(fact.label), width, "*text")

    def _activity(self, fact: DeviceFact, width: int) -> tuple[Span, ...]:
        share = value(self.scene, fact, fact.activity)
        drawn = bar(share, max(width - 6, 4), "sm")
        return tail_cell(drawn, pct(share), width, "sm")

    def _history(self, fact: DeviceFact, width: int) -> tuple[Span, ...]:
        if fact.activity is None:
            return ()
        values = history(self.scene, fact.key(fact.activity), width * 2, HISTORY_S * NS_PER_S)
        return (Span(area(values, 1, self.scene.glyphs)[0], "sm"),)

    def _bar(self, metric: str, cells: int) -> Draw:
        colour = METRICS[metric].colour

        def draw(fact: DeviceFact, width: int) -> tuple[Span, ...]:
            share = ratio(self.scene, fact, metric)
            return tail_cell(bar(share, cells, colour), pct(share), width, colour)

        return draw

    def _dram(self, fact: DeviceFact, width: int) -> tuple[Span, ...]:
        metric = self._bandwidth()
        share, rate = ratio(self.scene, fact, metric), value(self.scene, fact, metric)
        drawn = bar(share, 11 if width > 20 else 8, "dram")
        if width <= 20:
            return tail_cell(drawn, pct(share), width, "dram")
        amount = numbers.metric(metric, rate) if metric == "hw.gpu.dram.bandwidth" else "busy, hint"
        return (*drawn, Span(fit(amount, 11, ">"), "dram"), Span(fit(pct(share), width - 22, ">"), "dim"))

    def _memory(self, fact: DeviceFact, width: int) -> tuple[Span, ...]:
        used, limit = value(self.scene, fact, "hw.gpu.memory.usage"), limit_of(self.scene, fact, "hw.gpu.memory.usage")
        share = used / limit if used is not None and limit else None
        drawn = bar(share, 8, "memory")
        text = "" if used is None else numbers.of(used, limit, "B")
        return (*drawn, Span(fit(f" {text}", width - 8)))

    def _of_limit(self, metric: str) -> Draw:
        def draw(fact: DeviceFact, width: int) -> tuple[Span, ...]:
            number = value(self.scene, fact, metric)
            limit = limit_of(self.scene, fact, metric)
            if number is None:
                return text_cell(numbers.UNKNOWN, width, "dim")
            return text_cell(f"{number:.0f}/{limit:.0f}" if limit else f"{number:.0f}", width)

        return draw

    def _celsius(self, fact: DeviceFact, width: int) -> tuple[Span, ...]:
        degrees, limit = value(self.scene, fact, "hw.temperature"), value(self.scene, fact, "hw.temperature.limit")
        hot = degrees is not None and limit is not None and degrees >= limit - 1
        return text_cell(numbers.UNKNOWN if degrees is None else f"{degrees:.0f}", width, "bad" if hot else "", ">")

    def _clock(self, fact: DeviceFact, width: int) -> tuple[Span, ...]:
        hertz, limit = value(self.scene, fact, "hw.gpu.clock.sm"), value(self.scene, fact, "hw.gpu.clock.sm.limit")
        slow = (
            hertz is not None
            and limit is not None
            and hertz < 0.75 * limit
            and state_words(self.scene, fact)[1] == "warn"
        )
        return text_cell(numbers.UNKNOWN if hertz is None else f"{hertz / 1e6:.0f}", width, "warn" if slow else "", ">")

    def _link(self, name: str) -> Draw:
        """Both directions together."""

        def draw(fact: DeviceFact, width: int) -> tuple[Span, ...]:
            ways = [value(self.scene, fact, f"hw.gpu.{name}.{way}") for way in ("transmit", "receive")]
            known = [way for way in ways if way is not None]
            return text_cell(numbers.si(sum(known), "B/s") if known else numbers.UNKNOWN, width, "", ">")

        return draw

    def _state(self, fact: DeviceFact, width: int) -> tuple[Span, ...]:
        word, token = state_words(self.scene, fact)
        return text_cell(clean(word), width, token)
