"""A transformer in bf16 on the first GPU, or a very small one on the CPU. See `benchmarks.targets.loop`."""

from __future__ import annotations

import torch
from benchmarks.targets.loop import train
from benchmarks.targets.transformer import Transformer
from tools.gpu.sizes import CPU, GPU
from torch import nn


def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    kind = "cuda" if torch.cuda.is_available() else "cpu"
    sizes = GPU if kind == "cuda" else CPU
    network, loss_of = Transformer(sizes.words, sizes.width, sizes.layers).to(kind), nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)

    def step() -> None:
        text = torch.randint(sizes.words, (sizes.batch, sizes.length + 1), device=kind)
        optimizer.zero_grad()
        with torch.autocast(kind, torch.bfloat16):
            scores = network(text[:, :-1])
            loss = loss_of(scores.reshape(-1, sizes.words), text[:, 1:].reshape(-1))
        loss.backward()
        optimizer.step()
        loss.item()  # as most jobs do: it waits for the GPU, so that a step's time is the GPU's, too

    train(network, step)


if __name__ == "__main__":
    main()
