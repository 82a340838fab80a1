"""A small transformer with AdamW: hundreds of tiny operations a millisecond, where every recorded event hurts."""

from __future__ import annotations

import torch
from benchmarks.targets.loop import train
from torch import Tensor, nn

WORDS, WIDTH, LENGTH, BATCH, LAYERS, HEADS = 256, 48, 16, 4, 4, 4


class Transformer(nn.Module):  # type: ignore[misc]
    """Guesses the next word, each from all others: a job for a clock, not for a language."""

    def __init__(self, words: int, width: int, layers: int) -> None:
        super().__init__()
        self.words = nn.Embedding(words, width)
        layer = nn.TransformerEncoderLayer(width, HEADS, 2 * width, dropout=0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, words)

    def forward(self, text: Tensor) -> Tensor:
        scores: Tensor = self.head(self.layers(self.words(text)))
        return scores


def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    network, loss_of = Transformer(WORDS, WIDTH, LAYERS), nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, foreach=False)

    def step() -> None:
        text = torch.randint(WORDS, (BATCH, LENGTH + 1))
        optimizer.zero_grad()
        scores = network(text[:, :-1])
        loss_of(scores.reshape(-1, WORDS), text[:, 1:].reshape(-1)).backward()
        optimizer.step()

    train(network, step)


if __name__ == "__main__":
    main()
