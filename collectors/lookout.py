"""Processes as they are introduced, and those that one could attach to; from /proc alone."""

from __future__ import annotations

import math
import os

from acceltop.profiler.analysis.layers import framework_of, layers_of
from acceltop.profiler.attach import proc
from acceltop.profiler.attach.target import Target, attachable, inspect
from acceltop.profiler.clock import NS_PER_S, monotonic, now_ns
from acceltop.profiler.errors import TargetError
from acceltop.profiler.model import ProcessFound

_FIRST_S = 0.5  # thousands of processes can wait for the first readings
_WAIT_S = (2.0, 60.0)  # from one look at a process without a framework to the next: least, most


class Lookout:
    """Finds the processes that use a machine-learning framework.

    A framework is loaded soon after the start, if ever: the older a process without one, the seldomer it is looked at.
    """

    def __init__(self) -> None:
        self._due: dict[int, float] = {}  # by pid, on the monotonic clock
        self._next_s = monotonic() + _FIRST_S
        self._argv: dict[int, tuple[str, ...]] = {}  # of those that were found

    def find(self) -> list[int]:
        """Those found since the last time; looks for new ones every two seconds at most: a machine has thousands."""
        now = monotonic()
        if now < self._next_s:
            return []
        self._next_s = now + _WAIT_S[0]
        there = set(proc.pids()) - {os.getpid()}
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


def found(target: Target) -> ProcessFound:
    """All that can be told of it from outside."""
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
