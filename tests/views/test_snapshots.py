"""Pictures of every screen as text. `ACCELTOP_WRITE_SNAPSHOTS=1 pytest …` writes them anew: look at the difference."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from functools import cache
from itertools import combinations
from pathlib import Path

import pytest
from tests.views.screens import Size, filled, press, shown, text_of, utc
from tests.views.session_frames import cpu_session, gpu_session
from textual.geometry import Region

from acceltop.profiler.model import Frame
from acceltop.profiler.timeline import Timeline
from acceltop.views.app import AcceltopApp
from acceltop.views.screens.page import Page

HERE = Path(__file__).parent / "snapshots"
SIZES: dict[str, Size] = {"80x24": (80, 24), "120x36": (120, 36), "160x48": (160, 48)}
SESSIONS: dict[str, Callable[[], Iterator[Frame]]] = {"gpu": gpu_session, "cpu": cpu_session}
SCREENS = {
    "overview": "",
    "kernels": "2",
    "kernel": "2 down down enter",
    "steps": "3",
    "devices": "4",
    "stacks": "5 down down",
    "timeline": "6 right right plus",
    "findings": "w",
    "processes": "a",
}


@cache
def _timeline(session: str) -> Timeline:
    """Screens only look at it."""
    return filled(SESSIONS[session]())


async def _picture(session: str, size: Size, keys: str, glyphs: str = "braille", theme: str = "dark") -> str:
    async with shown(_timeline(session), size, theme=theme, glyphs=glyphs) as (app, pilot):
        return await press(app, pilot, *keys.split())


def _same(name: str, picture: str) -> None:
    path = HERE / f"{name}.txt"
    if os.environ.get("ACCELTOP_WRITE_SNAPSHOTS"):
        path.write_text(picture, encoding="utf-8")
    assert picture == path.read_text(encoding="utf-8"), f"{path.name} differs from what is drawn"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("session", SESSIONS)
def test_screen_looks_as_before(session: str, screen: str, size: str) -> None:
    with utc():
        picture = asyncio.run(_picture(session, SIZES[size], SCREENS[screen]))
    _same(f"{session}-{screen}-{size}", picture)


@pytest.mark.parametrize("glyphs", ["block", "ascii"])
def test_terminals_without_braille(glyphs: str) -> None:
    with utc():
        picture = asyncio.run(_picture("gpu", (160, 48), "", glyphs))
    braille = [char for char in picture if "\u2800" <= char <= "\u28ff"]
    assert not braille
    assert glyphs != "ascii" or picture.isascii()
    _same(f"gpu-overview-160x48-{glyphs}", picture)


@pytest.mark.parametrize("theme", ["light", "high-contrast"])
def test_themes_differ_in_colour_alone(theme: str) -> None:
    with utc():
        dark = asyncio.run(_picture("gpu", (160, 48), ""))
        other = asyncio.run(_picture("gpu", (160, 48), "", theme=theme))
    assert dark == other


def test_no_colour_tells_phases_by_shade() -> None:
    with utc():
        picture = asyncio.run(_picture("gpu", (160, 48), "", theme="no-color"))
    _same("gpu-overview-160x48-no-color", picture)
    assert "▓data ▒fwd █bwd" in picture


@pytest.mark.parametrize("size", [(59, 20), (100, 15), (20, 5)])
def test_too_small_says_so_in_one_line(size: Size) -> None:
    with utc():
        lines = asyncio.run(_picture("gpu", size, "")).splitlines()
    told = [line for line in lines if line.strip()]
    assert len(told) == 1
    assert told[0].startswith(" acceltop needs")


def test_the_narrowest_terminal_shows_kernels_whom_one_can_attach_to_and_lines_but_no_part_of_a_number() -> None:
    async def run() -> None:
        async with shown(_timeline("gpu"), (60, 16)) as (app, pilot):
            title, *lines = (await press(app, pilot)).splitlines()
            assert "train.py 41233  " in title and "…" not in title
            assert any("█ 18.4 " in line for line in lines)
            assert "● yes" in await press(app, pilot, "a")
            assert "graph.py:841" in await press(app, pilot, "escape", "5")

    asyncio.run(run())


@pytest.mark.parametrize("screen", SCREENS)
def test_every_size_is_drawn_within_its_width_and_no_two_own_the_same_cells(screen: str) -> None:
    """A pane writes its changed cells past Textual: what lies over it, such as the filter, would be written over."""

    async def run() -> None:
        async with shown(_timeline("gpu"), (250, 70)) as (app, pilot):
            await press(app, pilot, *SCREENS[screen].split())
            assert isinstance(app.screen, Page)
            for size in [(60, 16), (80, 24), (100, 30), (139, 43), (200, 60), (30, 8), (250, 70)]:
                await pilot.resize_terminal(*size)
                await pilot.pause()
                lines = text_of(app).splitlines()
                assert len(lines) == size[1]
                assert max(map(len, lines)) <= size[0]
                assert " acceltop" in lines[0]
                assert not _owned_twice(app)
                if app.screen.filterable:
                    app.screen.begin_filter()
                    await pilot.pause()
                    assert not _owned_twice(app)
                    app.screen.action_end_filter(True)

    asyncio.run(run())


def _owned_twice(app: AcceltopApp) -> list[tuple[Region, Region]]:
    """Cells of widgets that reach out of what holds them, or into each other."""
    placed = [place for widget, place in app.screen._compositor.visible_widgets.items() if not widget.children]
    outside = [(region, clip) for region, clip in placed if not clip.contains_region(region)]
    regions = [region for region, _ in placed]
    return outside + [(one, other) for one, other in combinations(regions, 2) if one.overlaps(other)]
