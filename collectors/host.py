"""The host's CPU, memory, pressure, disks and network, and the processes that are watched, through psutil and /proc."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from time import process_time

import psutil

from acceltop.collectors.host_limits import cgroup_cores, cgroup_memory, usable_cores
from acceltop.collectors.kernel_files import contents
from acceltop.collectors.lookout import Lookout
from acceltop.collectors.proc_totals import cpu_ticks, memory
from acceltop.collectors.process_meter import ProcessMeter, Rate
from acceltop.collectors.processes import Roster
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
        self._own_cpu = Rate()
        self._roster = Roster()
        self._lookout: Lookout | None = None
        self._meters: dict[int, ProcessMeter] = {}

    def open(self, context: SourceContext) -> Iterable[Frame]:
        """The CPU, and who is there of the watched processes."""
        options = context.options
        self._host = _Host(Path(options.get("host.proc", "/proc")), Path(options.get("host.sys", "/sys")))
        self._lookout = Lookout() if "host.look" in options else None
        met = self._meet(context.pids, closely=True)
        # Rates need a reading before: take it now, so that the first poll has them.
        return [self._host.device(), *met, *self.poll()]

    def poll(self) -> Iterable[Frame]:
        """One reading."""
        ended = self._roster.ended()
        met = self._meet(self._lookout.find() if self._lookout else ())
        values = self._host.values() | self._own_cost()
        return [Sample(now_ns(), NAME, values), *met, *self._processes(), *ended]

    def close(self) -> None:
        """Nothing to give back."""

    def _meet(self, pids: Iterable[int], closely: bool = False) -> list[Frame]:
        met = self._roster.meet(pids, closely)
        self._meters = {pid: self._meters.get(pid) or ProcessMeter(pid) for pid in self._roster.present}
        return met

    def _processes(self) -> Iterator[Frame]:
        for pid, meter in self._meters.items():
            try:
                yield Sample(now_ns(), NAME, meter.values(), pid=pid)
            except OSError:  # it ended in between: the next reading says so
                continue

    def _own_cost(self) -> dict[str, float]:
        share = self._own_cpu.per_s(process_time())
        values = {"acceltop.memory.usage": float(_own_memory())}
        return values if share is None else values | {"acceltop.cpu.utilization": share}


class _Host:
    """`proc` and `sys` are where those are mounted. What is read every time is parsed here: psutil parses far more."""

    def __init__(self, proc: Path, sys: Path) -> None:
        self._proc, self._sys = proc, sys
        self._files = {name: str(proc / name) for name in ("diskstats", "net/dev")}
        self._pressures = {f"system.pressure.{kind}": str(proc / "pressure" / kind) for kind in _PRESSURES}
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
        values = {
            "system.cpu.count": min(float(usable_cores()), self._quota or float("inf")),
            "system.cpu.load_1m": os.getloadavg()[0],
        }
        return values | memory(self._proc) | self._cpu() | self._pressure() | self._traffic()

    def _cpu(self) -> dict[str, float]:
        busy, whole = cpu_ticks(self._proc)
        passed, used = whole - self._whole, busy - self._busy
        first, self._whole, self._busy = self._whole == 0.0, whole, busy
        if first or passed <= 0:
            return {}
        return {"system.cpu.utilization": min(max(used / passed, 0.0), 1.0)}

    def _pressure(self) -> dict[str, float]:
        shares = {name: _pressure(file) for name, file in self._pressures.items()}
        return {name: share for name, share in shares.items() if share is not None}

    def _traffic(self) -> dict[str, float]:
        totals = self._disks() | self._network()
        rates = {name: self._rates[name].per_s(total) for name, total in totals.items()}
        return {name: rate for name, rate in rates.items() if rate is not None}

    def _disks(self) -> dict[str, int]:
        # Without partitions, loop and device-mapper devices, which are on these disks and would count twice.
        rows = [line.split() for line in self._lines("diskstats")]
        disks = [row for row in rows if self._is_hardware(f"block/{row[_DISK_NAME].decode()}")]
        return {metric: sum(int(row[at]) for row in disks) * _SECTOR for metric, at in _DISK.items() if disks}

    def _network(self) -> dict[str, int]:
        rows = [line.replace(b":", b" ", 1).split() for line in self._lines("net/dev")[_NETWORK_HEAD:]]
        cards = [row for row in rows if self._is_hardware(f"class/net/{row[0].decode()}")]
        # Inside a container there is no card, only the end of a pair.
        counted = cards or [row for row in rows if row[0] != b"lo"]
        return {metric: sum(int(row[at]) for row in counted) for metric, at in _NETWORK.items() if counted}

    def _is_hardware(self, name: str) -> bool:
        if name not in self._real:
            if len(self._real) > _MOST_NAMES:  # a host of containers makes network names without end
                self._real.clear()
            self._real[name] = (self._sys / name / "device").exists()
        return self._real[name]

    def _lines(self, name: str) -> list[bytes]:
        """None of them where there is no such file."""
        return contents(self._files[name]).splitlines()


_DISK_NAME, _SECTOR = 2, 512  # bytes, whatever the disk has
_DISK = {"system.disk.read": 5, "system.disk.write": 9}
_NETWORK_HEAD = 2  # lines
_NETWORK = {"system.network.receive": 1, "system.network.transmit": 9}


def _pressure(file: str) -> float | None:
    """Of a PSI file: "some avg10=1.23 …" → 0.0123."""
    try:
        return float(contents(file).split()[1].removeprefix(b"avg10=")) / 100
    except (IndexError, ValueError):  # the kernel has none, or has it switched off
        return None


def _own_memory() -> int:
    """Resident bytes of this process."""
    return int(contents("/proc/self/statm").split()[1]) * os.sysconf("SC_PAGE_SIZE")
