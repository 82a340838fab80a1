"""A small transformer with AdamW: many small ops in a step."""

from __future__ import annotations

import torch
from tests.targets.own_clock import arguments, train
from torch import nn

wish = arguments()
layer = nn.TransformerEncoderLayer(32, 2, 64, batch_first=True, dropout=0.0)
model = nn.Sequential(nn.TransformerEncoder(layer, 4, enable_nested_tensor=False), nn.Linear(32, 16))
optimizer = torch.optim.AdamW(model.parameters())
tokens, wanted = torch.randn(4, 16, 32), torch.randn(4, 16, 16)


def step() -> None:
    optimizer.zero_grad()
    nn.functional.mse_loss(model(tokens), wanted).backward()
    optimizer.step()


train(step, model, wish)
