"""The link of a live session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.waiting import wait_for

from acceltop.profiler.model import Hello, ProcessFound, ProcessGone
from acceltop.profiler.session import Session, Sink
from acceltop.profiler.source import SourceContext
from acceltop.profiler.timeline import Timeline
from acceltop.profiler.trace.reader import TraceReader
from acceltop.views.app import AcceltopApp
from acceltop.views.feed import Feed
from acceltop.views.live import LiveLink


@contextmanager
def live(feed: Feed) -> Iterator[tuple[LiveLink, Session]]:
    """A link and its session, that no source is in."""
    sessions: list[Session] = []

    def make(context: SourceContext, sinks: Sequence[Sink], ticks: Sequence[Callable[[], None]]) -> Session:
        sessions.append(Session({}, context, sinks, ticks))
        return sessions[-1]

    link = LiveLink(SourceContext(), feed, make=make)
    link.start()
    try:
        yield link, sessions[0]
    finally:
        link.close()


def test_a_recording_opens_with_those_who_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who have ended by then are forgotten: over days there are thousands of them."""
    monkeypatch.chdir(tmp_path)
    feed = Feed()
    with live(feed) as (link, session):
        for frame in (ProcessFound(1, 7, "python a.py"), ProcessFound(2, 8, "python b.py"), ProcessGone(3, 7)):
            session.put(frame)
        wait_for(lambda: len(feed.waiting()) == 4)
        link.record(lambda *_: None)
        (path,) = wait_for(lambda: list(tmp_path.glob("*.mcap")))
    with TraceReader(path) as reader:
        opening = list(reader.frames())
    assert isinstance(opening[0], Hello)
    assert opening[1:] == [ProcessFound(2, 8, "python b.py")]


def test_stacks_are_looked_at_on_their_screen_while_the_picture_moves() -> None:
    def looked_at(*keys: str) -> bool:
        async def run(app: AcceltopApp, session: Session) -> bool:
            async with app.run_test(size=(120, 36)) as pilot:
                await pilot.press(*keys)
                app.redraw()
                assert session.context.stacks_seen is not None
                return session.context.stacks_seen.is_set()

        feed = Feed()
        with live(feed) as (link, session):
            return asyncio.run(run(AcceltopApp(Timeline(), link, feed), session))

    assert not looked_at("2")
    assert looked_at("5")
    assert not looked_at("5", "space")
    assert not looked_at("5", "6")


def test_the_file_is_named_when_a_recording_begins_and_when_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = toasts("r", "r")
    (path,) = tmp_path.glob("*.mcap")
    assert told == [f"recording to {path.name}", f"recorded to {path.name}"]


def test_of_one_that_cannot_be_written_the_reason_alone_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    (told,) = toasts("r")
    assert "can't be written, there is no such folder" in told


def toasts(*keys: str) -> list[str]:
    """What is told on the screens, one after each key."""

    async def run(app: AcceltopApp, session: Session) -> None:
        async with app.run_test(size=(120, 36)) as pilot:
            for at, key in enumerate(keys, 1):
                await pilot.press(key)
                session.put(Hello(at, "a"))
                while len(app._notifications) < at:
                    await pilot.pause(0.02)
            told.extend(toast.message for toast in app._notifications)

    feed, told = Feed(), list[str]()
    with live(feed) as (link, session):
        asyncio.run(run(AcceltopApp(Timeline(), link, feed, theme="dark"), session))
    return told
