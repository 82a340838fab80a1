"""Where windows fall: the share of their time that each phase of a step gets, beside the share that it has.

The agent's own sessions in this process, at random moments of a transformer that trains. In backward none can open or
close, and the optimizer is what comes after it.
"""

from __future__ import annotations

import argparse
import random
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from statistics import mean

import torch
from benchmarks.table import markdown
from benchmarks.targets.transformer import BATCH, LAYERS, LENGTH, WIDTH, WORDS, Transformer
from torch import nn

from acceltop.profiler.agent.steps import overlap
from acceltop.profiler.agent.torch_quiet import first_session_in_this_thread
from acceltop.profiler.agent.torch_session import AHEAD_S, Session

PHASES = ("forward", "backward", "optimizer")
APART_S = (0.03, 0.08)  # between two windows
Step = tuple[int, ...]  # where its phases begin and end, ns


class Windows:
    """Taken on a thread of their own, as the agent does it."""

    def __init__(self, count: int, length_s: float) -> None:
        self.taken: list[tuple[int, int]] = []  # opened and closed, ns
        self.tried, self._count, self._length_s = 0, count, length_s
        self._session = Session(torch, lambda: None)
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while len(self.taken) < self._count:
            at = time.monotonic() + random.uniform(*APART_S)
            time.sleep(max(0.0, at - AHEAD_S - time.monotonic()))
            self.tried += 1
            if self._session.start(at, self._length_s):
                time.sleep(max(0.0, self._session.since_s + self._length_s - time.monotonic()))
                self._session.finish()
                self.taken.append((self._session.opened_ns, self._session.closed_ns))
        self._session.leave()


def transformer() -> Callable[[], Step]:
    """A step of it, which tells when its phases were."""
    network, loss_of = Transformer(WORDS, WIDTH, LAYERS), nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, foreach=False)

    def step() -> Step:
        begin = time.time_ns()
        text = torch.randint(WORDS, (BATCH, LENGTH + 1))
        optimizer.zero_grad()
        loss = loss_of(network(text[:, :-1]).reshape(-1, WORDS), text[:, 1:].reshape(-1))
        backward = time.time_ns()
        loss.backward()
        update = time.time_ns()
        optimizer.step()
        return begin, backward, update, time.time_ns()

    return step


def shares(amounts: list[float]) -> list[str]:
    return [f"{amount / sum(amounts):.1%}" for amount in amounts]


def measured(count: int, length_s: float) -> list[list[str]]:
    """Two rows: what windows have seen, and how the steps are in which there was none."""
    windows, step, steps = Windows(count, length_s), transformer(), list[Step]()
    windows.thread.start()
    while windows.thread.is_alive():
        steps.append(step())
    phases = [list(pairs) for pairs in zip(*(pairwise(each) for each in steps), strict=True)]
    seen = [float(sum(overlap(window, spans) for window in windows.taken)) for spans in phases]
    alone = [each for each in steps if not overlap((each[0], each[-1]), windows.taken)]
    there = [mean(end - begin for begin, end in spans) for spans in zip(*map(pairwise, alone), strict=True)]
    told = f"{length_s * 1e3:g} ms, {len(windows.taken)} of {windows.tried}"
    return [[told, "seen", *shares(seen)], ["", "is", *shares(there)]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=400)
    args = parser.parse_args()
    torch.set_num_threads(1)
    first_session_in_this_thread()
    rows = [row for length_s in (0.0015, 0.004) for row in measured(args.windows, length_s)]
    print(markdown(["windows", "", *PHASES], rows))


if __name__ == "__main__":
    main()
