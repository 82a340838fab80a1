"""The real app over a made session, without a terminal: what its cells hold, and keys to press."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeAlias

from textual.pilot import Pilot

from acceltop.profiler.model import Frame
from acceltop.profiler.timeline import Timeline
from acceltop.views.app import AcceltopApp
from acceltop.views.link import Recorded

Size: TypeAlias = tuple[int, int]
Hands: TypeAlias = Pilot[None]


class Live(Recorded):
    """A link that nothing comes from, so that the screens show what they would show live."""

    recorded = False
    can_steer = True


@contextmanager
def utc() -> Iterator[None]:
    """Times of day are those of one zone, wherever the test runs."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()


def filled(frames: Iterable[Frame]) -> Timeline:
    timeline = Timeline()
    timeline.add_all(frames)
    return timeline


@asynccontextmanager
async def shown(
    frames: Iterable[Frame] | Timeline,
    size: Size = (120, 36),
    recorded: bool = False,
    theme: str = "dark",
    glyphs: str = "braille",
) -> AsyncIterator[tuple[AcceltopApp, Hands]]:
    """The app with these frames, its clocks standing at their end."""
    timeline = frames if isinstance(frames, Timeline) else filled(frames)
    app = AcceltopApp(timeline, Recorded() if recorded else Live(), theme=theme, glyphs=glyphs)
    span = timeline.span
    app.scene.clock_ns = lambda: span[1] if span else 0
    app.scene.clock_s = lambda: 1000.0
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        yield app, pilot


def text_of(app: AcceltopApp) -> str:
    """What the terminal would show, without colours and trailing blanks."""
    strips = app.screen._compositor.render_strips()
    return "\n".join(strip.text.rstrip() for strip in strips) + "\n"


def on_screen(
    test: Callable[[AcceltopApp, Hands], Awaitable[None]],
    frames: Iterable[Frame],
    size: Size = (120, 36),
    recorded: bool = False,
) -> None:
    """Runs `test` with the app."""

    async def run() -> None:
        async with shown(frames, size, recorded) as (app, pilot):
            await test(app, pilot)

    asyncio.run(run())


async def press(app: AcceltopApp, pilot: Hands, *keys: str) -> str:
    """Presses keys one after another; what is shown after them."""
    for key in keys:
        await pilot.press(key)
        await pilot.pause()
    return text_of(app)
