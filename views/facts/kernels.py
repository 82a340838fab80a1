"""Kernels of the process shown: ranked, with their part of the device's peaks and what bounds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import is_

from acceltop.profiler.analysis.hotspots import MAX_ROWS, Coverage, Hotspots, Kernel, Total, Whole
from acceltop.profiler.analysis.roofline import Roofline, roofline
from acceltop.profiler.history.merge import KernelMerger
from acceltop.profiler.model import DeviceFound, KernelWindow, Launch
from acceltop.profiler.numbers import size
from acceltop.views.moment import BLOCK_NS
from acceltop.views.scene import Scene


class KernelFact:
    """A kernel, and how near it comes to the peaks of its device. Of hundreds few are looked at: those are worked out.

    Good until the next window is added to the sums that it comes from.
    """

    def __init__(self, total: Total, whole: Whole, devices: Mapping[str, DeviceFound]) -> None:
        self.name, self.kind, self.total_ns = total.name, total.kind, total.total_ns
        self.total, self._whole, self._devices = total, whole, devices

    @property
    def share(self) -> float:
        return self._whole.share(self.total_ns)

    @cached_property
    def kernel(self) -> Kernel:
        return self.total.kernel(self._whole)

    @cached_property
    def roof(self) -> Roofline:
        return roofline(self.kernel, self._devices.get(self.kernel.device or ""))

    @property
    def bound(self) -> str:
        """memory | compute | latency | comm | copy; empty where that can't be told."""
        return self.roof.bound or ""

    @property
    def where(self) -> str:
        """The module that calls it, as far as it tells it apart; else the line, else the op."""
        kernel = self.kernel
        if kernel.module:
            parts = kernel.module.split(".")
            return ".".join(parts[-2:]) if len(parts) > 3 else parts[-1]
        return short_line(kernel.location) if kernel.location else (kernel.op or "").removeprefix("aten::")


def launch_words(launch: Launch | None) -> list[str]:
    """`grid 32×8`, `block 256`, `40 regs` of a thread, `1.13 kB smem` of a block …; what isn't known is left out."""
    if launch is None:
        return []
    regs, smem, occupancy = launch.registers_per_thread, launch.shared_memory_bytes, launch.occupancy
    words = [
        f"grid {_by(launch.grid)}" if launch.grid else "",
        f"block {_by(launch.block)}" if launch.block else "",
        "" if regs is None else f"{regs} regs",
        "" if smem is None else f"{size(smem)} smem",
        "" if occupancy is None else f"occ ≈{occupancy * 100:.0f} %",
    ]
    return [word for word in words if word]


def _by(sizes: Sequence[int]) -> str:
    """`32×8`: without the dimensions behind that are one."""
    used = max((at for at, size in enumerate(sizes) if size != 1), default=0)
    return "×".join(map(str, sizes[: used + 1]))


def short_line(location: str) -> str:
    """`/home/ann/job/train.py:64 train` → `train.py:64 train`."""
    path, space, function = location.partition(" ")
    return path.rpartition("/")[2] + space + function


@dataclass(frozen=True)
class KernelTable:
    rows: list[KernelFact]
    whole: Whole
    coverage: Coverage
    group: str | None
    makers: list[tuple[str, float]]  # who made the kernels, by their share of time
    window_ns: int  # how long the last window was open
    sampled: bool

    @cached_property
    def counted(self) -> bool:
        """Whether any kernel's bytes or FLOPs are known."""
        told = (row for row in self.rows if row.total.bytes is not None or row.total.flops is not None)
        return any(row.roof.of_memory is not None or row.roof.of_compute is not None for row in told)


def kernel_table(scene: Scene) -> KernelTable | None:
    """Over the range shown; None while there is no window in it."""
    pid = scene.focus_pid
    if pid is None:
        return None
    return scene.memo("kernels", (pid, scene.seen("KernelWindow", "DeviceFound")), lambda: _table(scene, pid))


def _table(scene: Scene, pid: int) -> KernelTable | None:
    t0, t1 = scene.head.range_ns()
    windows = scene.timeline.windows(pid, t0, t1)
    if not windows:
        return None
    spots = scene.memo("kernel sums", (pid, id(scene.timeline)), _Sums).over(scene, pid, windows)
    devices = {id: state.found for id, state in scene.timeline.devices.items()}
    totals, whole = spots.totals()
    rows = [KernelFact(total, whole, devices) for total in totals]
    process = scene.timeline.processes.get(pid)
    end = min(t1, process.gone.time_ns) if process and process.gone else t1
    cover, last = spots.coverage(end_of=lambda _: end), windows[-1]
    window_ns = last.profiled_ns // max(last.windows, 1)
    return KernelTable(rows, whole, cover, spots.group, _makers(totals, whole), window_ns, last.sampled)


class _Sums:
    """Kernels summed over a range: while only its end grows, what is in it already is not summed again."""

    def __init__(self) -> None:
        self._spots = Hotspots()
        self._windows: list[KernelWindow] = []

    def over(self, scene: Scene, pid: int, windows: list[KernelWindow]) -> Hotspots:
        known, self._windows = self._windows, windows
        if len(known) <= len(windows) and all(map(is_, known, windows)):
            return self._spots.add_all(windows[len(known) :])
        self._spots = Hotspots().add_all(_in_blocks(scene, pid, windows))
        return self._spots


def _in_blocks(scene: Scene, pid: int, windows: list[KernelWindow]) -> list[KernelWindow]:
    """The same sums in fewer windows: those of past ten seconds are merged once, not each time that a new one comes."""
    blocks: dict[tuple[int, str], list[KernelWindow]] = {}
    for window in windows:
        blocks.setdefault((window.t1_ns // BLOCK_NS, window.source), []).append(window)
    newest = windows[-1].t1_ns // BLOCK_NS
    found: list[KernelWindow] = []
    for (block, source), members in blocks.items():
        if block == newest or len(members) == 1:
            found += members
        else:
            name, key = f"block {block % 16} {source}", (pid, block, len(members), id(members[0]), id(members[-1]))
            found.append(scene.memo(name, key, lambda members=members: _merged(members)))  # type: ignore[misc]
    return found


def _merged(windows: list[KernelWindow]) -> KernelWindow:
    merger = KernelMerger(MAX_ROWS)
    for window in windows:
        merger.add(window)
    return merger.window()


def _makers(totals: list[Total], whole: Whole) -> list[tuple[str, float]]:
    times: dict[str, int] = {}
    for total in totals:
        if maker := total.origin:
            times[maker] = times.get(maker, 0) + total.total_ns
    return [(maker, whole.share(ns)) for maker, ns in sorted(times.items(), key=lambda item: -item[1])]


def kernel_windows(scene: Scene, name: str) -> list[tuple[int, float, int, int]]:
    """(time, mean ns, min ns, max ns) of one kernel in each window that charts cover."""
    points = (_in_window(window, name) for window in charted_windows(scene))
    return [point for point in points if point is not None]


def charted_windows(scene: Scene) -> list[KernelWindow]:
    """Those of the time that charts cover, oldest first."""
    pid = scene.focus_pid
    if pid is None:
        return []
    span = scene.head.window_ns()
    return scene.memo("charted", (pid, span, scene.seen("KernelWindow")), lambda: scene.timeline.windows(pid, *span))


def _in_window(window: KernelWindow, name: str) -> tuple[int, float, int, int] | None:
    rows = [row for row in window.rows if row.name == name and row.calls]
    if not rows:
        return None
    calls, total = sum(row.calls for row in rows), sum(row.total_ns for row in rows)
    return window.t1_ns, total / calls, min(row.min_ns for row in rows), max(row.max_ns for row in rows)
