"""Processes that a source looks at: introduced once, and said farewell to."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable

import psutil

from acceltop.profiler.analysis.layers import framework_of, layers_of
from acceltop.profiler.attach.target import Target, attachable, inspect
from acceltop.profiler.clock import NS_PER_S, monotonic, now_ns
from acceltop.profiler.errors import TargetError
from acceltop.profiler.model import Frame, ProcessFound, ProcessGone

_GONE_REMEMBERED = 4096
_WAIT_S = (2.0, 60.0)  # from one look at a process without a framework to the next: least, most


class Roster:
    """Tells of each process once that it is there, and once that it ended."""

    def __init__(self) -> None:
        self._there: dict[int, psutil.Process] = {}
        self._gone: dict[int, None] = {}  # in order, so that the oldest can be forgotten

    @property
    def present(self) -> tuple[psutil.Process, ...]:
        """Those that were there at the last look."""
        return tuple(self._there.values())

    def meet(self, pids: Iterable[int]) -> list[Frame]:
        """ProcessFound for those that are new, ProcessGone for those that are not there."""
        return [frame for pid in pids if pid not in self._there for frame in self._meet(pid)]

    def ended(self) -> list[Frame]:
        """ProcessGone for those that ended since the last look."""
        return [
            frame for process in self.present if (why := _why_ended(process)) for frame in self._end(process.pid, why)
        ]

    def _meet(self, pid: int) -> list[Frame]:
        try:
            process = psutil.Process(pid)
            target = inspect(pid)
        except TargetError as error:
            return self._end(pid, error.cause)
        except psutil.Error:
            return self._end(pid, "there is no such process")
        why = _why_ended(process)
        if why:
            return self._end(pid, why)
        self._there[pid] = process
        self._gone.pop(pid, None)  # the number may have been used before
        return [_found(target)]

    def _end(self, pid: int, reason: str) -> list[Frame]:
        self._there.pop(pid, None)
        if pid in self._gone:
            return []
        self._gone[pid] = None
        if len(self._gone) > _GONE_REMEMBERED:
            self._gone.pop(next(iter(self._gone)))
        return [ProcessGone(now_ns(), pid, reason=reason)]


class Lookout:
    """Finds the processes that use a machine-learning framework.

    A framework is loaded soon after the start, if ever: the older a process without one, the seldomer it is looked at.
    """

    def __init__(self) -> None:
        self._due: dict[int, float] = {}  # by pid, on the monotonic clock
        self._next_s = 0.0
        self._argv: dict[int, tuple[str, ...]] = {}  # of those that were found

    def find(self) -> list[int]:
        """Those found since the last time; looks for new ones every two seconds at most: a machine has thousands."""
        now = monotonic()
        if now < self._next_s:
            return []
        self._next_s = now + _WAIT_S[0]
        there = set(psutil.pids()) - {os.getpid()}
        self._due = {pid: self._due.get(pid, now) for pid in there}
        self._argv = {pid: argv for pid, argv in self._argv.items() if pid in there}
        due = sorted(pid for pid, due_s in self._due.items() if due_s <= now)
        return [pid for pid in due if self._look(pid, now)]

    def _look(self, pid: int, now: float) -> bool:
        try:
            target = inspect(pid)
        except TargetError:  # it has ended since it was listed
            return False
        if framework_of(target) is None:
            age_s = (now_ns() - target.start_ns) / NS_PER_S
            self._due[pid] = now + min(max(age_s, _WAIT_S[0]), _WAIT_S[1])
            return False
        self._due[pid], self._argv[pid] = math.inf, target.argv
        # Workers of a data loader are forks, with the command line of their parent: they are no job of their own.
        return self._argv.get(target.parent) != target.argv


def _found(target: Target) -> ProcessFound:
    return ProcessFound(
        now_ns(),
        target.pid,
        target.command,
        user=target.user,
        start_ns=target.start_ns,
        parent=target.parent,
        container=target.container,
        rank=target.rank,
        world_size=target.world_size,
        framework=framework_of(target),
        attachable=attachable(target),
        layers=layers_of(target),
    )


def _why_ended(process: psutil.Process) -> str | None:
    try:
        if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            return None
    except psutil.Error:  # it ended in between
        return "it ended"
    return "it ended" if not process.is_running() else "it ended; its parent has not collected it yet"
