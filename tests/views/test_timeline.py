"""The timeline: rows that fill their room, the calls in sight by name, and the hands on both."""

from __future__ import annotations

import pytest
from tests.views.screens import Hands, on_screen, press, text_of
from tests.views.session_frames import DEMO_PID, T0, cpu_session
from tests.views.test_facts import scene_of
from textual import events

from acceltop.profiler.clock import NS_PER_S
from acceltop.profiler.model import KernelWindow, ProcessFound, Slices
from acceltop.views.app import AcceltopApp
from acceltop.views.facts.slices import SliceView, callers, calls_within, longest, slice_view
from acceltop.views.widgets.calls import CallsPane
from acceltop.views.widgets.slices import SlicesPane

# Name, lane, start and duration in ms.
CALLS = (
    ("linear", 0, 0, 50), ("addmm", 0, 0, 40), ("mm", 0, 5, 10), ("mm", 0, 20, 10), ("linear", 0, 60, 20),
    ("gemm", 1, 10, 30), ("norm", 1, 35, 30),
)  # fmt: skip
MS = 1_000_000


def _window() -> KernelWindow:
    names = tuple(dict.fromkeys(name for name, *_ in CALLS))
    name, lane, start, duration = zip(*((names.index(n), *numbers) for n, *numbers in CALLS), strict=True)
    start, duration = (tuple(ms * MS for ms in column) for column in (start, duration))
    slices = Slices(names, ("MainThread", "stream 7"), name, lane, start, duration)
    return KernelWindow(T0, T0 + NS_PER_S, DEMO_PID, "torch", (), NS_PER_S, slices=slices)


def _view() -> SliceView:
    view = slice_view(scene_of([]), _window())
    assert view is not None
    return view


def _told(t0: int, t1: int) -> dict[str, tuple[int, int, int]]:
    facts = calls_within(scene_of([]), _view(), t0 * MS, t1 * MS)
    assert [fact.own_ns for fact in facts] == sorted((fact.own_ns for fact in facts), reverse=True)
    return {fact.name: (fact.calls, fact.own_ns // MS, fact.total_ns // MS) for fact in facts}


def test_a_call_has_the_time_that_it_takes_itself_and_that_with_its_calls() -> None:
    assert _told(0, 80) == {
        **{"linear": (2, 30, 70), "addmm": (1, 20, 40), "mm": (2, 20, 20)},
        **{"gemm": (1, 30, 30), "norm": (1, 30, 30)},  # they overlap: neither is called by the other
    }


def test_only_what_is_in_sight_counts() -> None:
    assert _told(25, 45) == {
        **{"linear": (1, 5, 20), "addmm": (1, 10, 15), "mm": (1, 5, 5), "gemm": (1, 15, 15), "norm": (1, 10, 10)},
    }


def test_the_longest_call_and_who_calls_it() -> None:
    view = _view()
    lane, call = longest(view, "mm", 12 * MS, 80 * MS)
    assert view.lanes[lane].start[call] == 20 * MS
    outer = [view.names[view.lanes[at].name[index]] for at, index in callers(view, lane, call)]
    assert outer == ["addmm", "linear"]
    assert callers(view, *longest(view, "norm", 0, 80 * MS)) == []


SESSION = [*(frame for frame in cpu_session(4) if not isinstance(frame, KernelWindow)), _window()]


def test_few_rows_are_taller_and_the_mouse_finds_them() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        lines = (await press(app, pilot, "6")).splitlines()
        pane = app.screen.query_one(SlicesPane)
        row = next(at for at, line in enumerate(lines) if " addmm" in line)
        for line in (row - 1, row, row + 1):
            await pilot.click(offset=(20, line))
            assert (pane.lane, pane.call) == (1, 0)
        assert " addmm ← linear" in text_of(app)

    on_screen(test, SESSION, (120, 40))


def test_the_wheel_zooms_and_what_is_under_the_mouse_stays_there() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        await press(app, pilot, "6")
        pane = app.screen.query_one(SlicesPane)
        shown = pane.shown()
        assert shown is not None
        at = pane._time(shown, 80)
        for _ in range(3):
            await pilot._post_mouse_events([events.MouseScrollUp], SlicesPane, (80, 6), button=0)
        near = pane.span(shown)
        assert near[1] - near[0] == pytest.approx((shown.end_ns - shown.start_ns) * 0.8**3, rel=0.01)
        assert pane._time(shown, 80) == pytest.approx(at, abs=(near[1] - near[0]) / 50)

    on_screen(test, SESSION, (120, 40))


def test_enter_in_the_table_chooses_the_longest_call() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        await press(app, pilot, "6", "tab", "slash", *"gemm", "enter")
        table, pane = app.screen.query_one(CallsPane), app.screen.query_one(SlicesPane)
        assert app.focused is table
        assert [fact.name for fact in table.items()] == ["gemm"]
        await press(app, pilot, "enter")
        assert (pane.lane, pane.call) == (3, 0)
        await press(app, pilot, "escape")
        assert {fact.name for fact in table._shown[:3]} == {"linear", "gemm", "norm"}
        await press(app, pilot, "plus")
        assert pane.view is not None and app.focused is table
        assert [fact.name for fact in table._shown][:2] == ["gemm", "mm"]

    on_screen(test, SESSION, (120, 40))


def test_a_filter_leaves_only_its_matches_their_colour() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        await press(app, pilot, "6", "slash", *"norm", "enter")
        spans = [span for line in app.screen.query_one(SlicesPane)._lines for span in line.spans]
        bars = {span.text.strip(): span.token for span in spans if "@" in span.token and span.text.strip()}
        assert bars["addmm"] == "base@faint"
        assert bars["norm"].startswith("base@phase")

    on_screen(test, SESSION, (120, 40))


def test_a_window_without_single_calls_says_so_once() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        assert (await press(app, pilot, "6")).count("single calls") == 1

    on_screen(test, [ProcessFound(T0, DEMO_PID, "python train.py"), *SESSION[:1]], (120, 40))
