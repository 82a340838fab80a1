"""A loop that waits for its data: plain Python reads each sample from text, the network is done in no time."""

from __future__ import annotations

import random
from collections.abc import Iterator

import torch
from benchmarks.targets.loop import train
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

NUMBERS, LINES, BATCH = 512, 64, 64


class Lines(IterableDataset[tuple[Tensor, Tensor]]):  # type: ignore[misc]
    """Lines of numbers, read again and again as if from a CSV file."""

    def __init__(self) -> None:
        chance = random.Random(0)
        self._lines = [",".join(f"{chance.gauss(0, 1):.6f}" for _ in range(NUMBERS)) for _ in range(LINES)]

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            for line in self._lines:
                numbers = [float(word) for word in line.split(",")]
                yield torch.tensor(numbers), torch.tensor(sum(numbers))


def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    network = nn.Sequential(nn.Linear(NUMBERS, 32), nn.ReLU(), nn.Linear(32, 1))
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-4)
    batches = iter(DataLoader(Lines(), batch_size=BATCH))

    def step() -> None:
        rows, sums = next(batches)
        optimizer.zero_grad()
        nn.functional.mse_loss(network(rows).squeeze(1), sums).backward()
        optimizer.step()

    train(network, step)


if __name__ == "__main__":
    main()
