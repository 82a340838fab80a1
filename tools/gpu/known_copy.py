"""Copies a tensor within device memory, over and over: so many bytes a step are known beforehand."""

from __future__ import annotations

import torch
from benchmarks.targets.loop import train
from tools.gpu.sizes import CPU, GPU
from torch import nn


def main() -> None:
    torch.set_num_threads(1)
    cuda = torch.cuda.is_available()
    sizes = GPU if cuda else CPU
    source = torch.zeros(sizes.copied, dtype=torch.uint8, device="cuda" if cuda else "cpu")
    target = torch.empty_like(source)

    def step() -> None:
        for _ in range(sizes.copies):
            target.copy_(source)
        if cuda:
            torch.cuda.synchronize()

    train(nn.Identity(), step)


if __name__ == "__main__":
    main()
