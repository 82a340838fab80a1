"""What every training target shares: it times its own steps, and says at its end what it saw, as one line of JSON."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable

import torch


def arguments(**defaults: float) -> argparse.Namespace:
    """--seconds, --steps (whichever comes first), --end HOW, and the target's own numbers with their defaults."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--steps", type=int, default=10**9)
    parser.add_argument("--end", choices=("return", "raise", "exit3", "wait"), default="return")
    for name, value in defaults.items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    return parser.parse_args()


def train(step: Callable[[], object], model: torch.nn.Module, wish: argparse.Namespace) -> None:
    """Calls `step` until the end; says `ready` after three. A step's time is from one end to the next."""
    took: list[float] = []
    began = before = time.perf_counter()
    while len(took) < wish.steps and before - began < wish.seconds:
        step()
        now = time.perf_counter()
        took.append(now - before)
        before = now
        if len(took) == 3:
            print("ready", flush=True)
    report(took, model)
    leave(wish.end)


def report(took: list[float], model: torch.nn.Module) -> None:
    """Median and mean of the step in seconds, how many, and the sha256 of the weights."""
    digest = hashlib.sha256()
    for parameter in model.parameters():
        digest.update(parameter.detach().numpy().tobytes())
    ordered = sorted(took)
    said = {"steps": len(took), "median_s": ordered[len(ordered) // 2], "mean_s": sum(took) / len(took)}
    print(json.dumps({**said, "sha256": digest.hexdigest()}), flush=True)


def leave(how: str) -> None:
    """The ends of a job: falling off, an exception, an exit code, or waiting to be killed."""
    if how == "raise":
        raise RuntimeError("the job failed")
    if how == "exit3":
        sys.exit(3)
    while how == "wait":
        sum(range(1000))
