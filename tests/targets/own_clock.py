"""What every training target shares: it times its own steps, and says at its end what it saw, as one line of JSON."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch


def arguments(**defaults: float) -> argparse.Namespace:
    """--seconds, --steps (whichever comes first), --end HOW, and the target's own numbers with their defaults.

    With --in-window it ends HOW at the first moment at which a profiler's window is open in it, after so many steps.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--steps", type=int, default=10**9)
    parser.add_argument("--stop", type=Path, default=None, help="a file: where it exists, the job comes to its end")
    parser.add_argument("--go", type=Path, default=None, help="a file that the target waits for, where it waits")
    parser.add_argument("--end", choices=("return", "raise", "exit3", "term"), default="return")
    parser.add_argument("--pause", type=float, default=0.0, help="seconds after each step")
    parser.add_argument("--in-window", action="store_true")
    for name, value in defaults.items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    return parser.parse_args()


def train(step: Callable[[], object], model: torch.nn.Module, wish: argparse.Namespace) -> None:
    """Calls `step` until the end; says `ready` after three. A step's time is from one end to the next."""
    ends = [time.time()]
    while len(ends) <= wish.steps and ends[-1] - ends[0] < wish.seconds and not _stopped(wish.stop, len(ends)):
        step()
        if wish.pause:
            time.sleep(wish.pause)
        ends.append(time.time())
        if len(ends) == 4:
            print("ready", flush=True)
    report(ends, model)
    while wish.in_window and not torch._C._autograd._profiler_enabled():
        step()
    leave(wish.end)


def _stopped(file: Path | None, steps: int) -> bool:
    return file is not None and steps % 10 == 0 and file.exists()


def report(ends: list[float], model: torch.nn.Module) -> None:
    """When each step ended (s since the epoch, the first is the beginning), and the sha256 of the weights."""
    digest = hashlib.sha256()
    for parameter in model.parameters():
        digest.update(parameter.detach().numpy().tobytes())
    print(json.dumps({"ends": ends, "sha256": digest.hexdigest()}), flush=True)


def leave(how: str) -> None:
    """The ends of a job: falling off, an exception, an exit code, or a signal."""
    if how == "raise":
        raise RuntimeError("the job failed")
    if how == "exit3":
        sys.exit(3)
    if how == "term":
        os.kill(os.getpid(), signal.SIGTERM)
