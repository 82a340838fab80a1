"""Lines as what a terminal reads: the cells that changed, and of colours only what differs from the cells before."""

from __future__ import annotations

from typing import NamedTuple

from rich.color import Color, ColorSystem
from rich.style import Style

from acceltop.views.draw.line import Line, changes
from acceltop.views.theme import Palette


class _Look(NamedTuple):
    """Codes of SGR: weight, text and ground."""

    weight: str
    text: str
    ground: str


class Ink:
    """What is put down is collected until it is taken. `colours`: what the terminal can show; None: no colours."""

    def __init__(self, colours: ColorSystem | None) -> None:
        self._system = colours
        self._parts: list[str] = []
        self._at = (-1, -1)
        self._look: _Look | None = None  # None: not known
        self._looks: dict[Style, _Look] = {}

    def put(self, old: Line, new: Line, x: int, y: int, width: int, palette: Palette) -> None:
        """Turns `old` into `new`; both begin at column `x` of line `y` of the screen and have `width` cells."""
        for column, (text, token), cells in changes(old, new, width):
            self._move(x + column, y)
            self._turn(palette.style(token, new.back))
            self._parts.append(text)
            self._at = (x + column + cells, y)

    def take(self) -> str:
        """All of it, and the terminal's own colours at the end; empty if there is nothing."""
        taken = "".join((*self._parts, "\x1b[0m")) if self._parts else ""
        self._parts.clear()
        self._at, self._look = (-1, -1), None
        return taken

    def _move(self, x: int, y: int) -> None:
        if self._at == (x, y):
            return
        near = self._at[1] == y and x > self._at[0]
        self._parts.append(f"\x1b[{x - self._at[0]}C" if near else f"\x1b[{y + 1};{x + 1}H")

    def _turn(self, style: Style) -> None:
        look, before = self._looks.get(style) or self._known(style), self._look
        if look == before:
            return
        self._look = look
        if before is None or look.weight != before.weight or not (look.text and look.ground):
            codes = ["0", *look]
        else:
            codes = [code for code, was in zip(look, before, strict=True) if code != was]
        self._parts.append(f"\x1b[{';'.join(filter(None, codes))}m")

    def _known(self, style: Style) -> _Look:
        weight = [code for code, on in (("1", style.bold), ("2", style.dim), ("7", style.reverse)) if on]
        look = _Look(";".join(weight), self._codes(style.color, True), self._codes(style.bgcolor, False))
        self._looks[style] = look
        return look

    def _codes(self, colour: Color | None, text: bool) -> str:
        if colour is None or self._system is None:
            return ""
        return ";".join(colour.downgrade(self._system).get_ansi_codes(text))
