"""How large an hour of recording is, what writing it costs, and how fast it opens and seeks. Prints a table.

    python benchmarks/trace_size.py [--hours 1] [--keep FILE]

What is recorded: 8 devices × 20 counters and the host at 1 Hz, one process with 80 steps a second in frames of a
second, 60 kernel rows each 2 s, stacks each 10 s; all numbers are noisy, as real ones are.
"""

from __future__ import annotations

import argparse
import random
import resource
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter, process_time

from acceltop.profiler.model import (
    PHASES,
    Cost,
    DeviceFound,
    Frame,
    Hello,
    KernelRow,
    KernelWindow,
    MemoryStats,
    ProcessFound,
    Sample,
    StackWindow,
    Steps,
)
from acceltop.profiler.trace.writer import TraceWriter

S = 1_000_000_000
T0 = 1_700_000_000 * S
DEVICES = [f"nvidia:GPU-{number:08x}" for number in range(8)]
COUNTERS = [f"hw.gpu.counter_{number}" for number in range(20)]
KERNELS = [f"void cutlass::Kernel<cutlass_80_tensorop_bf16_s16816gemm_{n}x128_{n}_nn_align8>" for n in range(60)]
STACKS = [f"MainThread;<module> (train.py:{n});train (train.py:{n + 40});forward (model.py:{n})" for n in range(40)]


def second(number: int, chance: random.Random) -> Iterator[Frame]:
    t = T0 + number * S + chance.randrange(10**6)
    for device in DEVICES:
        yield Sample(t, "nvml", {name: round(chance.gauss(0.6, 0.1), 4) for name in COUNTERS}, device=device)
    yield Sample(t, "host", {name: round(chance.random(), 4) for name in COUNTERS[:10]})
    durations = tuple(int(chance.gauss(12.5e6, 2e5)) for _ in range(80))
    phases = {phase: tuple(duration // 6 + chance.randrange(10**5) for duration in durations) for phase in PHASES}
    yield Steps(t - S, 7, number * 80, durations, phases)
    if number % 2 == 0:
        yield KernelWindow(t - 2 * S, t, 7, "torch", tuple(rows(chance)), S // 50, steps=1.6, events=2400)
    if number % 10 == 0:
        yield StackWindow(t - S, t, 7, "py-spy", 100.0, 100, {stack: chance.randrange(1, 9) for stack in STACKS})
        yield MemoryStats(t, 7, "torch", chance.randrange(10**10), 10**10, device=DEVICES[0])
        yield Cost(t, 7, round(chance.gauss(0.004, 0.001), 5), True)


def rows(chance: random.Random) -> Iterator[KernelRow]:
    for name in KERNELS:
        total = int(chance.gauss(4e6, 4e5))
        yield KernelRow(
            name, "kernel", 40, total, total // 50, total // 30, DEVICES[0], 7, op="aten::mm", origin="CUTLASS"
        )


def recording(seconds: int) -> Iterator[list[Frame]]:
    chance = random.Random(1)
    yield [Hello(T0, "bench"), ProcessFound(T0, 7, "python train.py")]
    yield [DeviceFound(T0, device, "H100", "gpu") for device in DEVICES]
    for number in range(seconds):
        yield list(second(number, chance))


def write(path: Path, seconds: int) -> tuple[float, float]:
    """CPU seconds of writing, and of closing."""
    writer = TraceWriter(path)
    spent = 0.0
    for frames in recording(seconds):
        begin = process_time()
        for frame in frames:
            writer.write(frame)
        writer.flush()
        spent += process_time() - begin
    begin = process_time()
    writer.close()
    return spent, process_time() - begin


def timed(action: Callable[[], object]) -> float:
    """Best of three, in ms."""
    times = []
    for _ in range(3):
        begin = perf_counter()
        action()
        times.append((perf_counter() - begin) * 1e3)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--keep", type=Path, help="write the trace here and leave it")
    args = parser.parse_args()
    seconds = int(args.hours * 3600)
    with tempfile.TemporaryDirectory() as folder:
        path = args.keep or Path(folder) / "bench.mcap"
        spent, closing = write(path, seconds)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{args.hours:g} h, 8 devices, 1 process".ljust(44), "value")
        print("bytes an hour".ljust(44), f"{path.stat().st_size / args.hours / 1e6:.1f} MB")
        print("CPU of writing, of one core".ljust(44), f"{spent / seconds:.2%}")
        print("CPU of closing".ljust(44), f"{closing:.2f} s")
        print("RSS after writing (numpy not loaded)".ljust(44), f"{memory:.0f} MB")
        print_reading(path, seconds)


def print_reading(path: Path, seconds: int) -> None:
    from acceltop.profiler.trace.reader import TraceReader
    from acceltop.profiler.trace.replay import Replay

    def show(start_s: int, length_s: int) -> float:
        def once() -> None:
            replay = Replay(reader)
            begin = perf_counter()
            replay.show(T0 + start_s * S, T0 + (start_s + length_s) * S)
            shown.append((perf_counter() - begin) * 1e3)

        shown: list[float] = []
        timed(once)
        return min(shown)

    with TraceReader(path) as reader:
        print("open".ljust(44), f"{timed(lambda: TraceReader(path).close()):.0f} ms")
        print("open, overview, Timeline filled".ljust(44), f"{timed(lambda: Replay(TraceReader(path))):.0f} ms")
        print("seek: 5 s in frames".ljust(44), f"{timed(lambda: list(reader.frames(*around(seconds)))):.0f} ms")
        print("show 60 s in detail (120 s are loaded)".ljust(44), f"{show(seconds // 2, 60):.0f} ms")
        print("show an hour by its levels".ljust(44), f"{show(seconds // 2, 3600):.0f} ms")


def around(seconds: int) -> tuple[int, int]:
    middle = T0 + seconds // 2 * S
    return middle, middle + 5 * S


if __name__ == "__main__":
    main()
