"""Gradient accumulation: one optimizer step for four forward and backward passes."""

from __future__ import annotations

import torch
from tests.targets.own_clock import arguments, train
from torch import nn

wish = arguments()
model = nn.Sequential(nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
features, labels = torch.randn(64, 256), torch.randint(0, 10, (64,))


def step() -> None:
    optimizer.zero_grad()
    for _ in range(4):
        nn.functional.cross_entropy(model(features), labels).backward()
    optimizer.step()


train(step, model, wish)
