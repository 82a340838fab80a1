"""Multiplies two square bf16 matrices, over and over: so many FLOP a step are known beforehand."""

from __future__ import annotations

import torch
from benchmarks.targets.loop import train
from tools.gpu.sizes import CPU, GPU
from torch import nn


def main() -> None:
    torch.set_num_threads(1)
    cuda = torch.cuda.is_available()
    sizes = GPU if cuda else CPU
    kind = "cuda" if cuda else "cpu"
    left, right, product = (torch.randn(sizes.side, sizes.side, device=kind).bfloat16() for _ in range(3))

    def step() -> None:
        for _ in range(sizes.products):
            torch.mm(left, right, out=product)
        if cuda:
            torch.cuda.synchronize()

    train(nn.Identity(), step)


if __name__ == "__main__":
    main()
