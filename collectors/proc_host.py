"""The host and the watched processes where psutil is not at hand: what /proc alone tells."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from acceltop.profiler.analysis.layers import framework_of, layers_of
from acceltop.profiler.attach import target as processes
from acceltop.profiler.clock import monotonic, now_ns
from acceltop.profiler.errors import TargetError
from acceltop.profiler.model import DeviceFound, Frame, Note, ProcessFound, ProcessGone, Sample
from acceltop.profiler.session import hello
from acceltop.profiler.source import SourceContext

# The kernel counts in hundredths of a second: over a shorter time a share means nothing. Ticks of all cores, seconds.
_LEAST = {"cpu": 8.0, "pid": 0.08}
NAME = "host"
CPU = "cpu"
_UTIME, _STIME, _THREADS, _RSS = 11, 12, 17, 21  # in /proc/PID/stat, behind the name
_IDLE = (3, 4)  # in the first line of /proc/stat: idle and iowait
_GUEST = 8  # from here on its numbers are in others, too


class Source:
    """Fewer metrics than `host`, under the same names. Options: host.proc (a folder)."""

    name = NAME
    deadline_s = 2.0

    def __init__(self) -> None:
        self._proc = Path("/proc")
        self._there: set[int] = set()
        self._before: dict[str, tuple[float, float]] = {}

    def open(self, context: SourceContext) -> Iterator[Frame]:
        """The CPU, and who is there of the watched processes."""
        self._proc = Path(context.options.get("host.proc", "/proc"))
        total = self._memory()["MemTotal"]
        yield DeviceFound(now_ns(), CPU, hello().cpu, CPU, source=NAME, memory_bytes=total)
        text = "psutil is not there for this machine: fewer counters of the host and of processes"
        yield Note(now_ns(), "info", "host.no_psutil", text, source=NAME)
        for pid in context.pids:
            yield self._meet(pid)
        yield from self.poll()

    def poll(self) -> Iterator[Frame]:
        """One reading."""
        yield Sample(now_ns(), NAME, self._host())
        for pid in sorted(self._there):
            values = self._process(pid)
            if values is None:
                self._there.discard(pid)
                yield ProcessGone(now_ns(), pid, reason="it ended")
            else:
                yield Sample(now_ns(), NAME, values, pid=pid)

    def close(self) -> None:
        """Nothing to give back."""

    def _meet(self, pid: int) -> Frame:
        try:
            target = processes.inspect(pid)
        except TargetError as error:
            return ProcessGone(now_ns(), pid, reason=error.cause)
        self._there.add(pid)
        return ProcessFound(
            now_ns(),
            pid,
            target.command,
            user=target.user,
            start_ns=target.start_ns,
            parent=target.parent,
            container=target.container,
            rank=target.rank,
            world_size=target.world_size,
            framework=framework_of(target),
            attachable=processes.attachable(target),
            layers=layers_of(target),
        )

    def _host(self) -> dict[str, float]:
        memory = self._memory()
        values = {
            "system.cpu.count": float(len(os.sched_getaffinity(0))),
            "system.cpu.load_1m": os.getloadavg()[0],
            "system.memory.usage": float(memory["MemTotal"] - memory["MemAvailable"]),
            "system.memory.limit": float(memory["MemTotal"]),
            "system.paging.usage": float(memory["SwapTotal"] - memory["SwapFree"]),
        }
        used = self._used()
        return values if used is None else values | {"system.cpu.utilization": used}

    def _used(self) -> float | None:
        """Share of all cores since the reading before."""
        with (self._proc / "stat").open() as file:
            ticks = [float(word) for word in file.readline().split()[1:]]
        whole = sum(ticks[:_GUEST])
        return self._share("cpu", whole - sum(ticks[field] for field in _IDLE), whole)

    def _process(self, pid: int) -> dict[str, float] | None:
        try:
            fields = (self._proc / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            return None
        if fields[0] in "ZX":
            return None
        seconds = (int(fields[_UTIME]) + int(fields[_STIME])) / os.sysconf("SC_CLK_TCK")
        values = {
            "process.memory.usage": float(int(fields[_RSS]) * os.sysconf("SC_PAGE_SIZE")),
            "process.thread.count": float(fields[_THREADS]),
        }
        share = self._share(f"pid {pid}", seconds, monotonic())
        return values if share is None else values | {"process.cpu.utilization": share}

    def _share(self, key: str, part: float, whole: float) -> float | None:
        before = self._before.setdefault(key, (part, whole))
        if whole - before[1] < _LEAST[key[:3]]:
            return None
        self._before[key] = part, whole
        return max(0.0, (part - before[0]) / (whole - before[1]))

    def _memory(self) -> dict[str, int]:
        """Bytes, by the names of /proc/meminfo."""
        lines: Iterable[str] = (self._proc / "meminfo").read_text().splitlines()
        return {name: int(value.split()[0]) * 1024 for name, _, value in (line.partition(":") for line in lines)}
