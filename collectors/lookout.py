"""Processes as they are introduced, and those that one could attach to; from /proc alone."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

from acceltop.profiler.analysis.layers import framework_of, layers_of, may_have_framework
from acceltop.profiler.attach import proc
from acceltop.profiler.attach.target import Target, attachable, inspect
from acceltop.profiler.clock import monotonic, now_ns
from acceltop.profiler.errors import TargetError
from acceltop.profiler.model import ProcessFound

_FIRST_S = 0.5  # thousands of processes can wait for the first readings
_WAIT_S = (2.0, 60.0)  # from one look at a process without a framework to the next: least, most
_MOST_MAPPED = 1 << 23  # bytes that are read of what a process has mapped


@dataclass
class _Known:
    """A process that was looked at, or shall be."""

    due_s: float  # of the next look, on the monotonic clock
    size: bytes = b""  # of its address space: without a change of it nothing has been loaded
    argv: tuple[str, ...] | None = None  # once it has a framework


class Lookout:
    """Finds the processes that use a machine-learning framework.

    A framework is loaded soon after the start, if ever: the older a process without one, the seldomer it is looked at.
    """

    def __init__(self) -> None:
        self._known: dict[int, _Known] = {}
        self._next_s = monotonic() + _FIRST_S

    def find(self) -> list[int]:
        """Those found since the last time; looks for new ones every two seconds at most: a machine has thousands."""
        now = monotonic()
        if now < self._next_s:
            return []
        self._next_s = now + _WAIT_S[0]
        there = sorted(pid for pid in proc.pids() if pid != os.getpid())
        self._known = {pid: self._known.get(pid) or _Known(now) for pid in there}
        return [pid for pid in there if self._known[pid].due_s <= now and self._look(pid, now)]

    def _look(self, pid: int, now: float) -> bool:
        known, size = self._known[pid], proc.read_or_empty(pid, "statm").partition(b" ")[0]
        try:
            if size != known.size:
                known.size = size
                if (target := _with_framework(pid)) is not None:
                    known.due_s, known.argv = math.inf, target.argv
                    return not self._forked(target)
            known.due_s = now + min(max(proc.age_s(pid), _WAIT_S[0]), _WAIT_S[1])
        except (OSError, TargetError):  # it has ended since it was listed
            pass
        return False

    def _forked(self, target: Target) -> bool:
        """Workers of a data loader are forks, with the command line of their parent: they are no job of their own."""
        parent = self._known.get(target.parent)
        return parent is not None and parent.argv == target.argv


def _with_framework(pid: int) -> Target | None:
    """Raises TargetError. To inspect one costs five times as much as to see that it can't have any."""
    if not may_have_framework(proc.read_or_empty(pid, "maps", _MOST_MAPPED)):
        return None
    target = inspect(pid)
    return target if framework_of(target) is not None else None


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
