"""A replay is the recording again: at its pace, faster, from elsewhere, and while it is still being written."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import numpy as np
import pytest
from tests.profiler.trace.recording import GPU, PID, T0, S, recording, write
from tests.waiting import wait_for

from acceltop.profiler.model import Frame
from acceltop.profiler.timeline import Key, Timeline
from acceltop.profiler.trace.reader import TraceReader
from acceltop.profiler.trace.replay import Replay, ReplaySource
from acceltop.profiler.trace.writer import TraceWriter


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[TraceReader]:
    with TraceReader(write(tmp_path / "a.mcap", recording(30))) as opened:
        yield opened


class Listener:
    """Takes the frames of a source on a thread."""

    def __init__(self, source: ReplaySource) -> None:
        self.frames: list[Frame] = []
        self._thread = threading.Thread(target=self._take, args=(source,), daemon=True)
        self._thread.start()

    def _take(self, source: ReplaySource) -> None:
        for frame in source:
            self.frames.append(frame)

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()


@pytest.mark.parametrize("speed", [0, float("inf")])
def test_as_fast_as_it_goes(reader: TraceReader, speed: float) -> None:
    begin = monotonic()
    assert list(ReplaySource(reader, speed)) == recording(30)
    assert monotonic() - begin < 10


def test_at_its_pace(reader: TraceReader) -> None:
    begin = monotonic()
    assert list(ReplaySource(reader, 60)) == recording(30)
    assert 0.45 < monotonic() - begin < 10


def test_pause_speed_and_stop(reader: TraceReader) -> None:
    source = ReplaySource(reader, 0.001)
    listener = Listener(source)
    wait_for(lambda: listener.frames)
    source.pause()
    source.set_speed(0)
    before = len(listener.frames)
    assert before < 20 and not listener.ended
    source.pause(False)
    wait_for(lambda: listener.ended)
    assert listener.frames == recording(30)
    again = ReplaySource(reader, 0.001)
    listener = Listener(again)
    wait_for(lambda: listener.frames)
    again.stop()
    wait_for(lambda: listener.ended)


def test_seek(reader: TraceReader) -> None:
    source = ReplaySource(reader, 0.001)
    listener = Listener(source)
    wait_for(lambda: listener.frames)
    first = len(listener.frames)
    source.seek(T0 + 25 * S)
    source.set_speed(0)
    wait_for(lambda: listener.ended)
    rest = [frame for frame in recording(30) if frame.time_ns >= T0 + 25 * S]
    assert listener.frames[-len(rest) :] == rest
    assert len(listener.frames) <= first + len(rest) + 5


def test_follow_a_file_that_grows(tmp_path: Path) -> None:
    told = recording(10)
    writer = TraceWriter(tmp_path / "a.mcap")
    for frame in told[:20]:
        writer.write(frame)
    writer.flush()
    with TraceReader(tmp_path / "a.mcap") as reader:
        listener = Listener(ReplaySource(reader, 0, follow=True))
        wait_for(lambda: len(listener.frames) == 20)
        for frame in told[20:]:
            writer.write(frame)
        writer.close()
        wait_for(lambda: listener.ended)
        assert listener.frames == told


def test_that_a_trace_is_not_closed_is_no_news_where_it_grows(tmp_path: Path) -> None:
    writer = TraceWriter(tmp_path / "a.mcap")
    for frame in recording(5):
        writer.write(frame)
    writer.flush()
    for growing in (False, True):
        with TraceReader(tmp_path / "a.mcap") as reader:
            told = {note.code for note in Replay(reader, growing=growing).timeline.notes()}
        assert ("trace.cut" in told) != growing
    writer.close()


def test_a_replay_shows_what_was_live(reader: TraceReader) -> None:
    live = Timeline()
    live.add_all(recording(30))
    replay = Replay(reader)
    seen = replay.timeline
    assert list(seen.devices) == list(live.devices) and list(seen.processes) == list(live.processes)
    assert seen.notes() == live.notes() and seen.span == live.span
    replay.show(T0 + 5 * S, T0 + 15 * S)
    for key in list(live.keys()):
        ours, theirs = (t.series(key, T0 + 5 * S, T0 + 15 * S, 20) for t in (seen, live))
        assert np.array_equal(ours.mean, theirs.mean, equal_nan=True), key
    assert seen.windows(PID, T0 + 5 * S, T0 + 15 * S) == live.windows(PID, T0 + 5 * S, T0 + 15 * S)
    assert (
        seen.steps(PID, T0 + 5 * S, T0 + 15 * S).index.tolist()
        == live.steps(PID, T0 + 5 * S, T0 + 15 * S).index.tolist()
    )


def test_a_range_that_begins_before_the_recording_is_shown_in_detail_too(reader: TraceReader) -> None:
    replay = Replay(reader)
    replay.show(T0 - 30 * S, T0 + 30 * S, around=0)
    replay.show(T0 - 200 * S, T0 + 30 * S)
    windows = replay.timeline.windows(PID, T0 - 200 * S, T0 + 30 * S)
    assert len(windows) == 15 and all(window.slices for window in windows)


def test_a_long_range_is_shown_by_its_levels(tmp_path: Path) -> None:
    told = recording(3000)
    with TraceReader(write(tmp_path / "a.mcap", told)) as reader:
        replay = Replay(reader)
        replay.show(T0, T0 + 3000 * S)
        band = replay.timeline.series(Key("hw.power", GPU), T0, T0 + 3000 * S, 300)
        assert np.array_equal(band.high, np.arange(309.0, 3309.0, 10))
        assert not np.isnan(replay.timeline.step_bands(PID, T0, T0 + 3000 * S, 300)[""].mean).any()
        total = sum(r.calls for w in replay.timeline.windows(PID, 0, 2**62) for r in w.rows if r.name == "gemm")
        assert total == 1500 * 40


def test_an_unclosed_trace_is_read_once_with_progress(tmp_path: Path) -> None:
    told = recording(30)
    progress: list[float] = []
    with TraceReader(write(tmp_path / "a.mcap", told, close=False)) as reader:
        replay = Replay(reader, progress.append)
        assert progress == sorted(progress) and progress[-1] == 1.0
        assert replay.t1_ns == T0 + 30 * S
        assert [note.code for note in replay.timeline.notes()] == ["test.begin", "trace.cut"]
        assert replay.timeline.span == (replay.t0_ns, replay.t1_ns)  # a note on the file is of no moment


def test_a_range_that_nobody_looks_at_any_more_is_given_up(reader: TraceReader) -> None:
    replay = Replay(reader)
    replay.show(T0 + 5 * S, T0 + 10 * S)
    before = replay.timeline.steps(PID, T0 + 5 * S, T0 + 10 * S).index.tolist()
    looks = iter([False, False])
    replay.show(T0 + 20 * S, T0 + 25 * S, lambda: next(looks, True))
    assert replay.timeline.steps(PID, T0 + 5 * S, T0 + 10 * S).index.tolist() == before
    replay.show(T0 + 20 * S, T0 + 25 * S)
    assert len(replay.timeline.steps(PID, T0 + 20 * S, T0 + 25 * S).index)
