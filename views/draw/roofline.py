"""A roofline: arithmetic intensity against operations a second, both logarithmic, under a device's two peaks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from acceltop.profiler import numbers
from acceltop.views.draw.chart import SCALE, short
from acceltop.views.draw.glyphs import Dots, Glyphs
from acceltop.views.draw.line import Line, Row, Span

_DECADES = 4  # of FLOP/s, from the top down


class Mark(NamedTuple):
    """A kernel: FLOP/byte and FLOP/s."""

    intensity: float
    flop_per_s: float
    label: str = ""


@dataclass(frozen=True)
class Roof:
    """The peaks of a device, in FLOP/s and bytes/s."""

    flop_per_s: float
    bytes_per_s: float

    @property
    def bend(self) -> float:
        """FLOP/byte from which arithmetic is the limit."""
        return self.flop_per_s / self.bytes_per_s

    @property
    def top(self) -> float:
        """End of the scale."""
        return float(10 ** math.ceil(math.log10(self.flop_per_s)))

    def at(self, intensity: float) -> float:
        return min(self.flop_per_s, intensity * self.bytes_per_s)

    def labels(self) -> tuple[str, str, str]:
        top, middle, bottom = (short(numbers.si(self.top / 10**down, "")) for down in (0, _DECADES // 2, _DECADES))
        return top, middle, bottom


class Plot:
    """`cells` × `rows` around the bend and the kernel's own place; `others` are fainter, and give way."""

    def __init__(self, roof: Roof, own: Mark, others: Sequence[Mark], cells: int, rows: int, glyphs: Glyphs) -> None:
        self._roof, self._cells, self._rows = roof, cells, rows
        self._left = min(math.log10(roof.bend) - 3, math.log10(own.intensity) - 0.5)
        self._right = max(math.log10(roof.bend) + 1.2, math.log10(own.intensity) + 0.5)
        self._chart = self._roof_cells(glyphs)
        self._name_peaks()
        for mark in others:
            self._put(mark, "●", "dim")
        self._put(own, "◆", "*accent")

    def lines(self) -> list[Line]:
        return [Line(tuple(_spans(row))) for row in self._chart]

    def axis(self) -> Line:
        """FLOP/byte at powers of ten."""
        row = Row()
        for power in range(math.ceil(self._left), math.floor(self._right) + 1):
            row.to(SCALE + self._x(10.0**power)).put(f"{10.0**power:g}", "dim")
        unit = " FLOP/byte"
        return row.put(unit if row.width + len(unit) <= SCALE + self._cells else "", "dim").line()

    def _roof_cells(self, glyphs: Glyphs) -> list[list[tuple[str, str]]]:
        dots = Dots(self._cells, self._rows, glyphs)
        span = self._right - self._left
        for x in range(dots.width):
            roof = self._roof.at(10 ** (self._left + span * x / dots.width))
            dots.set(x, round(self._down(roof) * (dots.height - 1)))
        bend = self._x(self._roof.bend)
        tokens = ["dram" if cell < bend else "tensor" for cell in range(self._cells)]
        return [list(zip(text, tokens, strict=True)) for text in dots.rows()]

    def _name_peaks(self) -> None:
        """Each beside its part of the roof, where no kernel can be."""
        roof, bend = self._roof, self._x(self._roof.bend)
        compute, memory = numbers.si(roof.flop_per_s, "FLOP/s"), numbers.si(roof.bytes_per_s, "B/s")
        self._write(self._y(roof.flop_per_s), bend - len(compute) - 3, compute, "tensor")
        slope = bend // 2
        y = self._y(roof.at(10 ** (self._left + (self._right - self._left) * slope / self._cells)))
        self._write(y - 1, slope - len(memory) - 1, memory, "dram")

    def _put(self, mark: Mark, glyph: str, token: str) -> None:
        x, y = self._x(mark.intensity), self._y(mark.flop_per_s)
        self._write(y, x, glyph, token)
        if mark.label and x + 2 + len(mark.label) <= self._cells:
            self._write(y, x + 2, mark.label, token)

    def _write(self, y: int, x: int, text: str, token: str) -> None:
        if 0 <= y < self._rows:
            for at, char in enumerate(text, x):
                if 0 <= at < self._cells:
                    self._chart[y][at] = (char, token)

    def _x(self, intensity: float) -> int:
        place = (math.log10(max(intensity, 1e-12)) - self._left) / (self._right - self._left)
        return min(max(round(place * self._cells), 0), self._cells - 1)

    def _y(self, flop_per_s: float) -> int:
        return min(max(int(self._down(flop_per_s) * self._rows), 0), self._rows - 1)

    def _down(self, flop_per_s: float) -> float:
        """Part of the height from the top."""
        return min(max((math.log10(self._roof.top) - math.log10(max(flop_per_s, 1.0))) / _DECADES, 0.0), 1.0)


def _spans(cells: Sequence[tuple[str, str]]) -> Iterator[Span]:
    for token, run in groupby(cells, key=lambda cell: cell[1]):
        yield Span("".join(char for char, _ in run), token)
