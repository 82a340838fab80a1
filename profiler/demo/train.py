"""Trains a small convolutional network on made-up pictures, until it is told to stop or the time is over.

python train.py [--seconds 600] [--threads 1] [--batch 24]
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

CLASSES = 10


class Pictures(IterableDataset[tuple[Tensor, Tensor]]):  # type: ignore[misc]
    """An endless stream of noisy 32×32 colour pictures, each with a brighter stripe that tells its class."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        generator = torch.Generator().manual_seed(0)
        while True:
            label = torch.randint(CLASSES, (), generator=generator)
            picture = torch.randn(3, 32, 32, generator=generator)
            picture[:, :, 3 * int(label) : 3 * int(label) + 3] += 1.5
            yield picture, label


class Network(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.head = nn.Linear(32 * 8 * 8, CLASSES)

    def forward(self, pictures: Tensor) -> Tensor:
        scores: Tensor = self.head(self.features(pictures).flatten(1))
        return scores


def train(seconds: float, batch: int) -> int:
    """Returns the number of steps done."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = Network().to(device)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    loss_of = nn.CrossEntropyLoss()
    end = time.monotonic() + seconds
    steps = 0
    for pictures, labels in DataLoader(Pictures(), batch_size=batch):
        optimizer.zero_grad()
        loss = loss_of(network(pictures.to(device)), labels.to(device))
        loss.backward()
        optimizer.step()
        steps += 1
        if steps == 1 or steps % 500 == 0:
            print(f"step {steps}: loss {loss.item():.3f}", flush=True)
        if time.monotonic() > end:
            break
    return steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=24)
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    torch.manual_seed(0)
    torch.set_num_threads(args.threads)
    print(f"{train(args.seconds, args.batch)} steps", flush=True)


if __name__ == "__main__":
    main()
