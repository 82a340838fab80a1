"""A job that uses torch's own profiler over --length steps, from when the file --go is there. Prints how many calls of
addmm it got: two a step."""

from __future__ import annotations

import torch
from tests.targets.own_clock import arguments, train
from torch import nn

wish = arguments(length=1000)
model = nn.Sequential(nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
features, labels = torch.randn(64, 256), torch.randint(0, 10, (64,))
profiler = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU])
profiled = 0


def step() -> None:
    global profiled
    if not profiled and wish.go is not None and wish.go.exists():
        profiler.start()
        profiled = 1
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(features), labels).backward()
    optimizer.step()
    if profiled == wish.length:
        profiler.stop()
        calls = sum(row.count for row in profiler.key_averages() if row.key == "aten::addmm")
        print("addmm", calls, flush=True)
    profiled += profiled > 0


train(step, model, wish)
