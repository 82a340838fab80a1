"""A plain CNN on data in memory. --slow N: N rows to sort in each step, an operation that then takes most of it."""

from __future__ import annotations

import torch
from tests.targets.own_clock import arguments, train
from torch import nn

wish = arguments(slow=0)
model = nn.Sequential(
    nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 24 * 24, 10)
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
images, labels = torch.randn(8, 3, 28, 28), torch.randint(0, 10, (8,))
rows = torch.randn(wish.slow, 1000)


def step() -> None:
    optimizer.zero_grad()
    if wish.slow:
        torch.sort(rows)
    nn.functional.cross_entropy(model(images), labels).backward()
    optimizer.step()


train(step, model, wish)
