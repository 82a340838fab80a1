"""A small recording of everything, and files made of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from acceltop.profiler import codec
from acceltop.profiler.model import (
    PHASES,
    ClockSync,
    Cost,
    DeviceFound,
    DeviceLost,
    Frame,
    Hello,
    KernelRow,
    KernelWindow,
    MemoryStats,
    Note,
    ProcessFound,
    ProcessGone,
    Sample,
    Slices,
    StackWindow,
    Steps,
)
from acceltop.profiler.trace.writer import TraceWriter

S = 1_000_000_000
T0 = 1_700_000_000 * S
GPU, PID = "nvidia:GPU-1", 4242


def second(number: int) -> Iterator[Frame]:
    """What is recorded in one second, with 40 steps of 20 to 24 ms that end with it."""
    t = T0 + number * S
    yield Sample(t, "nvml", {"hw.gpu.utilization": 0.5, "hw.power": 300.0 + number}, device=GPU, states={"p": "P0"})
    yield Sample(t, "host", {"system.cpu.utilization": 0.25})
    yield Sample(t, "host", {"process.cpu.utilization": 1.5}, pid=PID)
    duration = (20 + number % 5) * S // 1000
    yield Steps(
        t - 40 * duration,
        PID,
        number * 40,
        (duration,) * 40,
        {phase: (S // 1000,) * 40 for phase in PHASES[:4]},
        rank=0,
    )
    if number % 2 == 0:
        rows = (
            KernelRow("gemm", "kernel", 40, 4_000_000, 90_000, 110_000, GPU, 7, bytes=1000, flops=10**9, op="aten::mm"),
            KernelRow(f"rare_{number}", "kernel", 1, 1_000, 1_000, 1_000, GPU, 7),
        )
        slices = Slices(("gemm",), ("stream 7",), (0, 0), (0, 0), (0, 200_000), (100_000, 100_000))
        yield KernelWindow(t - 2 * S, t, PID, "torch", rows, S // 10, steps=4.0, events=41, slices=slices)
        yield StackWindow(t - S, t, PID, "py-spy", 100.0, 10, {"MainThread;train (a.py:1);step (a.py:9)": 10})
    yield MemoryStats(t, PID, "torch", 10**9 + number, 2 * 10**9, device=GPU)
    yield Cost(t, PID, 0.004, True, 0.01)


def recording(seconds: int = 20) -> list[Frame]:
    """Every kind of Frame."""
    begin: list[Frame] = [
        Hello(T0, "node-1", tool_version="1.0"),
        ClockSync(T0, "gpu", 5, 6),
        DeviceFound(T0, GPU, "H100", "gpu", "NVIDIA", "nvml", 0, memory_bytes=80 * 10**9),
        ProcessFound(T0, PID, "python train.py", "ada", framework="torch", layers={"framework": ("PyTorch 2.13",)}),
        Note(T0, "info", "test.begin", "it begins"),
    ]
    middle = [frame for number in range(seconds) for frame in second(number)]
    t1 = T0 + seconds * S
    return [*begin, *middle, DeviceLost(t1, GPU, "fell off the bus"), ProcessGone(t1, PID, 1)]


def write(path: Path, frames: Iterable[Frame], close: bool = True) -> Path:
    """As the recorder does it: a flush for each second of the recording. `close` False: as after kill -9."""
    writer = TraceWriter(path)
    last = 0
    for frame in frames:
        if frame.time_ns >= last + S:
            writer.flush()
            last = frame.time_ns
        writer.write(frame)
    writer.flush()
    if close:
        writer.close()
    return path


def write_lines(path: Path, frames: Iterable[Frame]) -> Path:
    path.write_text("".join(f"{codec.encode(frame)}\n" for frame in frames), "utf-8")
    return path
