"""The bundled demo's convolutional network on its made-up pictures: few, larger operations."""

from __future__ import annotations

import torch
from benchmarks.targets.loop import train
from torch import nn
from torch.utils.data import DataLoader

from acceltop.profiler.demo.train import Network, Pictures


def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    network, loss_of = Network(), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    batches = iter(DataLoader(Pictures(), batch_size=24))

    def step() -> None:
        pictures, labels = next(batches)
        optimizer.zero_grad()
        loss_of(network(pictures), labels).backward()
        optimizer.step()

    train(network, step)


if __name__ == "__main__":
    main()
