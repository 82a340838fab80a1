"""Bars in eighths of a cell, braille areas and dots, and their stand-ins for terminals without such glyphs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from acceltop.profiler import numbers
from acceltop.views.draw.line import Span, blank

_LEVELS = " ▁▂▃▄▅▆▇█"
_STAND_INS = {
    ".": "▁▂▏·╷", "-": "▃▄▍▎─–−▔", "=": "▅▆▌", "#": "▇█▉▊▋▓■", "|": "│┃‖▮", "*": "●", "!": "▲", "v": "▼↓", ">": "▶▸→",
    "<": "←", "^": "↑", "o": "◆°", "x": "✖×", "~": "…≈", "u": "µ", '"': "“”", "%": "▒", ":": "░", "+": "▚",
}  # fmt: skip
_ASCII = {ord(char): plain for plain, chars in _STAND_INS.items() for char in chars}
_LEFT = (0x00, 0x40, 0x44, 0x46, 0x47)  # braille dots of a column filled from below, by height
_RIGHT = (0x00, 0x80, 0xA0, 0xB0, 0xB8)
_CELLS = [[chr(0x2800 + left + right) if left or right else " " for right in _RIGHT] for left in _LEFT]
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # by row and column within a cell


@dataclass(frozen=True)
class Glyphs:
    """What a terminal can show. Without blocks the lines of a pane go through `to_ascii` at last."""

    braille: bool = True
    blocks: bool = True


FULL = Glyphs()
PLAIN_BLOCKS = Glyphs(braille=False)
ASCII = Glyphs(braille=False, blocks=False)
GLYPHS = {"braille": FULL, "block": PLAIN_BLOCKS, "ascii": ASCII}


def known(value: float | None) -> bool:
    return value is not None and not math.isnan(value)


def to_ascii(text: str) -> str:
    """What we draw with in ASCII; letters of names stay."""
    return text if text.isascii() else text.translate(_ASCII)


def bar(ratio: float | None, width: int, token: str) -> tuple[Span, ...]:
    """`ratio` of `width` cells filled, on its trough. Unknown: no trough either. More than nothing shows at least ▏."""
    if ratio is None or math.isnan(ratio):
        return (blank(width),)
    return _bar(numbers.eighths(ratio, width), width, token)


@lru_cache(maxsize=2048)  # every device and kernel has some, and a bar has few heights
def _bar(eighths: int, width: int, token: str) -> tuple[Span, ...]:
    return (Span(numbers.filled(eighths, width), f"{token}@trough"),)


def area(values: Sequence[float], rows: int, glyphs: Glyphs = FULL) -> list[str]:
    """A filled history, oldest first, two values a cell, `rows` lines from the top. A value is 0–1, or NaN: blank.

    A known zero keeps a dot on the ground line, so that it differs from not known.
    """
    if len(values) % 2:
        values = [math.nan, *values]
    if glyphs.braille:
        return _braille_area(_heights(values, rows * 4), rows)
    means = [_mean(a, b) for a, b in zip(values[::2], values[1::2], strict=True)]
    return _level_area(_heights(means, rows * 8), rows)


def band_of(band: Sequence[Sequence[float]], rows: int) -> list[str]:
    """As `area`, of lowest, mean and highest, in braille: filled up to the lowest; up to the highest every other dot,
    with a line at the mean."""
    steps = [_heights(values, rows * 4) for values in band]
    texture = [int(pattern * rows * 2, 2) for pattern in ("01", "10")]
    columns = enumerate(zip(*steps, strict=True))
    dots = [_dots(low, mean, high, texture[at % 2]) for at, (low, mean, high) in columns]
    pairs = list(zip(dots[::2], dots[1::2], strict=True))
    floors = range((rows - 1) * 4, -1, -4)
    return ["".join([_cell(left >> floor & 15, right >> floor & 15) for left, right in pairs]) for floor in floors]


def _dots(low: int, mean: int, high: int, texture: int) -> int:
    """The dots of one column as bits, from below."""
    line = 3 << mean >> 2
    return (1 << low) - 1 | texture & (1 << high) - 1 | line


@cache
def _cell(left: int, right: int) -> str:
    """The braille cell with these dots, four bits a side from below."""
    code = sum(_DOTS[3 - row][side] for side, bits in enumerate((left, right)) for row in range(4) if bits >> row & 1)
    return chr(0x2800 + code) if code else " "


def _heights(values: Sequence[float], steps: int) -> list[int]:
    """NaN has none; a known value has at least one step."""
    return [0 if v != v else 1 if v * steps < 1 else min(round(v * steps), steps) for v in values]


def _mean(left: float, right: float) -> float:
    return right if math.isnan(left) else left if math.isnan(right) else (left + right) / 2


def _braille_area(heights: list[int], rows: int) -> list[str]:
    pairs = list(zip(heights[::2], heights[1::2], strict=True))
    low, high = min(heights, default=0), max(heights, default=0)
    lines = []
    for floor in range((rows - 1) * 4, -1, -4):
        if high <= floor or low >= floor + 4:  # most lines of a chart are empty or full
            lines.append((" " if high <= floor else _CELLS[4][4]) * len(pairs))
        else:
            lines.append("".join([_CELLS[_filled(left - floor)][_filled(right - floor)] for left, right in pairs]))
    return lines


def _filled(height: int) -> int:
    return 0 if height < 0 else 4 if height > 4 else height


def _level_area(heights: list[int], rows: int) -> list[str]:
    return [
        "".join(_LEVELS[min(max(height - (rows - 1 - row) * 8, 0), 8)] for height in heights) for row in range(rows)
    ]


class Dots:
    """A canvas of braille dots, `width` × `height` cells; (0, 0) is the top left dot."""

    def __init__(self, width: int, height: int, glyphs: Glyphs = FULL) -> None:
        self.width = width * 2
        self.height = height * 4
        self._glyphs = glyphs
        self._cells = [[0] * width for _ in range(height)]

    def set(self, x: int, y: int) -> None:
        """Nothing outside the canvas."""
        if 0 <= x < self.width and 0 <= y < self.height:
            self._cells[y // 4][x // 2] |= _DOTS[y % 4][x % 2]

    def rows(self) -> list[str]:
        return ["".join(map(self._glyph, row)) for row in self._cells]

    def _glyph(self, cell: int) -> str:
        if not cell:
            return " "
        return chr(0x2800 + cell) if self._glyphs.braille else "●"
