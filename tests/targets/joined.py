"""The main thread waits in `join` for the whole time, while another one trains."""

from __future__ import annotations

import threading

import torch
from tests.targets.own_clock import arguments, train
from torch import nn

wish = arguments()
model = nn.Sequential(nn.Linear(256, 512), nn.ReLU(), nn.Linear(512, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
features, labels = torch.randn(64, 256), torch.randint(0, 10, (64,))


def step() -> None:
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(features), labels).backward()
    optimizer.step()


trainer = threading.Thread(target=train, args=(step, model, wish), name="trainer")
trainer.start()
trainer.join()
