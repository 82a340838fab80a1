"""Lines as what a terminal reads: the cells that changed, and of colours only what differs from the cells before."""

from __future__ import annotations

from dataclasses import dataclass, field

from rich.color import Color, ColorSystem

from acceltop.views.draw.line import Line, changes
from acceltop.views.theme import Palette


@dataclass(eq=False)
class _Look:
    """Codes of SGR: weight, text and ground; and what turns the terminal into it from others."""

    codes: tuple[str, str, str]
    turns: dict[_Look | None, str] = field(default_factory=dict)


class Ink:
    """What is put down is collected until it is taken. `colours`: what the terminal can show; None: no colours."""

    def __init__(self, colours: ColorSystem | None) -> None:
        self._system = colours
        self._parts: list[str] = []
        self._at = (-1, -1)
        self._look: _Look | None = None  # None: not known
        self._looks: dict[tuple[str, str], _Look] = {}  # by token and background
        self._palette: Palette | None = None  # that they are of

    def put(self, old: Line, new: Line, x: int, y: int, width: int, palette: Palette) -> None:
        """Turns `old` into `new`; both begin at column `x` of line `y` of the screen and have `width` cells."""
        if palette is not self._palette:
            self._palette = palette
            self._looks.clear()
        looks, back = self._looks, new.back
        for column, (text, token), cells in changes(old, new, width):
            place = (x + column, y)
            if place != self._at:
                self._move(*place)
            look = looks.get((token, back)) or self._known(token, back, palette)
            if look is not self._look:
                self._turn(look)
            self._parts.append(text)
            self._at = (place[0] + cells, y)

    def take(self) -> str:
        """All of it, and the terminal's own colours at the end; empty if there is nothing."""
        taken = "".join((*self._parts, "\x1b[0m")) if self._parts else ""
        self._parts.clear()
        self._at, self._look = (-1, -1), None
        return taken

    def _move(self, x: int, y: int) -> None:
        near = self._at[1] == y and x > self._at[0]
        self._parts.append(f"\x1b[{x - self._at[0]}C" if near else f"\x1b[{y + 1};{x + 1}H")

    def _turn(self, look: _Look) -> None:
        before, self._look = self._look, look
        self._parts.append(look.turns.get(before) or _turned(before, look))

    def _known(self, token: str, back: str, palette: Palette) -> _Look:
        """One look has one object, by whatever tokens."""
        style = palette.style(token, back)
        weight = ";".join(code for code, on in (("1", style.bold), ("2", style.dim), ("7", style.reverse)) if on)
        codes = weight, self._codes(style.color, True), self._codes(style.bgcolor, False)
        look = next((known for known in self._looks.values() if known.codes == codes), None) or _Look(codes)
        self._looks[token, back] = look
        return look

    def _codes(self, colour: Color | None, text: bool) -> str:
        if colour is None or self._system is None:
            return ""
        return ";".join(colour.downgrade(self._system).get_ansi_codes(text))


def _turned(before: _Look | None, look: _Look) -> str:
    """What turns the terminal from one look to the other."""
    weight, *colours = look.codes
    if before is None or weight != before.codes[0] or not all(colours):
        codes = ["0", *look.codes]
    else:
        codes = [code for code, was in zip(look.codes, before.codes, strict=True) if code != was]
    turn = look.turns[before] = f"\x1b[{';'.join(filter(None, codes))}m"
    return turn
