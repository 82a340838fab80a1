"""Writes the cells that changed to the terminal, past Textual's compositor, which sends lines with all their colours.

Its own picture stays true: whatever makes it paint, a resize or an opened palette, asks the canvas for its strips.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import COLOR_SYSTEMS
from textual.filter import ANSIToTruecolor

from acceltop.views.draw.ink import Ink
from acceltop.views.draw.line import Line
from acceltop.views.terminal import Plain
from acceltop.views.theme import Palette

if TYPE_CHECKING:
    from textual.app import App

    from acceltop.views.widgets.canvas import Canvas


class Pen:
    """What is put down between `with` and its end goes out in one piece."""

    def __init__(self, app: App[None]) -> None:
        self._app = app
        self._depth = 0
        self._is_plain = False
        self._ink = Ink(COLOR_SYSTEMS.get(app.console.color_system or ""))

    def __enter__(self) -> Pen:
        if not self._depth:
            self._is_plain = self._sees_plain()
        self._depth += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        driver = self._app._driver
        if self._depth == 0 and (written := self._ink.take()) and driver is not None:
            driver.write(written)
            driver.flush()

    def reaches(self, canvas: Canvas) -> bool:
        """Whether what is put down for it now shows: there is a terminal, and nothing lies over the canvas."""
        if not self._is_plain:
            return False
        screen = canvas.screen
        return screen is self._app.screen and not screen._layout_required and canvas in screen._compositor.widgets

    def _sees_plain(self) -> bool:
        """A terminal that shows what it is given, and nothing that Textual lays over all."""
        app = self._app
        if app._driver is None or app.is_headless or app.is_inline or app._batch_count or app._notifications:
            return False
        return all(isinstance(each, (ANSIToTruecolor, Plain)) for each in app.get_line_filters())

    def put(self, old: Line, new: Line, x: int, y: int, width: int, palette: Palette) -> None:
        """Turns `old` into `new`; both begin at column `x` of line `y` of the screen and have `width` cells."""
        self._ink.put(old, new, x, y, width, palette)
