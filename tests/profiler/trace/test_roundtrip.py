"""A frame recorded is a frame replayed, in order; other tools can open the file; it is whole when it was closed."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import tempfile
import textwrap
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader
from mcap.stream_reader import StreamReader
from tests.profiler.strategies import frames
from tests.profiler.trace.recording import GPU, PID, T0, S, recording, write, write_lines

from acceltop.profiler import codec
from acceltop.profiler.errors import AcceltopError
from acceltop.profiler.model import FRAMES, Frame, Hello, Note, Sample
from acceltop.profiler.timeline import Key, Timeline
from acceltop.profiler.trace.decode import _cleaned
from acceltop.profiler.trace.reader import TraceReader
from acceltop.profiler.trace.writer import TraceWriter

hello = Hello(T0, "node-1")


@settings(max_examples=30, deadline=None)
@given(st.lists(frames(), max_size=5))
def test_recorded_is_replayed(some: list[Frame]) -> None:
    told = [hello, *(frame for frame in some if not isinstance(frame, Hello))]
    with tempfile.TemporaryDirectory() as folder:
        for path in (write(Path(folder) / "a.mcap", told), write_lines(Path(folder) / "a.jsonl", told)):
            with TraceReader(path) as reader:
                assert list(reader.frames()) == [_cleaned(frame) for frame in told]
                assert not reader.problems


def test_every_kind_is_in_the_recording() -> None:
    assert {type(frame) for frame in recording(2)} == set(FRAMES)


def test_a_closed_trace_opens_from_its_index(tmp_path: Path) -> None:
    told = recording()
    with TraceReader(write(tmp_path / "a.mcap", told)) as reader:
        summary = reader.summary
        assert summary.whole and summary.hosts == ("node-1",)
        assert (summary.t0_ns, summary.t1_ns) == (T0, T0 + 20 * S)
        assert sum(summary.counts.values()) == len(told)
        assert list(reader.frames()) == told
        assert reader.problems == []


def test_a_range_is_read_without_the_rest(tmp_path: Path) -> None:
    told = recording(60)
    with TraceReader(write(tmp_path / "a.mcap", told)) as reader:
        read = list(reader.frames(T0 + 30 * S, T0 + 32 * S))
        assert read == [frame for frame in told if T0 + 30 * S <= frame.time_ns <= T0 + 32 * S]
        assert list(reader.frames(T0 + 10**6 * S)) == []


def test_the_mcap_library_reads_it(tmp_path: Path) -> None:
    told = recording()
    path = write(tmp_path / "a.mcap", told)
    with path.open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        assert reader.get_header().profile == "acceltop"
        read = [
            codec.from_dict(json.loads(message.data)) for _, _, message in reader.iter_messages(log_time_order=False)
        ]
        summary = reader.get_summary()
        assert read == told
        assert summary is not None and summary.statistics is not None
        assert summary.statistics.message_count == len(told)
        assert {schema.name for schema in summary.schemas.values()} == {kind.__name__ for kind in FRAMES}
        attached = [attachment.name for attachment in reader.iter_attachments()]
        assert attached == ["acceltop.levels", "acceltop.overview"]
    with path.open("rb") as file:
        assert sum(1 for _ in StreamReader(file, validate_crcs=True).records) > len(told)


def test_schemas_name_the_fields_that_are_written(tmp_path: Path) -> None:
    with write(tmp_path / "a.mcap", recording(2)).open("rb") as file:
        for schema, _, message in make_reader(file).iter_messages():
            assert schema is not None
            described = json.loads(schema.data)
            written = json.loads(message.data)
            assert set(written) <= set(described["properties"])
            assert set(described["required"]) <= set(written)


def test_the_overview_is_the_recording_in_short(tmp_path: Path) -> None:
    told = recording(120)
    with TraceReader(write(tmp_path / "a.mcap", told)) as reader:
        timeline = Timeline()
        reader.overview().fill(timeline)
        windows = timeline.windows(PID, T0, T0 + 120 * S)
        assert len(windows) == 2  # of 5 minutes, by the clock
        gemm = [row for window in windows for row in window.rows if row.name == "gemm"]
        assert sum(row.calls for row in gemm) == 60 * 40
        assert sum(row.total_ns for row in gemm) == 60 * 4_000_000
        assert timeline.devices[GPU].lost is not None and timeline.processes[PID].gone is not None
        power = timeline.series(Key("hw.power", GPU), T0 - 200 * S, T0 + 99 * S, 1)
        assert (power.low[0], power.high[0]) == (300.0, 399.0)
        assert [note.code for note in timeline.notes()] == ["test.begin"]
        fine = [level for level in reader.levels(T0, T0 + 120 * S) if level.metric == "hw.power"]
        assert [calls for level in fine for calls in level.calls] == [10] * 12
        assert fine[0].high[0] == 309.0


def test_hours_of_levels_are_attached_as_they_pass(tmp_path: Path) -> None:
    writer = TraceWriter(tmp_path / "a.mcap")
    for number in range(0, 3 * 3600, 10):
        writer.write(Sample(T0 + number * S, "nvml", {"hw.power": float(number)}, device=GPU))
    writer.flush()  # and no close: what was attached is there all the same
    with TraceReader(tmp_path / "a.mcap") as reader:
        assert not reader.summary.whole
        levels = reader.levels(T0, T0 + 3 * 3600 * S)
        assert sum(sum(level.calls) for level in levels) == 1080
        assert len(reader.levels(T0, T0 + 10 * S)) < len(levels)
    writer.close()
    with TraceReader(tmp_path / "a.mcap") as reader:
        assert sum(sum(level.calls) for level in reader.levels(T0, T0 + 3 * 3600 * S)) == 1080


def test_it_is_its_owners_alone_and_never_overwritten(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mcap", [hello])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    with pytest.raises(AcceltopError, match="it exists: name another"):
        TraceWriter(path)
    assert path.read_bytes() == before
    with TraceWriter(path, overwrite=True) as writer:
        writer.write(Note(1, "info", "x", "y"))
    with TraceReader(path) as reader:
        assert list(reader.frames()) == [Note(1, "info", "x", "y")]


@pytest.mark.parametrize(("name", "cause"), [("no/such/a.mcap", "no such folder"), (".", "exists")])
def test_a_place_that_can_not_be_written(tmp_path: Path, name: str, cause: str) -> None:
    with pytest.raises(AcceltopError, match=cause):
        TraceWriter(tmp_path / name)


def test_size_grows_with_what_waits(tmp_path: Path) -> None:
    with TraceWriter(tmp_path / "a.mcap") as writer:
        sizes = [writer.size]
        for frame in recording(5):
            writer.write(frame)
            sizes.append(writer.size)
        assert sizes == sorted(set(sizes))
        writer.flush()
        assert writer.size == (tmp_path / "a.mcap").stat().st_size
    assert writer.size == (tmp_path / "a.mcap").stat().st_size


def test_names_of_a_trace_are_cleaned(tmp_path: Path) -> None:
    evil = Note(1, "info", "x", "\x1b[2Jgone\u202e\x9b1m\x7f")
    with TraceReader(write(tmp_path / "a.mcap", [evil])) as reader:
        (note,) = reader.frames()
        assert isinstance(note, Note) and not set("\x1b\u202e\x9b\x7f") & set(note.text)


def test_a_trace_of_a_newer_major_version_is_refused_in_words(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mcap", [Hello(T0, "x", schema_version=99, tool_version="9.1")])
    with pytest.raises(AcceltopError, match=r"acceltop 9\.1.*too old.*update") as caught:
        TraceReader(path)
    assert caught.value.exit_code == 4


def test_unknown_kinds_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"kind":"Hologram","x":1}\n' + codec.encode(hello) + "\n")
    with TraceReader(path) as reader:
        assert list(reader.frames()) == [hello] and not reader.problems


def test_a_recorder_loads_no_more_than_it_needs(tmp_path: Path) -> None:
    script = textwrap.dedent("""
        import sys
        from acceltop.profiler.trace.writer import TraceWriter
        print(sorted({"mcap", "zstandard", "numpy", "msgspec", "textual"} & set(sys.modules)))
        from acceltop.profiler.model import Sample
        with TraceWriter(sys.argv[1]) as writer:
            writer.write(Sample(1, "host", {"system.cpu.utilization": 0.5}))
        print(sorted({"numpy", "msgspec", "textual"} & set(sys.modules)))
    """)
    path = tmp_path / "a.mcap"
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "[]"]


def test_a_day_takes_little_memory_to_write(tmp_path: Path) -> None:
    """What is kept of a chunk until the file is closed: at one a second there are 86 400 a day."""
    with TraceWriter(tmp_path / "a.mcap") as writer:

        def chunks(first: int, last: int) -> None:
            for number in range(first, last):
                writer.write(Sample(T0 + number * S, "host", {"system.cpu.utilization": 0.5}))
                writer.flush()

        chunks(0, 1500)
        tracemalloc.start()
        chunks(1500, 4500)
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert held / 3000 < 100
    with TraceReader(tmp_path / "a.mcap") as reader:
        assert reader.summary.counts == {"Sample": 4500} and reader.summary.whole
