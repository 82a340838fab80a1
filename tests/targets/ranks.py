"""A gloo rank that averages its gradients with the others; the last one is --late seconds slower, they wait for it."""

from __future__ import annotations

import time

import torch
import torch.distributed as dist
from tests.targets.own_clock import arguments, train
from torch import nn

wish = arguments(late=0.03)
dist.init_process_group("gloo")
model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
features, labels = torch.randn(16, 64), torch.randint(0, 10, (16,))


def step() -> None:
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(features), labels).backward()
    if dist.get_rank() == dist.get_world_size() - 1:
        time.sleep(wish.late)
    for parameter in model.parameters():
        if parameter.grad is not None:
            dist.all_reduce(parameter.grad)
    optimizer.step()


train(step, model, wish)
