"""A step of 300 kernels, each of its own name, that mostly rests: what watches the job has the processors to itself."""

from __future__ import annotations

import time

import torch
from benchmarks.targets.loop import train
from torch import Tensor, nn
from torch.library import Library

KERNELS = 300
PARTS = 10  # kernels come all along a step, so that a window meets some wherever it falls
REST_S = 0.01  # after each part


def kernel(x: Tensor) -> Tensor:
    """What takes the time here is to call it."""
    return x


def main() -> None:
    library = Library("many", "DEF")
    names = [f"cutlass_80_tensorop_bf16_s16816gemm_{n}x128_nn_align8" for n in range(KERNELS)]
    for name in names:
        library.define(f"{name}(Tensor(a) x) -> Tensor(a)")
        library.impl(name, kernel, "CPU")
    kernels = [getattr(torch.ops.many, name) for name in names]
    x, network = torch.ones(16), nn.Linear(4, 4)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.0)  # its calls are where steps end

    def step() -> None:
        for part in range(PARTS):
            for each in kernels[part::PARTS]:
                each(x)
            time.sleep(REST_S)
        optimizer.step()

    train(network, step)


if __name__ == "__main__":
    main()
