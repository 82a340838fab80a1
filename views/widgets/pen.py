"""Writes the cells that changed to the terminal, past Textual's compositor, which sends lines with all their colours.

Its own picture stays true: whatever makes it paint, a resize or an opened palette, asks the canvas for its strips.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich.color import Color
from rich.console import COLOR_SYSTEMS
from rich.style import Style
from textual.filter import ANSIToTruecolor

from acceltop.views.draw.line import Line, changes
from acceltop.views.theme import Palette

if TYPE_CHECKING:
    from textual.app import App

    from acceltop.views.widgets.canvas import Canvas


class _Look(NamedTuple):
    """Codes of SGR: weight, text and ground."""

    weight: str
    text: str
    ground: str


class Pen:
    """What is put down between `with` and its end goes out in one piece."""

    def __init__(self, app: App[None]) -> None:
        self._app = app
        self._depth = 0
        self._parts: list[str] = []
        self._at = (-1, -1)
        self._look: _Look | None = None  # None: not known
        self._looks: dict[Style, _Look] = {}

    def __enter__(self) -> Pen:
        self._depth += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._depth == 0 and self._parts:
            self._send()

    def reaches(self, canvas: Canvas) -> bool:
        """Whether what is put down for it shows: there is a terminal, and nothing lies over the canvas."""
        app = self._app
        driver, screen = app._driver, canvas.screen
        if driver is None or app.is_headless or app.is_inline or app._batch_count or app._notifications:
            return False
        plain = all(isinstance(each, ANSIToTruecolor) for each in app.get_line_filters())
        return plain and screen is app.screen and not screen._layout_required and canvas in screen._compositor.widgets

    def put(self, old: Line, new: Line, x: int, y: int, width: int, palette: Palette) -> None:
        """Turns `old` into `new`; both begin at column `x` of line `y` of the screen and have `width` cells."""
        for column, (text, token), cells in changes(old, new, width):
            self._move(x + column, y)
            self._turn(palette.style(token, new.back))
            self._parts.append(text)
            self._at = (x + column + cells, y)

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
        system = COLOR_SYSTEMS.get(self._app.console.color_system or "")
        return ";".join(colour.downgrade(system).get_ansi_codes(text)) if colour and system else ""

    def _send(self) -> None:
        driver = self._app._driver
        if driver is not None:
            driver.write("".join((*self._parts, "\x1b[0m")))
            driver.flush()
        self._parts.clear()
        self._at, self._look = (-1, -1), None
