"""The host's CPU, memory, pressure, disks and network, and the processes that are watched, through psutil and /proc."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil

from acceltop.collectors.host_limits import cgroup_cores, cgroup_memory, usable_cores
from acceltop.collectors.process_meter import ProcessMeter, Rate
from acceltop.collectors.processes import Lookout, Roster
from acceltop.profiler.clock import now_ns
from acceltop.profiler.model import DeviceFound, Frame, Sample
from acceltop.profiler.session import hello
from acceltop.profiler.source import SourceContext

NAME = "host"
CPU = "cpu"
_MOST_NAMES = 4096
_PRESSURES = ("cpu", "memory", "io")


class Source:
    """Options: host.proc, host.sys (folders); host.look: also finds processes with a framework by itself."""

    name = NAME
    deadline_s = 2.0

    def __init__(self) -> None:
        self._host = _Host(Path("/proc"), Path("/sys"))
        self._own, self._own_cpu = psutil.Process(), Rate()
        self._roster = Roster()
        self._lookout: Lookout | None = None
        self._meters: dict[int, ProcessMeter] = {}

    def open(self, context: SourceContext) -> Iterable[Frame]:
        """The CPU, and who is there of the watched processes."""
        options = context.options
        self._host = _Host(Path(options.get("host.proc", "/proc")), Path(options.get("host.sys", "/sys")))
        self._lookout = Lookout() if "host.look" in options else None
        met = self._meet(context.pids)
        # Rates need a reading before: take it now, so that the first poll has them.
        return [self._host.device(), *met, *self.poll()]

    def poll(self) -> Iterable[Frame]:
        """One reading."""
        ended = self._roster.ended()
        met = self._meet(self._lookout.find()) if self._lookout else ()
        values = self._host.values() | self._own_cost()
        return [Sample(now_ns(), NAME, values), *met, *self._processes(), *ended]

    def close(self) -> None:
        """Nothing to give back."""

    def _meet(self, pids: Iterable[int]) -> list[Frame]:
        met = self._roster.meet(pids)
        known = self._meters
        self._meters = {p.pid: known.get(p.pid) or ProcessMeter(p) for p in self._roster.present}
        return met

    def _processes(self) -> Iterator[Frame]:
        for process in self._roster.present:
            try:
                yield Sample(now_ns(), NAME, self._meters[process.pid].values(), pid=process.pid)
            except psutil.Error:  # it ended in between: the next reading says so
                continue

    def _own_cost(self) -> dict[str, float]:
        times = self._own.cpu_times()
        share = self._own_cpu.per_s(times.user + times.system)
        values = {"acceltop.memory.usage": float(self._own.memory_info().rss)}
        return values if share is None else values | {"acceltop.cpu.utilization": share}


class _Host:
    """`proc` and `sys` are where those are mounted; psutil itself reads the real ones."""

    def __init__(self, proc: Path, sys: Path) -> None:
        self._proc, self._sys = proc, sys
        self._quota = cgroup_cores(sys / "fs/cgroup", proc)
        self._busy, self._whole = 0.0, 0.0
        self._real: dict[str, bool] = {}
        self._rates = {name: Rate() for name in (*_DISK, *_NETWORK)}

    def device(self) -> DeviceFound:
        """The CPU as a device."""
        attributes = {
            "cores": psutil.cpu_count(logical=False),
            "threads": psutil.cpu_count(),
            "affinity": usable_cores(),
            "cgroup_cores": self._quota,
            "cgroup_memory": cgroup_memory(self._sys / "fs/cgroup", self._proc),
        }
        words = {name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in attributes.items()}
        known = {name: words[name] for name, value in attributes.items() if value is not None}
        total = psutil.virtual_memory().total
        return DeviceFound(now_ns(), CPU, hello().cpu, CPU, source=NAME, memory_bytes=total, attributes=known)

    def values(self) -> dict[str, float]:
        """All system.* metrics that can be told."""
        memory = psutil.virtual_memory()
        values = {
            "system.cpu.count": min(float(usable_cores()), self._quota or float("inf")),
            "system.cpu.load_1m": os.getloadavg()[0],
            "system.memory.usage": float(memory.total - memory.available),
            "system.memory.limit": float(memory.total),
            "system.paging.usage": float(psutil.swap_memory().used),
        }
        return values | self._cpu() | self._pressure() | self._traffic()

    def _cpu(self) -> dict[str, float]:
        times = psutil.cpu_times()
        # guest time is in user time already.
        whole = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
        busy = whole - times.idle - getattr(times, "iowait", 0.0)
        passed, used = whole - self._whole, busy - self._busy
        first, self._whole, self._busy = self._whole == 0.0, whole, busy
        if first or passed <= 0:
            return {}
        return {"system.cpu.utilization": min(max(used / passed, 0.0), 1.0)}

    def _pressure(self) -> dict[str, float]:
        shares = {f"system.pressure.{kind}": _pressure(self._proc / "pressure" / kind) for kind in _PRESSURES}
        return {name: share for name, share in shares.items() if share is not None}

    def _traffic(self) -> dict[str, float]:
        totals = self._disks() | self._network()
        rates = {name: self._rates[name].per_s(total) for name, total in totals.items()}
        return {name: rate for name, rate in rates.items() if rate is not None}

    def _disks(self) -> dict[str, int]:
        # Without partitions, loop and device-mapper devices, which are on these disks and would count twice.
        counters = psutil.disk_io_counters(perdisk=True) or {}
        disks = [c for name, c in counters.items() if self._is_hardware(f"block/{name}")]
        return {metric: sum(getattr(c, field) for c in disks) for metric, field in _DISK.items() if disks}

    def _network(self) -> dict[str, int]:
        counters = psutil.net_io_counters(pernic=True) or {}
        cards = {name: c for name, c in counters.items() if self._is_hardware(f"class/net/{name}")}
        # Inside a container there is no card, only the end of a pair.
        counted = cards or {name: c for name, c in counters.items() if name != "lo"}
        return {
            metric: sum(getattr(c, field) for c in counted.values()) for metric, field in _NETWORK.items() if counted
        }

    def _is_hardware(self, name: str) -> bool:
        if name not in self._real:
            if len(self._real) > _MOST_NAMES:  # a host of containers makes network names without end
                self._real.clear()
            self._real[name] = (self._sys / name / "device").exists()
        return self._real[name]


_DISK = {"system.disk.read": "read_bytes", "system.disk.write": "write_bytes"}
_NETWORK = {"system.network.receive": "bytes_recv", "system.network.transmit": "bytes_sent"}


def _pressure(file: Path) -> float | None:
    """Of a PSI file: "some avg10=1.23 …" → 0.0123."""
    try:
        words = file.read_text().split()
        return float(words[1].removeprefix("avg10=")) / 100
    except (OSError, IndexError, ValueError):  # the kernel has none, or has it switched off
        return None
