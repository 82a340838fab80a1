"""Who uses a device. The driver tells process ids of the host, also inside a container that doesn't know them."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from acceltop.collectors.nvml_calls import Calls
from acceltop.profiler.clock import monotonic

_LOOK_S = 2.0  # from one look at the lists to the next: each is a long call into the driver
_MOST = 1024  # processes of one device
_LISTS = ("Compute", "Graphics", "MPSCompute")
_NOT_TOLD = (1 << 64) - 1
_HOST_NAMESPACE = "pid:[4026531836]"  # the kernel's first one has this number on every machine


@dataclass(slots=True)
class Usage:
    """A process's part of a device: bytes it owns (None: not told), share of time with a kernel of its own."""

    pid: int
    memory: int | None = None
    sm: float | None = None


@dataclass(slots=True)
class Listing:
    """All processes of a device; `foreign`: host ids that mean nothing here."""

    usages: list[Usage] = field(default_factory=list)
    foreign: list[int] = field(default_factory=list)
    owned: int | None = None  # bytes of them all, foreign ones too; None where one was not told


class PidMap:
    """Host pid → pid here. `proc` is our own /proc, `host_proc` the host's where it is mounted (HOST_PROC)."""

    def __init__(self, proc: Path, host_proc: Path | None) -> None:
        self._proc, self._host_proc = proc, host_proc
        self._here = _link(proc / "self/ns/pid")
        self._on_host = self._here in (None, _HOST_NAMESPACE)

    def local(self, pid: int) -> int | None:
        """None: it lives in a namespace that can't be seen from here."""
        if self._on_host:
            return pid
        if self._host_proc is not None:
            return self._through_host(self._host_proc / str(pid))
        # The same number may be another process here: believe it only if that one has a GPU open.
        return pid if self._has_gpu_open(pid) else None

    def _through_host(self, folder: Path) -> int | None:
        if _link(folder / "ns/pid") != self._here:
            return None
        try:
            lines = (folder / "status").read_text().splitlines()
        except OSError:
            return None
        return next((int(line.split()[-1]) for line in lines if line.startswith("NSpid:")), None)

    def _has_gpu_open(self, pid: int) -> bool:
        try:
            return any("/nvidia" in (_link(fd) or "") for fd in (self._proc / str(pid) / "fd").iterdir())
        except OSError:
            return False


def _link(path: Path) -> str | None:
    try:
        return os.readlink(path)
    except OSError:
        return None


class Processes:
    """The processes of one device."""

    def __init__(self, calls: Calls, pids: PidMap) -> None:
        self._calls, self._pids = calls, pids
        self._seen_us = 0
        self._due_s = 0.0

    def read(self) -> Listing | None:
        """None where the driver doesn't tell or we may not ask, and between two looks."""
        if monotonic() < self._due_s:
            return None
        self._due_s = monotonic() + _LOOK_S
        rows = [self._list(kind) for kind in _LISTS]
        if rows[0] is None:
            return None
        memory = _merge(row for some in rows for row in some or ())
        shares = self._shares()
        listing = Listing(owned=_total(memory.values()))
        for host_pid, size in list(memory.items())[:_MOST]:
            pid = self._pids.local(host_pid)
            if pid is None:
                listing.foreign.append(host_pid)
            else:
                listing.usages.append(Usage(pid, size, shares.get(host_pid)))
        return listing

    def _list(self, kind: str) -> list[Any] | None:
        name = f"nvmlDeviceGet{kind}RunningProcesses"
        for function in (f"{name}_v3", f"{name}_v2"):
            rows: list[Any] | None = self._calls.get(function)
            if rows is not None:
                return rows
        rows = self._calls.attempt(name, _first_version, self._calls.nvml, name, self._calls.handle)
        return rows

    def _shares(self) -> dict[int, float]:
        """Of each process since the last look; a share above 1 is a broken sample (drivers give 371 and more)."""
        samples = self._calls.get("nvmlDeviceGetProcessUtilization", self._seen_us) or ()
        newest: dict[int, Any] = {}
        for sample in samples:
            if sample.timeStamp > self._seen_us and sample.timeStamp >= _stamp(newest.get(sample.pid)):
                newest[sample.pid] = sample
        self._seen_us = max([self._seen_us, *map(_stamp, newest.values())])
        return {pid: sample.smUtil / 100 for pid, sample in newest.items() if sample.smUtil <= 100}


class _ProcessV1(ctypes.Structure):
    _fields_ = [("pid", ctypes.c_uint), ("usedGpuMemory", ctypes.c_ulonglong)]


def _first_version(nvml: Any, name: str, handle: Any) -> list[Any]:
    """The list of drivers older than the binding's oldest struct."""
    rows, count = (_ProcessV1 * _MOST)(), ctypes.c_uint(_MOST)
    code = getattr(nvml.nvmlLib, name)(handle, ctypes.byref(count), rows)
    if code != 0:
        raise nvml.NVMLError(code)
    return list(rows[: count.value])


def _merge(rows: Iterable[Any]) -> dict[int, int | None]:
    """Host pid → bytes. A process that computes and draws is in two lists, with the same memory."""
    merged: dict[int, int | None] = {}
    for row in rows:
        size = row.usedGpuMemory if row.usedGpuMemory not in (None, _NOT_TOLD) else None
        merged[row.pid] = max(filter(None, (size, merged.get(row.pid))), default=size)
    return merged


def _total(sizes: Iterable[int | None]) -> int | None:
    known = list(sizes)
    return None if None in known else sum(size for size in known if size is not None)


def _stamp(sample: Any) -> int:
    return int(sample.timeStamp) if sample is not None else 0
