"""Every binding of every screen can have another key, which then does what it says; help and palette tell it."""

from __future__ import annotations

import asyncio
import string
from collections.abc import Awaitable, Callable
from functools import partial

from tests.views.screens import Hands, Live, filled
from tests.views.session_frames import T0, TRAIN_PID, gpu_session
from textual.binding import Binding

from acceltop.profiler.clock import NS_PER_S
from acceltop.profiler.model import Sample
from acceltop.views.app import AcceltopApp
from acceltop.views.keys import binding_ids
from acceltop.views.link import Recorded
from acceltop.views.screens.help import HelpScreen, help_text
from acceltop.views.screens.page import FilterInput, Page
from acceltop.views.widgets.pane import Pane

# Keys that nothing has: alt+a … alt+9, and function keys that terminals hardly have.
_FREE = [f"alt+{key}" for key in string.ascii_letters + string.digits] + [f"f{key}" for key in range(10, 25)]
KEYS = dict(zip(sorted(binding_ids()), _FREE, strict=False))
# What leads to each place, from the first screen on.
PLACES = (
    ("screen.overview",),
    ("screen.kernels",),
    ("screen.kernels", "row.open"),
    ("screen.steps",),
    ("screen.devices",),
    ("screen.stacks",),
    ("screen.timeline",),
    ("screen.findings",),
    ("screen.processes",),
    ("screen.overview", "filter"),
    ("screen.overview", "help"),
)
RECORDED_PLACES = PLACES[:1]  # there the keys of a recording are new
ENDS = {"quit", "filter.quit", "suspend"}  # these would end the test: tests of their own press them
USER = Sample(T0 + 5 * NS_PER_S, "nvml", {"process.gpu.memory.usage": 4e9}, "nvidia:GPU-0", TRAIN_PID)


class Watched(AcceltopApp):
    """Notes what keys lead to."""

    def __init__(self, link: Recorded) -> None:
        super().__init__(filled([*gpu_session(6, gpus=1), USER]), link, keymap=KEYS)
        self.acted: list[object] = []

    async def run_action(self, action, *where, **named):  # type: ignore[no-untyped-def]
        self.acted.append(action)
        return await super().run_action(action, *where, **named)

    def offered(self) -> dict[str, Binding]:
        """By id."""
        active = [active.binding for active in self.screen.active_bindings.values()]
        return {binding.id: binding for binding in active if binding.id}


async def _go(app: Watched, pilot: Hands, place: tuple[str, ...], at: int = 0) -> int:
    """To a pane of a place; says how many panes there are."""
    while len(app.screen_stack) > 1:
        app.pop_screen()
    if isinstance(app.focused, FilterInput):
        await pilot.press(KEYS["filter.clear"])
    for id in place:
        await pilot.press(KEYS[id])
        await pilot.pause()
        if isinstance(app.screen, Page) and id != "filter":
            app.screen.focus_main()
    panes = [pane for pane in app.screen.query(Pane) if pane.focusable]
    if at:
        panes[at].focus()
        await pilot.pause()
    return 1 if "filter" in place else max(len(panes), 1)


async def _press_all(app: Watched, pilot: Hands, new: set[str], back: Callable[[], Awaitable[int]]) -> None:
    """The keys of these bindings; some lead elsewhere."""
    here, offered = (app.screen, app.focused), app.offered()
    for id in sorted(new):
        await pilot.press(KEYS[id])
        assert app.acted[-1] == offered[id].action, id
        if (app.screen, app.focused) != here:
            await back()


def _look_up(app: Watched) -> None:
    """Help and palette have each binding once, with its key."""
    lines = str(help_text(app.screen)).splitlines()
    commands = [(command.title, command.help) for command in app.get_system_commands(app.screen)]
    for binding in app.offered().values():
        key = app.get_key_display(binding)
        assert commands.count((binding.description, f"key {key}")) == 1
        assert [line.endswith(f" {binding.description}") for line in lines if key in line.split()] == [True]


def test_each_binding_can_have_another_key_which_does_what_help_and_palette_say() -> None:
    async def run() -> set[str]:
        done = set(ENDS)
        for link, places in ((Live(), PLACES), (Recorded(), RECORDED_PLACES)):
            app = Watched(link)
            async with app.run_test(size=(110, 40)) as pilot:
                for place in places:
                    done |= await _go_round(app, pilot, place, done)
        return done

    assert asyncio.run(run()) == binding_ids()


async def _go_round(app: Watched, pilot: Hands, place: tuple[str, ...], done: set[str]) -> set[str]:
    """Through the panes of a place; what was new there."""
    found: set[str] = set()
    at, panes = 0, 1
    while at < panes:
        panes = await _go(app, pilot, place, at)
        if not isinstance(app.screen, HelpScreen):
            _look_up(app)
        new = app.offered().keys() - done - found
        await _press_all(app, pilot, new, partial(_go, app, pilot, place, at))
        found |= new
        at += 1
    return found
