"""Processes that use an accelerator or an ML framework: whom one can attach to."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from acceltop.profiler import numbers
from acceltop.profiler.history.subjects import ProcessState
from acceltop.profiler.remote.hosts import own_pid, script_name
from acceltop.profiler.text import clean
from acceltop.views.draw.line import Line, Row, Span
from acceltop.views.draw.rule import keys
from acceltop.views.draw.table import Column, text_cell
from acceltop.views.facts.awaited import watched_since
from acceltop.views.facts.notes import exit_words
from acceltop.views.widgets.table_pane import TablePane


class ProcessesPane(TablePane[ProcessState]):
    """Enter attaches; a mark says beforehand whether that works."""

    number, title, noun = "", "processes", "process"
    explains = (
        "Everything on this machine that uses an accelerator or an ML framework. The last column says what attaching "
        "needs. Enter attaches to the chosen process, to all that space has marked, or to the ranks of a launcher; one "
        "that is watched already, or was recorded, it shows: another rank of the job."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "attach", id="row.open"),
        Binding("enter", "look", "look at it", id="row.open"),
        Binding("space", "mark", "mark", id="process.mark"),
    ]
    metrics = ("process.gpu.memory.usage", "process.cpu.utilization", "process.memory.usage")

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._marked: set[int] = set()

    def hints(self) -> Iterable[Span]:
        return [*self.offers(), Span("  "), *(super().hints() or keys(("type", "to filter")))]

    def offers(self) -> Iterable[Span]:
        """What can be done with a process."""
        if not self.scene.link.can_steer:
            return keys(("enter", "look at it"))
        return keys(("enter", "attach"), ("space", "mark several"))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool:
        """Whom nobody can attach to, one can look at."""
        can_attach = self.scene.link.can_steer
        return {"open": can_attach, "mark": can_attach, "look": not can_attach}.get(action, True)

    def items(self) -> Sequence[ProcessState]:
        wanted = self.scene.filter.lower() if self.noun else ""
        return [state for state in self.scene.timeline.processes.values() if wanted in _searched(state)]

    def identity(self, item: ProcessState) -> Hashable:
        return item.found.pid

    def empty(self) -> str:
        return "no process here uses an accelerator or an ML framework; `acceltop demo` starts one to look at"

    def opened(self, item: ProcessState) -> None:
        processes = self.scene.timeline.processes
        marked = sorted(pid for pid in self._marked if pid in processes)
        self._marked.clear()
        self.host.attach_to(marked or ranks_below(processes, item.found.pid) or [item.found.pid])

    def action_look(self) -> None:
        self.action_open()

    def action_mark(self) -> None:
        item = self.current
        if item is not None:
            self._marked ^= {item.found.pid}
            self.action_move(1)

    def columns(self, width: int) -> Sequence[Column[ProcessState]]:
        name, framework = (30, 16) if width >= 140 else (18, 12)
        return [
            Column("mark", "", 1, lambda p, w: (Span("■" if p.found.pid in self._marked else " ", "accent"),)),
            Column("memory", "device mem", 10, self._memory, self._bytes, align=">"),
            Column("pid", "pid", 8, lambda p, w: text_cell(str(own_pid(p.found.pid)), w, "", ">"),
                   lambda p: p.found.pid, False, align=">"),
            Column("name", "name", name, lambda p, w: text_cell(clean(script_name(p.found.command)), w, "*text"),
                   lambda p: script_name(p.found.command), False),
            Column("framework", "framework", framework, lambda p, w: text_cell(clean(p.found.framework or "–"), w),
                   lambda p: p.found.framework or "", False, needs=70),
            Column("age", "age", 12, self._age, lambda p: -(p.found.start_ns or 0), align=">", needs=100),
            Column("user", "user", 8, lambda p, w: text_cell(clean(p.found.user or "–"), w, "dim"),
                   lambda p: p.found.user or "", False, needs=90),
            Column("rank", "rank", 4, _rank, lambda p: p.found.rank or 0, False, align=">", needs=110),
            Column("cpu", "CPU", 6, self._cpu, self._busy, align=">", needs=71),
            Column("attach", "attach", 0, self._entry, lambda p: p.found.attachable or "", False),
        ]  # fmt: skip

    def footer(self, width: int) -> Sequence[Line]:
        item = self.current
        return () if item is None else [Row(back="bar").put(f"  {clean(item.found.command, 500)}", "dim").line()]

    def devices(self) -> Sequence[str | None]:
        """Whose memory is summed up."""
        return None, *self.scene.timeline.devices

    def _bytes(self, state: ProcessState) -> float:
        pid = state.found.pid
        known = (self.scene.value("process.gpu.memory.usage", device, pid) for device in self.devices())
        return sum(number for number in known if number is not None)

    def _memory(self, state: ProcessState, width: int) -> tuple[Span, ...]:
        amount = self._bytes(state)
        return text_cell(numbers.size(amount) if amount else numbers.UNKNOWN, width, "memory" if amount else "dim", ">")

    def _busy(self, state: ProcessState) -> float:
        return self.scene.value("process.cpu.utilization", None, state.found.pid) or 0.0

    def _cpu(self, state: ProcessState, width: int) -> tuple[Span, ...]:
        busy = self.scene.value("process.cpu.utilization", None, state.found.pid)
        return text_cell(numbers.UNKNOWN if busy is None else f"{busy * 100:.0f}%", width, "", ">")

    def _entry(self, state: ProcessState, width: int) -> tuple[Span, ...]:
        word, gone = state.found.attachable, state.gone
        if gone is not None and gone.time_ns <= self.scene.head.at_ns:
            return text_cell(exit_words(gone), width, "bad")
        if watched_since(self.scene, state.found.pid) is not None:
            return (Span("● watched", "accent"),)
        if word == "yes":
            return (Span("● yes", "good"),)
        return text_cell(f"▲ {clean(word)}" if word else numbers.UNKNOWN, width, "warn" if word else "dim")

    def _age(self, state: ProcessState, width: int) -> tuple[Span, ...]:
        start = state.found.start_ns
        return text_cell(numbers.duration(self.scene.now_ns - start if start else None), width, "dim", ">")


def ranks_below(processes: Mapping[int, ProcessState], launcher: int) -> list[int]:
    """The ranks among the children, and theirs, of a process that is none itself; in their order."""
    if processes[launcher].found.rank is not None:
        return []
    below, found = {launcher}, [state.found for state in processes.values() if state.gone is None]
    while more := {one.pid for one in found if one.parent in below} - below:
        below |= more
    ranks = [(one.rank, one.pid) for one in found if one.pid in below and one.rank is not None]
    return [pid for _, pid in sorted(ranks)]


def _searched(state: ProcessState) -> str:
    found = state.found
    return f"{found.command} {own_pid(found.pid)} {found.user} {found.framework}".lower()


def _rank(state: ProcessState, width: int) -> tuple[Span, ...]:
    rank = state.found.rank
    return text_cell(numbers.UNKNOWN if rank is None else str(rank), width, "dim", ">")
