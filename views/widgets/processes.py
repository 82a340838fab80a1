"""Processes that use an accelerator or an ML framework: whom one can attach to."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

from acceltop.profiler import numbers
from acceltop.profiler.history.subjects import ProcessState
from acceltop.profiler.remote.hosts import own_pid
from acceltop.profiler.text import clean
from acceltop.views.draw.line import Line, Row, Span
from acceltop.views.draw.rule import keys
from acceltop.views.draw.table import Column, text_cell
from acceltop.views.facts.notes import exit_words
from acceltop.views.scene import script_name
from acceltop.views.widgets.table_pane import TablePane


class ProcessesPane(TablePane[ProcessState]):
    """Enter attaches; a mark says beforehand whether that works."""

    number, title = "", "processes"
    explains = (
        "Everything on this machine that uses an accelerator or an ML framework. The last column says what attaching "
        "needs."
    )
    metrics = ("process.gpu.memory.usage", "process.cpu.utilization", "process.memory.usage")

    def hints(self) -> Iterable[Span]:
        return keys(("enter", "attach"), ("esc", "detach"), ("type", "to filter"))

    def items(self) -> Sequence[ProcessState]:
        wanted = self.scene.filter.lower()
        return [state for state in self.scene.timeline.processes.values() if wanted in _searched(state)]

    def identity(self, item: ProcessState) -> Hashable:
        return item.found.pid

    def empty(self) -> str:
        if self.scene.filter:
            return f"no process matches “{self.scene.filter}”"
        return "no process here uses an accelerator or an ML framework: devices still live above"

    def opened(self, item: ProcessState) -> None:
        self.host.attach_to([item.found.pid])

    def columns(self, width: int) -> Sequence[Column[ProcessState]]:
        return [
            Column("memory", "device mem", 10, self._memory, self._bytes, align=">"),
            Column("pid", "pid", 8, lambda p, w: text_cell(str(own_pid(p.found.pid)), w, "", ">"),
                   lambda p: p.found.pid, False, align=">"),
            Column("name", "name", 18, lambda p, w: text_cell(clean(script_name(p.found)), w, "*text"),
                   lambda p: script_name(p.found), False),
            Column("framework", "framework", 11, lambda p, w: text_cell(clean(p.found.framework or "–"), w),
                   lambda p: p.found.framework or "", False),
            Column("age", "age", 12, self._age, lambda p: -(p.found.start_ns or 0), align=">", needs=100),
            Column("user", "user", 8, lambda p, w: text_cell(clean(p.found.user or "–"), w, "dim"),
                   lambda p: p.found.user or "", False, needs=90),
            Column("rank", "rank", 4, _rank, lambda p: p.found.rank or 0, False, align=">", needs=110),
            Column("cpu", "CPU", 6, self._cpu, self._busy, align=">"),
            Column("attach", "attach", 0, _attach, lambda p: p.found.attachable or "", False),
        ]  # fmt: skip

    def footer(self, width: int) -> Sequence[Line]:
        item = self.current
        return () if item is None else [Row(back="bar").put(f"  {clean(item.found.command, 500)}", "dim").line()]

    def _bytes(self, state: ProcessState) -> float:
        known = [self.scene.value("process.gpu.memory.usage", device, state.found.pid)
                 for device in (None, *self.scene.timeline.devices)]  # fmt: skip
        return sum(number for number in known if number is not None)

    def _memory(self, state: ProcessState, width: int) -> tuple[Span, ...]:
        amount = self._bytes(state)
        return text_cell(numbers.size(amount) if amount else numbers.UNKNOWN, width, "memory" if amount else "dim", ">")

    def _busy(self, state: ProcessState) -> float:
        return self.scene.value("process.cpu.utilization", None, state.found.pid) or 0.0

    def _cpu(self, state: ProcessState, width: int) -> tuple[Span, ...]:
        busy = self.scene.value("process.cpu.utilization", None, state.found.pid)
        return text_cell(numbers.UNKNOWN if busy is None else f"{busy * 100:.0f}%", width, "", ">")

    def _age(self, state: ProcessState, width: int) -> tuple[Span, ...]:
        start = state.found.start_ns
        return text_cell(numbers.duration(self.scene.now_ns - start if start else None), width, "dim", ">")


def _searched(state: ProcessState) -> str:
    found = state.found
    return f"{found.command} {own_pid(found.pid)} {found.user} {found.framework}".lower()


def _rank(state: ProcessState, width: int) -> tuple[Span, ...]:
    rank = state.found.rank
    return text_cell(numbers.UNKNOWN if rank is None else str(rank), width, "dim", ">")


def _attach(state: ProcessState, width: int) -> tuple[Span, ...]:
    if state.gone is not None:
        return text_cell(exit_words(state.gone), width, "bad")
    word = state.found.attachable
    if word == "yes":
        return (Span("● yes", "good"),)
    return text_cell(f"▲ {clean(word)}" if word else numbers.UNKNOWN, width, "warn" if word else "dim")
