"""How large the jobs of the check are: on a GPU enough to fill it, on a CPU enough to go through the same motions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """Of the transformer; and of one step of the known copy and the known matrix product."""

    words: int
    width: int
    layers: int
    length: int
    batch: int
    copied: int  # bytes in the tensor that is copied: each is read once and written once
    copies: int  # a step
    side: int  # of the square matrices
    products: int  # a step

    @property
    def copy_bytes(self) -> int:
        """Moved by one step."""
        return 2 * self.copied * self.copies

    @property
    def product_flop(self) -> int:
        """Done by one step."""
        return 2 * self.side**3 * self.products


GPU = Sizes(32000, 1024, 8, 512, 16, copied=2 << 30, copies=20, side=8192, products=20)
CPU = Sizes(256, 64, 2, 16, 4, copied=8 << 20, copies=4, side=128, products=2)
