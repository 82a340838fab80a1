"""Steps that take a fraction of a millisecond: thousands a second."""

from __future__ import annotations

import torch
from tests.targets.own_clock import arguments, train
from torch import nn

wish = arguments()
model = nn.Linear(8, 8)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for parameter in model.parameters():
    parameter.grad = torch.zeros_like(parameter)

train(optimizer.step, model, wish)
