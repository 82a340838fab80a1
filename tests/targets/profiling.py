"""A job that uses torch's own profiler for a while: --from and --until are steps. Prints how many events it got."""

from __future__ import annotations

import torch
from tests.targets.own_clock import arguments, train
from torch import nn

wish = arguments(begin=100, until=200)
model = nn.Sequential(nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
features, labels = torch.randn(64, 256), torch.randint(0, 10, (64,))
profiler = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU])
count = 0


def step() -> None:
    global count
    count += 1
    if count == wish.begin:
        profiler.start()
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(features), labels).backward()
    optimizer.step()
    if count == wish.until:
        profiler.stop()
        calls = sum(row.count for row in profiler.key_averages() if row.key == "aten::addmm")
        print("addmm", calls, flush=True)


train(step, model, wish)
