"""The live screens over this machine's devices and a made job with 300 kernels, for `benchmarks.soak`.

    python -m benchmarks.targets.screen_kernels INTERVAL_S

A reading of the job, with a whole new table, comes each interval, as often as no real job would give one; so little of
it is kept that all is full after some hundred of them.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Iterable, Sequence

from acceltop.profiler.clock import NS_PER_S, now_ns
from acceltop.profiler.history.store import Limits
from acceltop.profiler.model import PHASES, Cost, Frame, KernelRow, KernelWindow, ProcessFound, StackWindow, Steps
from acceltop.profiler.session import Session, Sink, installed
from acceltop.profiler.source import SourceContext
from acceltop.views.run import watch

KERNELS = 300
STEPS = 12  # a second
NAMES = [f"void cutlass::kernel_{n}<cutlass_80_tensorop_bf16_s16816gemm_{n}x128_nn_align8>" for n in range(KERNELS)]
STACK = "MainThread;<module> (train.py:9);train (train.py:{n});forward (model.py:{n})"
SHORT = Limits(raw=600, fine=6, steps=4000, tiers=((5 * NS_PER_S, 6), (15 * NS_PER_S, 4)))


class Job:
    """A source: what the agent and py-spy give of a busy job."""

    name = "job"
    deadline_s = 2.0

    def __init__(self, clock: Callable[[], int] = now_ns) -> None:
        self._now = clock
        self._chance = random.Random(1)
        self._pid = os.getppid()
        self._step = self._count = 0

    def open(self, context: SourceContext) -> Iterable[Frame]:
        layers = {"framework": ("PyTorch 2.13",)}
        return [ProcessFound(self._now(), self._pid, "python train.py", framework="PyTorch 2.13", layers=layers)]

    def poll(self) -> Iterable[Frame]:
        now, chance = self._now(), self._chance
        durations = tuple(int(chance.gauss(1 / STEPS, 0.004) * NS_PER_S) for _ in range(STEPS))
        phases = {phase: tuple(d // len(PHASES) for d in durations) for phase in PHASES}
        yield Steps(now - NS_PER_S, self._pid, self._step, durations, phases)
        self._step += STEPS
        rows = tuple(self._row(at, name) for at, name in enumerate(NAMES))
        yield KernelWindow(now - NS_PER_S, now, self._pid, "torch", rows, NS_PER_S // 50, steps=0.3, events=2400)
        yield Cost(now, self._pid, chance.uniform(0.003, 0.005), True)
        self._count += 1
        if self._count % 10 == 0:
            counts = {STACK.format(n=n): chance.randrange(1, 9) for n in range(60)}
            yield StackWindow(now - NS_PER_S, now, self._pid, "py-spy", 100.0, 100, counts)

    def close(self) -> None:
        pass

    def _row(self, at: int, name: str) -> KernelRow:
        total = int(self._chance.gauss(4e6, 4e5) / (at + 1)) + 1
        return KernelRow(name, "kernel", 40, total, total // 50, total // 30, op="aten::mm")


def make(context: SourceContext, sinks: Sequence[Sink], ticks: Sequence[Callable[[], None]]) -> Session:
    return Session({**installed(without=("agent", "stacks")), "job": Job}, context, sinks, ticks)


if __name__ == "__main__":
    watch(SourceContext(float(sys.argv[1]), (os.getppid(),)), make=make, limits=SHORT)
