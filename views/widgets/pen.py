"""Writes the cells that changed to the terminal, past Textual's compositor, which sends lines with all their colours.

Its own picture stays true: whatever makes it paint, a resize or an opened palette, asks the canvas for its strips.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import COLOR_SYSTEMS
from textual.filter import ANSIToTruecolor

from acceltop.views.draw.ink import Ink
from acceltop.views.draw.line import Line
from acceltop.views.theme import Palette

if TYPE_CHECKING:
    from textual.app import App

    from acceltop.views.widgets.canvas import Canvas


class Pen:
    """What is put down between `with` and its end goes out in one piece."""

    def __init__(self, app: App[None]) -> None:
        self._app = app
        self._depth = 0
        self._ink = Ink(COLOR_SYSTEMS.get(app.console.color_system or ""))

    def __enter__(self) -> Pen:
        self._depth += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        driver = self._app._driver
        if self._depth == 0 and (written := self._ink.take()) and driver is not None:
            driver.write(written)
            driver.flush()

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
        self._ink.put(old, new, x, y, width, palette)
