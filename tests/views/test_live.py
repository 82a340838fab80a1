"""The link of a live session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tests.waiting import wait_for

from acceltop.profiler.model import Hello, ProcessFound, ProcessGone
from acceltop.profiler.session import Session, Sink
from acceltop.profiler.source import SourceContext
from acceltop.profiler.trace.reader import TraceReader
from acceltop.views.feed import Feed
from acceltop.views.live import LiveLink


def test_a_recording_opens_with_those_who_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who have ended by then are forgotten: over days there are thousands of them."""
    monkeypatch.chdir(tmp_path)
    sessions: list[Session] = []

    def make(context: SourceContext, sinks: Sequence[Sink], ticks: Sequence[Callable[[], None]]) -> Session:
        sessions.append(Session({}, context, sinks, ticks))
        return sessions[-1]

    feed = Feed()
    link = LiveLink(SourceContext(), feed, make=make)
    link.start()
    for frame in (ProcessFound(1, 7, "python a.py"), ProcessFound(2, 8, "python b.py"), ProcessGone(3, 7)):
        sessions[0].put(frame)
    wait_for(lambda: len(feed.waiting()) == 4)
    link.record()
    (path,) = wait_for(lambda: list(tmp_path.glob("*.mcap")))
    link.close()
    with TraceReader(path) as reader:
        opening = list(reader.frames())
    assert isinstance(opening[0], Hello)
    assert opening[1:] == [ProcessFound(2, 8, "python b.py")]
