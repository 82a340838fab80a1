"""How near a kernel comes to its device's peaks, and so what bounds it."""

from __future__ import annotations

from typing import NamedTuple

from acceltop.profiler.analysis.hotspots import OTHER, Kernel
from acceltop.profiler.model import DeviceFound

BUSY = 0.6
"""Share of a peak from which that is what bounds a kernel; nearer to neither, it waits (Nsight Compute's rule)."""
_COLLECTIVES = {"NCCL", "RCCL", "gloo", "NVSHMEM"}


class Roofline(NamedTuple):
    """Shares of the device's peaks, and memory | compute | latency | comm | copy; None is unknown."""

    of_memory: float | None = None
    of_compute: float | None = None
    bound: str | None = None


def roofline(kernel: Kernel, device: DeviceFound | None) -> Roofline:
    memory = _share(kernel.bytes_per_s, device.peak_bytes_per_s if device else None)
    counted = device if kernel.flop_per_s is not None else None
    compute = _share(kernel.flop_per_s, _peak_flop(kernel.name, counted) if counted else None)
    return Roofline(memory, compute, _bound(kernel, memory, compute))


def _share(rate: float | None, peak: float | None) -> float | None:
    return rate / peak if rate is not None and peak else None


def _peak_flop(name: str, device: DeviceFound) -> float | None:
    """The peak of the type in the kernel's name, else the highest."""
    peaks = device.peak_flop_per_s
    named = next((peak for kind, peak in peaks.items() if kind in name), None)
    return named or max(peaks.values(), default=None)


def _bound(kernel: Kernel, memory: float | None, compute: float | None) -> str | None:
    if kernel.kind in ("memcpy", "memset"):
        return "copy"
    if kernel.phase == "communication" or kernel.origin in _COLLECTIVES:
        return "comm"
    if kernel.kind == OTHER or (memory is None and compute is None):
        return None
    if max(memory or 0.0, compute or 0.0) >= BUSY:
        return "memory" if (memory or 0.0) >= (compute or 0.0) else "compute"
    return None if memory is None or compute is None else "latency"
