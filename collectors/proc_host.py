"""The host and the watched processes where psutil is not at hand: what /proc alone tells."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from acceltop.collectors.lookout import Lookout
from acceltop.collectors.proc_totals import cpu_ticks, meminfo, memory
from acceltop.collectors.processes import Roster
from acceltop.profiler.attach import proc
from acceltop.profiler.clock import monotonic, now_ns
from acceltop.profiler.model import DeviceFound, Frame, Note, Sample
from acceltop.profiler.session import hello
from acceltop.profiler.source import SourceContext

# The kernel counts in hundredths of a second: over a shorter time a share means nothing. Ticks of all cores, seconds.
_LEAST = {"cpu": 8.0, "pid": 0.08}
NAME = "host"
CPU = "cpu"


class Source:
    """Fewer metrics than `host`, under the same names. Options: host.proc (a folder), host.look as there."""

    name = NAME
    deadline_s = 2.0

    def __init__(self) -> None:
        self._proc = Path("/proc")
        self._roster = Roster()
        self._lookout: Lookout | None = None
        self._before: dict[str, tuple[float, float]] = {}

    def open(self, context: SourceContext) -> Iterator[Frame]:
        """The CPU, and who is there of the watched processes."""
        self._proc = Path(context.options.get("host.proc", "/proc"))
        self._lookout = Lookout() if "host.look" in context.options else None
        total = meminfo(self._proc)["MemTotal"]
        yield DeviceFound(now_ns(), CPU, hello().cpu, CPU, source=NAME, memory_bytes=total)
        text = "psutil is not there for this machine: fewer counters of the host and of processes"
        yield Note(now_ns(), "info", "host.no_psutil", text, source=NAME)
        yield from self._roster.meet(context.pids, closely=True)
        yield from self.poll()

    def poll(self) -> Iterator[Frame]:
        """One reading."""
        yield Sample(now_ns(), NAME, self._host())
        yield from self._roster.ended()
        yield from self._roster.meet(self._lookout.find() if self._lookout else ())
        for pid in self._roster.present:
            values = self._process(pid)
            if values is not None:
                yield Sample(now_ns(), NAME, values, pid=pid)

    def close(self) -> None:
        """Nothing to give back."""

    def _host(self) -> dict[str, float]:
        values = {
            "system.cpu.count": float(len(os.sched_getaffinity(0))),
            "system.cpu.load_1m": os.getloadavg()[0],
            **memory(self._proc),
        }
        used = self._share("cpu", *cpu_ticks(self._proc))  # of all cores, since the reading before
        return values if used is None else values | {"system.cpu.utilization": used}

    def _process(self, pid: int) -> dict[str, float] | None:
        stat = proc.stat_or_none(pid)
        if stat is None or stat.state in "ZX":
            return None
        values = {"process.memory.usage": float(stat.rss_bytes), "process.thread.count": float(stat.threads)}
        share = self._share(f"pid {pid}", stat.cpu_s, monotonic())
        return values if share is None else values | {"process.cpu.utilization": share}

    def _share(self, key: str, part: float, whole: float) -> float | None:
        before = self._before.setdefault(key, (part, whole))
        if whole - before[1] < _LEAST[key[:3]]:
            return None
        self._before[key] = part, whole
        return max(0.0, (part - before[0]) / (whole - before[1]))
