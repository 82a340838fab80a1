"""What the agent's hooks add to every step of a job: seconds, on and off in turns in this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from statistics import median

import torch
from torch.utils.data import DataLoader, IterableDataset

from acceltop.profiler.agent.steps import Marks
from acceltop.profiler.agent.torch_hooks import Hooks

TURNS, STEPS = 150, 20


class Ones(IterableDataset[float]):  # type: ignore[misc]
    def __iter__(self) -> Iterator[float]:
        while True:
            yield 1.0


def hooks_s() -> float:
    """The median over the turns."""
    torch.set_num_threads(1)
    step, marks = tiny_step(), Marks()
    _usual_s(step)
    more = []
    for _ in range(TURNS):
        without = _usual_s(step)
        hooks = Hooks(torch, marks, *4 * (lambda: None,))
        hooks.install()
        more.append(_usual_s(step) - without)
        hooks.remove()
    return median(more)


def tiny_step() -> Callable[[], object]:
    """All that is hooked, a batch, a backward and an optimizer's step, around next to nothing."""
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer, batches = torch.optim.SGD([weight], lr=0.1), iter(DataLoader(Ones(), batch_size=None))

    def step() -> None:
        torch.autograd.backward(weight * next(batches))
        optimizer.step()
        optimizer.zero_grad()

    return step


def _usual_s(step: Callable[[], object]) -> float:
    step()
    times = []
    for _ in range(STEPS):
        begin = time.perf_counter()
        step()
        times.append(time.perf_counter() - begin)
    return median(times)
