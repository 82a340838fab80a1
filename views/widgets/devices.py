"""Devices as rows: how busy, since when, memory, power, links, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence

from acceltop.profiler import numbers
from acceltop.profiler.clock import NS_PER_S
from acceltop.profiler.metrics import METRICS
from acceltop.profiler.numbers import pct
from acceltop.profiler.text import clean
from acceltop.views.draw.glyphs import bar
from acceltop.views.draw.line import Line, Span, fit
from acceltop.views.draw.table import Column, tail_cell, text_cell
from acceltop.views.facts.devices import DeviceFact, device_facts, share_of
from acceltop.views.facts.groups import (
    DeviceGroup,
    DeviceRow,
    RowState,
    device_rows,
    row_history,
    row_limit,
    row_lowest,
    row_ratio,
    row_state,
    row_value,
    several_hosts,
)
from acceltop.views.widgets.table_pane import TablePane

HISTORY_S = 60
LOOK_S = 3
_LABELS = {"hw.gpu.sm.active": "SM active", "hw.gpu.utilization": "kernel resident", "hw.gpu.graphics.active": "engine"}
Draw = Callable[[DeviceRow, int], tuple[Span, ...]]


class DevicesPane(TablePane[DeviceRow]):
    """One row a device, or one a host where there are too many; the columns that any of them fills."""

    number, title = "4", "devices"
    explains = (
        "Every accelerator and the host's CPU. ▼ and a word at the right: what slows a device down, or is wrong. Of "
        "more devices than lines, or of several hosts, those of one host share a line: their mean (↓ the least busy), "
        "of memory and temperature the highest, of clocks the lowest. Enter unfolds it; what is wrong always shows."
    )
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

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.grouped = self._crowded = False
        self._opened: set[str] = set()
        self._tallest: tuple[object, int] = (None, 0)  # for what it may have, and the most lines of that it has taken
        self._widest: tuple[int, int] = (0, 0)  # the same of the state's column, by the width of all
        self._states: dict[str, RowState] = {}

    def items(self) -> Sequence[DeviceRow]:
        """Who sorts by a figure compares devices, not hosts."""
        return device_rows(self.scene, self._opened, self.grouped and self.sort in ("", "device"), self._crowded)

    def identity(self, item: DeviceRow) -> Hashable:
        return item.id

    def name_of(self, item: DeviceRow) -> str:
        return clean(item.label if isinstance(item, DeviceGroup) else item.found.name)

    def faded(self, item: DeviceRow) -> bool:
        return self._states[item.id].is_stale

    @property
    def device(self) -> DeviceFact | None:
        """The device that the selected row stands for."""
        row = self.current
        return row.measured[0] if isinstance(row, DeviceGroup) else row

    def empty(self) -> str:
        return "waiting for the first device"

    def opened(self, item: DeviceRow) -> None:
        if isinstance(item, DeviceGroup):
            self._opened ^= {item.id}
            self.host.redraw()
        else:
            self.host.open_device(item.id)

    def within(self, most: int) -> int:
        """The lines that it takes where it may have `most`: it is grouped where they are too few for all devices.

        It keeps those that it had: a device that comes and goes moves nothing below.
        """
        over = 1 + (not self.headless)
        self.grouped = several_hosts(self.scene) or len(device_facts(self.scene)) + over > most
        wanted = max(len(self.items()), 1) + over
        self._crowded = wanted > most
        room = most, len(self._opened)
        kept = self._tallest[1] if self._tallest[0] == room else 0
        self._tallest = room, max(kept, min(wanted, most))
        return self._tallest[1]

    def body(self, width: int, height: int) -> Sequence[Line]:
        self._states = {row.id: row_state(self.scene, row) for row in self.items()}
        return super().body(width, height)

    def columns(self, width: int) -> Sequence[Column[DeviceRow]]:
        """Which there are changes seldom: looked up every few seconds, and when there are other rows."""
        rows = self.items()
        state = self._state_width(width, rows)
        moment = self.scene.head.at_ns // (LOOK_S * NS_PER_S)
        key = width, [row.id for row in rows], state, self.grouped, moment, id(self.scene.timeline)
        return self.scene.memo(f"columns {id(self)}", key, lambda: self._columns(width, rows, state))

    def _columns(self, width: int, rows: Sequence[DeviceRow], state: int) -> Sequence[Column[DeviceRow]]:
        roomy = width >= 110
        longest = 12 if width >= 180 or several_hosts(self.scene) else 8  # names of hosts say more than PoCL's
        label = max((len(row.label) for row in rows), default=0)
        numbered = label <= 3 and any(row.label.isdigit() for row in rows)
        label = 3 if numbered else min(max(label, len("device")), longest)
        place = {row.id: index for index, row in enumerate(rows)}
        columns = [
            Column("device", "gpu" if numbered else "device", label, self._label, lambda f: place[f.id], False),
            Column(
                "activity", self._activity_title(), 15 if width >= 60 else 8, self._activity, self._number("activity")
            ),
            Column("history", "last 60 s", 0, self._history),
            *self._metric_columns(width, rows),
            Column("state", "state" if roomy else "", state, self._state),
        ]
        return [column for column in columns if column.needs <= width]

    def _state_width(self, width: int, rows: Sequence[DeviceRow]) -> int:
        """Room for a word; for since when, once a device has been silent or lost."""
        longest = max((len(self._states[row.id].word) for row in rows), default=0)
        most = 28 if width >= 180 else 18 if width >= 110 else 16 if width >= 80 else 10
        kept = self._widest[1] if self._widest[0] == width else 10
        self._widest = width, max(kept, min(longest, most))
        return self._widest[1]

    def _metric_columns(self, width: int, rows: Sequence[DeviceRow]) -> list[Column[DeviceRow]]:
        """The columns that some device has a reading for."""
        power, bandwidth = self._of_limit("hw.power"), self._bandwidth(rows)
        found = [
            (
                "hw.gpu.tensor.active",
                Column("tensor", "tensor", 14, self._bar("hw.gpu.tensor.active", 8), None, needs=100),
            ),
            (
                bandwidth,
                Column("dram", "DRAM bandwidth", 27 if width >= 150 else 15, self._dram(bandwidth), None, needs=100),
            ),
            (
                "hw.gpu.memory.usage",
                Column("memory", "memory", 21, self._memory, self._number("memory")),
            ),
            (
                "hw.power",
                Column(
                    "power", "power W", self._power_width(rows), power, self._number("hw.power"), align=">", needs=110
                ),
            ),
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
        return [column for metric, column in found if any(self._value(row, metric) is not None for row in rows)]

    def _power_width(self, rows: Sequence[DeviceRow]) -> int:
        """Room for `653/700`; for `1000/1200` where there are such devices."""
        limits = [self._limit(row, "hw.power") or 0.0 for row in rows]
        return 9 if max(limits, default=0.0) >= 1000 else 7

    def _bandwidth(self, rows: Sequence[DeviceRow]) -> str:
        known = any(self._value(row, "hw.gpu.dram.bandwidth") is not None for row in rows)
        return "hw.gpu.dram.bandwidth" if known else "hw.gpu.dram.busy_hint"

    def _activity_title(self) -> str:
        first = next((fact.activity for fact in device_facts(self.scene) if fact.activity and not fact.is_host), None)
        return _LABELS.get(first or "", "busy")

    def _number(self, metric: str) -> Callable[[DeviceRow], float]:
        def number(row: DeviceRow) -> float:
            name = {"activity": row.activity, "memory": "hw.gpu.memory.usage"}.get(metric, metric)
            known = self._value(row, name)
            return -1.0 if known is None else known

        return number

    # --- cells

    def _value(self, row: DeviceRow, metric: str | None) -> float | None:
        return row_value(self.scene, row, metric)

    def _limit(self, row: DeviceRow, metric: str) -> float | None:
        return row_limit(self.scene, row, metric)

    def _label(self, row: DeviceRow, width: int) -> tuple[Span, ...]:
        inside = " " if self.grouped and isinstance(row, DeviceFact) and row.host else ""
        return text_cell(inside + clean(row.label), width, "*text")

    def _activity(self, row: DeviceRow, width: int) -> tuple[Span, ...]:
        share = self._value(row, row.activity)
        lowest = row_lowest(self.scene, row, row.activity)
        told = pct(share) if lowest is None else f"{pct(share)} ↓{pct(lowest)}"
        return tail_cell(bar(share, max(width - max(len(told) + 1, 6), 4), "sm"), told, width, "sm")

    def _history(self, row: DeviceRow, width: int) -> tuple[Span, ...]:
        if row.activity is None:
            return ()
        values = row_history(self.scene, row, width * 2, HISTORY_S * NS_PER_S)
        return (Span(self.scene.area(("history of", row.id), values, 1)[0], "sm"),)

    def _bar(self, metric: str, cells: int) -> Draw:
        colour = METRICS[metric].colour

        def draw(row: DeviceRow, width: int) -> tuple[Span, ...]:
            share = row_ratio(self.scene, row, metric)
            return tail_cell(bar(share, cells, colour), pct(share), width, colour)

        return draw

    def _dram(self, metric: str) -> Draw:
        known = metric == "hw.gpu.dram.bandwidth"

        def draw(row: DeviceRow, width: int) -> tuple[Span, ...]:
            amount = self._value(row, metric)
            share = share_of(amount, self._limit(row, metric))
            drawn = bar(share, 11 if width > 20 else 8, "dram")
            if width <= 20:
                return tail_cell(drawn, pct(share), width, "dram")
            told = numbers.metric(metric, amount) if known else "busy, hint"
            return (*drawn, Span(fit(told, 11, ">"), "dram"), Span(fit(pct(share), width - 22, ">"), "dim"))

        return draw

    def _memory(self, row: DeviceRow, width: int) -> tuple[Span, ...]:
        used, limit = (
            self._value(row, "hw.gpu.memory.usage"),
            self._limit(row, "hw.gpu.memory.usage"),
        )
        share = share_of(used, limit)
        text = "" if used is None else f" {numbers.of(used, limit, 'B')}"
        cells = max(min(8, width - len(text)), 0)  # the bar gives way, never a number
        return (*bar(share, cells, "memory"), Span(text.ljust(width - cells)))

    def _of_limit(self, metric: str) -> Draw:
        def draw(row: DeviceRow, width: int) -> tuple[Span, ...]:
            number = self._value(row, metric)
            limit = self._limit(row, metric)
            if number is None:
                return text_cell(numbers.UNKNOWN, width, "dim", ">")
            return text_cell(f"{number:.0f}/{limit:.0f}" if limit else f"{number:.0f}", width, "", ">")

        return draw

    def _celsius(self, row: DeviceRow, width: int) -> tuple[Span, ...]:
        degrees, limit = (
            self._value(row, "hw.temperature"),
            self._value(row, "hw.temperature.limit"),
        )
        hot = degrees is not None and limit is not None and degrees >= limit - 1
        return text_cell(numbers.UNKNOWN if degrees is None else f"{degrees:.0f}", width, "bad" if hot else "", ">")

    def _clock(self, row: DeviceRow, width: int) -> tuple[Span, ...]:
        hertz, limit = (
            self._value(row, "hw.gpu.clock.sm"),
            self._value(row, "hw.gpu.clock.sm.limit"),
        )
        slow = hertz is not None and limit is not None and hertz < 0.75 * limit and self._states[row.id].token == "warn"
        return text_cell(numbers.UNKNOWN if hertz is None else f"{hertz / 1e6:.0f}", width, "warn" if slow else "", ">")

    def _link(self, name: str) -> Draw:
        """Both directions together."""

        def draw(row: DeviceRow, width: int) -> tuple[Span, ...]:
            ways = [self._value(row, f"hw.gpu.{name}.{way}") for way in ("transmit", "receive")]
            known = [way for way in ways if way is not None]
            return text_cell(numbers.si(sum(known), "B/s") if known else numbers.UNKNOWN, width, "", ">")

        return draw

    def _state(self, row: DeviceRow, width: int) -> tuple[Span, ...]:
        word, token, _ = self._states[row.id]
        return text_cell(clean(word), width, token)
