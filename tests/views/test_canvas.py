"""Only what changed goes to the terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from textual.app import App, ComposeResult
from textual.geometry import Region

from acceltop.views.draw.line import Line, Row, Span
from acceltop.views.theme import PALETTES, Palette
from acceltop.views.widgets.canvas import Canvas


class Board(Canvas):
    def __init__(self) -> None:
        super().__init__()
        self.shown = ["one", "two", "three"]
        self.colours = PALETTES["dark"]

    def palette(self) -> Palette:
        return self.colours

    def draw(self, width: int, height: int) -> Sequence[Line]:
        return [Row().put("name ", "dim").put(text, "sm").line() for text in self.shown]


class Shell(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.board = Board()

    def compose(self) -> ComposeResult:
        yield self.board


async def _repainted(board: Board) -> set[Region]:
    """What a redraw asks Textual to send."""
    board._exchange_repaint_regions()
    board.redraw()
    return set(board._exchange_repaint_regions())


def test_the_same_picture_sends_nothing() -> None:
    async def run() -> None:
        app = Shell()
        async with app.run_test(size=(30, 6)) as pilot:
            await pilot.pause()
            assert await _repainted(app.board) == set()

    asyncio.run(run())


def test_a_changed_cell_sends_its_cells_alone() -> None:
    async def run() -> None:
        app = Shell()
        async with app.run_test(size=(30, 6)) as pilot:
            await pilot.pause()
            app.board.shown = ["one", "2wo", "three"]
            assert await _repainted(app.board) == {Region(5, 1, 3, 1)}

    asyncio.run(run())


def test_a_shorter_picture_leaves_blanks_and_other_sizes_redraw() -> None:
    async def run() -> None:
        app = Shell()
        async with app.run_test(size=(30, 6)) as pilot:
            await pilot.pause()
            app.board.shown = ["one"]
            app.board.redraw()
            assert app.board.text == "name one" + "\n" * 5
            await pilot.resize_terminal(12, 3)
            await pilot.pause()
            lines = app.board.render_lines(Region(0, 0, 12, 3))
            assert [line.cell_length for line in lines] == [12, 12, 12]
            assert [line.text for line in app.board.render_lines(Region(5, 0, 3, 1))] == ["one"]

    asyncio.run(run())


def test_other_colours_redraw_all() -> None:
    async def run() -> None:
        app = Shell()
        async with app.run_test(size=(30, 6)) as pilot:
            await pilot.pause()
            app.board.colours = PALETTES["light"]
            app.board.redraw()
            segment = list(app.board.render_lines(Region(0, 0, 30, 6))[0])[0]
            assert segment.style == PALETTES["light"].style("dim")

    asyncio.run(run())


def test_a_wide_character_at_the_edge_keeps_the_width() -> None:
    class Wide(Board):
        def draw(self, width: int, height: int) -> Sequence[Line]:
            return [Line((Span("漢" * 20),))]

    async def run() -> None:
        app = Shell()
        app.board = Wide()
        async with app.run_test(size=(31, 3)) as pilot:
            await pilot.pause()
            assert [line.cell_length for line in app.board.render_lines(Region(0, 0, 31, 3))] == [31, 31, 31]

    asyncio.run(run())
