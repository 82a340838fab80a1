"""The counters of one process and of all below it."""

from __future__ import annotations

import os
from collections.abc import Iterable

from acceltop.profiler.attach import proc
from acceltop.profiler.clock import monotonic

_MOST_CHILDREN = 4096
_LOOK_S = 5.0  # how often new children are looked for: a file for each thread, so not at every reading


class Rate:
    """How fast a counter grows, a second."""

    def __init__(self) -> None:
        self._before: tuple[float, float] | None = None

    def per_s(self, count: float) -> float | None:
        """None at the first reading and when the counter began anew."""
        before, now = self._before, (monotonic(), count)
        self._before = now
        if before is None or now[0] <= before[0] or count < before[1]:
            return None
        return (count - before[1]) / (now[0] - before[0])


class ProcessMeter:
    """The counters of one process and of all below it."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._cpu = Rate()
        self._disk = (Rate(), Rate())
        self._children = _Children(pid)

    def values(self) -> dict[str, float]:
        """What may be read. Raises OSError when it ended."""
        stat = proc.stat(self._pid)
        found: dict[str, float | None] = {
            "process.cpu.utilization": self._cpu.per_s(stat.cpu_s),
            "process.memory.usage": float(stat.rss_bytes),
            "process.thread.count": float(stat.threads),
        }
        found |= self._disk_rates() | self._children.values()
        return {name: value for name, value in found.items() if value is not None}

    def _disk_rates(self) -> dict[str, float | None]:
        told = proc.read_or_empty(self._pid, "io")  # of another user it may not be read
        counts = {name: int(count) for name, _, count in (line.partition(b":") for line in told.splitlines())}
        if not counts:
            return {}
        read, write = self._disk
        return {
            "process.disk.read": read.per_s(counts[b"read_bytes"]),
            "process.disk.write": write.per_s(counts[b"write_bytes"]),
        }


class _Children:
    """All processes below one: how many, and their CPU time together."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._seconds: dict[int, float] = {}  # of those that are there
        self._total = 0.0
        self._rate = Rate()
        self._due = 0.0

    def values(self) -> dict[str, float | None]:
        there: Iterable[int] = self._seconds
        if monotonic() >= self._due:
            self._due = monotonic() + _LOOK_S
            there = descendants(self._pid)
        now = {pid: seconds for pid in there if (seconds := _cpu_seconds(pid)) is not None}
        # One that is new brings what it used since it began, one that ended takes nothing back.
        self._total += sum(max(cpu - self._seconds.get(pid, 0.0), 0.0) for pid, cpu in now.items())
        self._seconds = now
        share = self._rate.per_s(self._total)
        return {"process.children.count": float(len(now)), "process.children.cpu.utilization": share}


def descendants(pid: int) -> list[int]:
    """All below it, parents before their children; a bounded number."""
    found = [pid]
    for parent in found:  # grows while it is walked
        if len(found) > _MOST_CHILDREN:
            break
        found += _children_of(parent)
    return found[1 : _MOST_CHILDREN + 1]


def _children_of(pid: int) -> Iterable[int]:
    # psutil looks at every process of the machine for this; the kernel has a list.
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return
    for thread in threads:
        yield from map(int, proc.read_or_empty(pid, f"task/{thread}/children").split())


def _cpu_seconds(pid: int) -> float | None:
    try:
        return proc.stat(pid).cpu_s
    except OSError:  # it ended in between
        return None
