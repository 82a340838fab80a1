"""What the jobs share: train until told to stop, write down when each step ended, and say what became of the weights.

python -m benchmarks.targets.NAME --log FILE [--steps N]
SIGUSR1 switches torch.profiler on, SIGUSR2 off, SIGTERM ends the job. Its last line is the sha256 of its weights.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import time
from array import array
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import torch
from torch import nn

FLUSH_S = 0.2
ACTIVE_STEPS = 20  # a recording of torch.profiler grows without bound: it is thrown away after so many steps


class StepLog:
    """Sixteen bytes a step, native order: when it ended, in ns since the epoch, and how long this thread has stood in
    the queue for a processor so far, in ns."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        self._schedule = os.open("/proc/thread-self/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        self._steps = array("q")
        self._due = 0

    def step(self) -> None:
        """A step ended just now."""
        now = time.time_ns()
        self._steps.append(now)
        self._steps.append(int(os.pread(self._schedule, 128, 0).split()[1]))
        if now >= self._due:
            self.flush()
            self._due = now + int(FLUSH_S * 1e9)

    def flush(self) -> None:
        self._file.write(self._steps.tobytes())
        del self._steps[:]


class Switches:
    """What signals have asked for; the loop looks between two steps."""

    def __init__(self) -> None:
        self.stop = False
        self.profile = False
        signal.signal(signal.SIGTERM, self._on)
        signal.signal(signal.SIGUSR1, self._on)
        signal.signal(signal.SIGUSR2, self._on)

    def _on(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGTERM:
            self.stop = True
        else:
            self.profile = number == signal.SIGUSR1


class AlwaysOn:
    """torch.profiler as its tutorial has it: a schedule that records on and on, `step()` after each step."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._profiler: torch.profiler.profile | None = None

    def set(self, on: bool) -> None:
        if on == (self._profiler is not None):
            return
        if on:
            schedule = torch.profiler.schedule(wait=0, warmup=1, active=ACTIVE_STEPS)
            profiler = torch.profiler.profile(schedule=schedule, on_trace_ready=lambda _: None)
            self._profiler = self._stack.enter_context(profiler)
        else:
            self._profiler = None
            self._stack.close()

    def step(self) -> None:
        if self._profiler is not None:
            self._profiler.step()


def train(network: nn.Module, step: Callable[[], object]) -> None:
    """Calls `step` until the end, which is SIGTERM or --steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--steps", type=int, help="end after so many")
    args = parser.parse_args()
    switches, profiler, log, done = Switches(), AlwaysOn(), StepLog(args.log), 0
    while not switches.stop and done != args.steps:
        profiler.set(switches.profile)
        step()
        profiler.step()
        log.step()
        done += 1
    profiler.set(False)
    log.flush()
    print(sha256(network), flush=True)


def sha256(network: nn.Module) -> str:
    """Of all parameters and buffers, bit by bit."""
    digest = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
