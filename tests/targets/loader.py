"""A DataLoader with workers over a dataset that takes --slow seconds an item: the job waits for data."""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch
from tests.targets.own_clock import arguments, train
from torch import nn
from torch.utils.data import DataLoader, Dataset

wish = arguments(slow=0.01, workers=2)
model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)


class Slow(Dataset[tuple[torch.Tensor, int]]):  # type: ignore[misc]  # torch is untyped here
    def __len__(self) -> int:
        return 100_000

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        time.sleep(wish.slow)
        return torch.full((64,), index / 1000), index % 10


batches: Iterator[tuple[torch.Tensor, torch.Tensor]] = iter(DataLoader(Slow(), 4, num_workers=wish.workers))


def step() -> None:
    features, labels = next(batches)
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(features), labels).backward()
    optimizer.step()


train(step, model, wish)
