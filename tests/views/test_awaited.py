"""What panes say while they have nothing to show."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.views.screens import Hands, Live, on_screen, press
from tests.views.session_frames import T0, gpu_session
from tests.views.test_facts import scene_of

from acceltop.profiler.clock import NS_PER_S
from acceltop.profiler.model import Frame, Hello, Note, ProcessFound, ProcessGone
from acceltop.views.app import AcceltopApp
from acceltop.views.facts.awaited import CALLS, KERNELS, STACKS, STEPS, Awaited, awaited

PID = 7
ATTACHED = Note(T0, "info", "agent.attached", "attached", source="agent", pid=PID)


def _told(what: Awaited, *frames: Frame) -> str:
    """Three seconds after the process was found."""
    scene = scene_of([Hello(T0, "vm"), ProcessFound(T0, PID, "python train.py"), ATTACHED, *frames])
    scene.clock_ns = lambda: T0 + 3 * NS_PER_S
    return awaited(scene, what)


def _note(code: str, source: str = "agent", pid: int | None = PID) -> Note:
    return Note(T0, "info", code, "the reason", source=source, pid=pid)


def test_it_waits_and_says_for_how_long() -> None:
    assert _told(KERNELS) == "waiting for the first kernels, 3 s so far"


def test_nothing_comes_of_a_process_that_nobody_attached() -> None:
    hello, found = Hello(T0, "vm"), ProcessFound(T0, PID, "python train.py")
    for frames in ((hello,), (hello, found)):
        assert awaited(scene_of(frames), STEPS) == "no steps yet: they come with a process that is attached (press a)"


def test_a_process_that_is_only_looked_at_is_called_not_attached() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        assert "train.py pid 7  not attached" in await press(app, pilot)
        late = (replace(_note("agent.gone"), time_ns=T0 + 2), replace(_note("source.back", pid=None), time_ns=T0 + 3))
        detached = replace(ATTACHED, time_ns=T0 + 1, code="agent.detached")
        for note, told in ((ATTACHED, False), (detached, True), *((note, True) for note in late)):
            app.scene.timeline.add(note)
            app.redraw()
            assert ("not attached" in await press(app, pilot)) == told

    on_screen(test, [Hello(T0, "vm"), ProcessFound(T0, PID, "python train.py")])


@pytest.mark.parametrize("code", ["agent.not_attached", "agent.no_framework", "agent.gone"])
def test_without_an_agent_in_the_process_only_stacks_are_to_come(code: str) -> None:
    for what in (KERNELS, CALLS, STEPS):
        assert _told(what, _note(code)) == f"no {what.name}: the reason"
        assert "waiting" in _told(what, _note(code, pid=PID + 1))
    assert "waiting" in _told(STACKS, _note(code))


def test_a_source_that_is_not_there_brings_nothing() -> None:
    assert _told(STACKS, _note("source.unavailable", "stacks", None)) == "no stacks: the reason"
    assert "waiting" in _told(KERNELS, _note("source.unavailable", "stacks", None))


def test_an_ended_process_brings_nothing() -> None:
    assert _told(STEPS, ProcessGone(T0 + NS_PER_S, PID, 1)).startswith("no steps: the process exited at ")


def test_a_range_without_any_is_told_from_none_at_all() -> None:
    scene = scene_of(gpu_session(5))
    assert awaited(scene, KERNELS) == "no kernels in this range"


def test_a_recording_that_is_being_read_says_so_in_every_pane() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        app.scene.link = Reading()
        app.redraw()
        assert (await press(app, pilot)).count("reading the recording, 40%") == 5

    on_screen(test, ())


class Reading(Live):
    busy = "reading the recording, 40%"


def test_a_filter_that_nothing_matches_is_the_reason() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        await press(app, pilot, "slash", *"qzqz", "enter")
        for key, noun in (("2", "kernel"), ("5", "line"), ("w", "finding")):
            assert f"no {noun} matches “qzqz”" in await press(app, pilot, key)

    on_screen(test, gpu_session(5))
