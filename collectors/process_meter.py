"""The counters of one process and of all below it."""

from __future__ import annotations

import os
from collections.abc import Iterable

import psutil

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

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._cpu = Rate()
        self._disk = (Rate(), Rate())
        self._children = _Children(process)

    def values(self) -> dict[str, float]:
        """What may be read. Raises psutil.NoSuchProcess when it ended."""
        found: dict[str, float | None] = {}
        with self._process.oneshot():
            times = self._process.cpu_times()
            found["process.cpu.utilization"] = self._cpu.per_s(times.user + times.system)
            found["process.memory.usage"] = float(self._process.memory_info().rss)
            found["process.thread.count"] = float(self._process.num_threads())
        found |= self._disk_rates() | self._children.values()
        return {name: value for name, value in found.items() if value is not None}

    def _disk_rates(self) -> dict[str, float | None]:
        try:
            counters = self._process.io_counters()
        except psutil.AccessDenied:  # of another user
            return {}
        read, write = self._disk
        return {
            "process.disk.read": read.per_s(counters.read_bytes),
            "process.disk.write": write.per_s(counters.write_bytes),
        }


class _Children:
    """All processes below one: how many, and their CPU time together."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._there: dict[int, psutil.Process] = {}
        self._seconds: dict[int, float] = {}
        self._total = 0.0
        self._rate = Rate()
        self._due = 0.0

    def values(self) -> dict[str, float | None]:
        if monotonic() >= self._due:
            self._look()
        now = dict(filter(None, map(_cpu_seconds, self._there.values())))
        # One that is new brings what it used since it began, one that ended takes nothing back.
        self._total += sum(max(cpu - self._seconds.get(pid, 0.0), 0.0) for pid, cpu in now.items())
        self._seconds = now
        self._there = {pid: process for pid, process in self._there.items() if pid in now}
        share = self._rate.per_s(self._total)
        return {"process.children.count": float(len(now)), "process.children.cpu.utilization": share}

    def _look(self) -> None:
        self._due = monotonic() + _LOOK_S
        for pid in descendants(self._process.pid):
            if pid not in self._there:
                try:
                    self._there[pid] = psutil.Process(pid)
                except psutil.Error:  # it ended in between
                    continue


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
        try:
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
                yield from map(int, file.read().split())
        except OSError:  # the thread ended
            continue


def _cpu_seconds(process: psutil.Process) -> tuple[int, float] | None:
    try:
        times = process.cpu_times()
    except psutil.Error:  # it ended in between
        return None
    return process.pid, times.user + times.system
