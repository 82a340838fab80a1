"""Short epochs, each with two new DataLoader workers (forked, and joined at its end)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from tests.targets.own_clock import arguments, train
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

wish = arguments()
model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
data = TensorDataset(torch.randn(256, 64), torch.randint(0, 10, (256,)))


def batches() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    while True:
        yield from DataLoader(data, 8, num_workers=2)


endless = batches()


def step() -> None:
    features, labels = next(endless)
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(features), labels).backward()
    optimizer.step()


train(step, model, wish)
