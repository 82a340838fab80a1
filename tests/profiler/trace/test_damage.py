"""Cut, flipped, empty, foreign, hostile: what is whole is read, the rest is told, nothing hangs or escapes."""

from __future__ import annotations

import errno
import io
import os
import random
import resource
import signal
import struct
import subprocess
import sys
import textwrap
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import BinaryIO, cast

import pytest
import zstandard
from tests.profiler.trace.recording import T0, S, recording, write, write_lines
from tests.waiting import wait_for

from acceltop.profiler import codec
from acceltop.profiler.cli.report import of_trace
from acceltop.profiler.errors import AcceltopError, Exit, TraceError
from acceltop.profiler.model import Frame, Hello, Sample
from acceltop.profiler.trace import records, scan
from acceltop.profiler.trace.container import Container
from acceltop.profiler.trace.reader import TraceReader
from acceltop.profiler.trace.repair import repair
from acceltop.profiler.trace.writer import TraceWriter


@pytest.fixture(scope="module")
def told() -> list[Frame]:
    return recording(12)


@pytest.fixture(scope="module")
def whole(told: list[Frame], tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write(tmp_path_factory.mktemp("whole") / "a.mcap", told).read_bytes()


def read(path: Path, data: bytes) -> tuple[list[Frame], TraceReader]:
    """All frames, by whatever way there is. Raises TraceError only."""
    path.write_bytes(data)
    with TraceReader(path) as reader:
        frames = list(reader.frames())
        assert reader.overview().t1_ns >= 0
        reader.levels(0, 2**62)
        return frames, reader


def is_part_of(part: list[Frame], all_frames: list[Frame]) -> bool:
    rest = iter(all_frames)
    return all(frame in rest for frame in part)


def test_cut_anywhere(tmp_path: Path, whole: bytes, told: list[Frame]) -> None:
    counts = []
    for length in range(1, len(whole), 61):
        try:
            frames, reader = read(tmp_path / "a.mcap", whole[:length])
        except TraceError as error:
            assert error.next_step and "\n" not in str(error)
            counts.append(0)
            continue
        assert frames == told[: len(frames)]
        assert reader.problems, length
        counts.append(len(frames))
    assert counts == sorted(counts)
    assert counts[-1] == len(told)


def test_bits_flipped_anywhere(tmp_path: Path, whole: bytes, told: list[Frame]) -> None:
    chance = random.Random(20)
    worst = len(told)
    for _ in range(600):
        place = chance.randrange(len(whole))
        data = bytearray(whole)
        data[place] ^= 1 << chance.randrange(8)
        frames, reader = read(tmp_path / "a.mcap", bytes(data))
        assert is_part_of(frames, told), place
        assert len(frames) == len(told) or reader.problems, place
        worst = min(worst, len(frames))
    assert worst > len(told) * 3 // 4  # one chunk of twelve, at most two


def test_many_bits_flipped(tmp_path: Path, whole: bytes, told: list[Frame]) -> None:
    chance = random.Random(21)
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(chance.randrange(2, 60)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            frames, reader = read(tmp_path / "a.mcap", bytes(data))
        except TraceError:
            continue
        assert is_part_of(frames, told)
        assert len(frames) == len(told) or reader.problems


def test_a_damaged_chunk_costs_that_chunk(tmp_path: Path, whole: bytes, told: list[Frame]) -> None:
    file = io.BytesIO(whole)
    place = scan.layout(file, len(whole)).chunks[4]
    data = bytearray(whole)
    data[place.offset + place.length // 2] ^= 0xFF
    frames, reader = read(tmp_path / "a.mcap", bytes(data))
    assert frames == [frame for frame in told if frame in frames]
    lost = [frame for frame in told if frame not in frames]
    assert lost and all(place.start_ns <= frame.time_ns <= place.end_ns for frame in lost)
    (problem,) = reader.problems
    assert f"{place.length} bytes at {place.offset}" in problem.text and "repair" in problem.next_step


def test_a_killed_recorder_loses_what_was_not_flushed(tmp_path: Path) -> None:
    script = textwrap.dedent("""
        import sys
        from acceltop.profiler.model import Hello, Sample
        from acceltop.profiler.trace.writer import TraceWriter
        writer = TraceWriter(sys.argv[1])
        writer.write(Hello(1, "killed"))
        for number in range(1, 10**9):
            writer.write(Sample(number, "host", {"system.cpu.utilization": 0.5}))
            if number % 100 == 0:
                writer.flush()
                print(number, flush=True)
    """)
    path = tmp_path / "a.mcap"
    process = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    flushed = 0
    while flushed < 2000:
        flushed = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read().split()
    process.wait()
    flushed = int(rest[-1]) if rest else flushed
    with TraceReader(path) as reader:
        assert sum(isinstance(frame, Sample) for frame in reader.frames()) >= flushed
        assert reader.problems[0].code == "trace.cut"


def test_a_report_covers_what_can_be_read_and_nothing_more(tmp_path: Path, told: list[Frame]) -> None:
    broken = write(tmp_path / "a.mcap", told, close=False)
    whole = of_trace(str(write(tmp_path / "b.mcap", told)))
    cut = of_trace(str(broken))
    assert [note["code"] for note in cut["notes"]] != [note["code"] for note in whole["notes"]]
    assert (cut["start_s"], cut["duration_s"]) == (whole["start_s"], whole["duration_s"])


def test_repair_makes_it_whole(tmp_path: Path, told: list[Frame]) -> None:
    broken = write(tmp_path / "a.mcap", told, close=False)
    broken.write_bytes(broken.read_bytes()[:-10])
    problems = repair(broken, tmp_path / "b.mcap")
    assert [problem.code for problem in problems] == ["trace.cut"]
    with TraceReader(broken) as before, TraceReader(tmp_path / "b.mcap") as after:
        assert list(after.frames()) == list(before.frames())
        assert after.summary.whole and not after.problems
        assert after.overview() == before.overview()


def test_repair_leaves_an_existing_file(tmp_path: Path, told: list[Frame]) -> None:
    broken = write(tmp_path / "a.mcap", told, close=False)
    with pytest.raises(AcceltopError, match="exists"):
        repair(broken, broken)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "is empty"),
        (b"hello world\n" * 100, "is not a trace"),
        (b"\x7fELF" + bytes(1000), "is not a trace"),
        (records.MAGIC, "no frames"),
        (records.MAGIC + bytes(200), "no frames"),
        (b"{}\n", "no frames"),
        (b'{"kind":"Hello"}\n', "no frames"),
        (b"{" * 10_000, "no frames"),
    ],
)
def test_what_is_no_trace(tmp_path: Path, content: bytes, cause: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    with pytest.raises(TraceError, match=cause) as caught:
        TraceReader(path)
    assert caught.value.exit_code == Exit.BAD_TRACE
    assert caught.value.next_step and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["missing.mcap", ".", "x" * 300, "a\0b"])
def test_what_can_not_be_opened(tmp_path: Path, name: str) -> None:
    with pytest.raises(TraceError):
        TraceReader(f"{tmp_path}/{name}")


def test_a_foreign_mcap_file_has_no_frames(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    with path.open("wb") as file:
        container = Container(cast(BinaryIO, file), "ros2", "test")
        container.message(container.channel("/imu", b"{}"), 1, b'{"x": 1}')
        container.finish()
    with pytest.raises(TraceError, match="no frames.*another program"):
        TraceReader(path)


@pytest.fixture
def little_memory() -> Iterator[None]:
    """1 GB more than now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (1 << 30), hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def chunk_record(packed: bytes, size: int, crc: int = 0) -> bytes:
    body = struct.pack("<QQQII", 0, 9, size, crc, 4) + b"zstd" + struct.pack("<Q", len(packed)) + packed
    return struct.pack("<BQ", scan.CHUNK, len(body)) + body


@pytest.mark.parametrize("claimed", [1000, 8 << 30, 2**63])
def test_a_small_file_that_unpacks_to_a_large_one(
    tmp_path: Path, whole: bytes, told: list[Frame], little_memory: None, claimed: int
) -> None:
    compressor = zstandard.ZstdCompressor(level=1).compressobj()
    block = bytes(1 << 24)
    bomb = b"".join(compressor.compress(block) for _ in range(256)) + compressor.flush()  # 4 GB of zeros
    first = scan.layout(io.BytesIO(whole), len(whole)).chunks[0]
    data = whole[: first.offset] + chunk_record(bomb, claimed) + whole[first.offset :]
    frames, reader = read(tmp_path / "a.mcap", data)
    assert frames == told
    assert reader.problems


@pytest.mark.parametrize("length", [2**63, 2**64 - 1, 1 << 40, 255 << 20])
def test_a_hostile_length(tmp_path: Path, whole: bytes, told: list[Frame], little_memory: None, length: int) -> None:
    first = scan.layout(io.BytesIO(whole), len(whole)).chunks[0]
    for opcode in (scan.CHUNK, scan.ATTACHMENT, 0x03, 0x77):
        data = whole[: first.offset] + struct.pack("<BQ", opcode, length) + whole[first.offset : -60]
        frames, _ = read(tmp_path / "a.mcap", data)
        assert frames == told


def test_an_index_that_points_in_circles_is_not_believed(tmp_path: Path, whole: bytes, told: list[Frame]) -> None:
    layout = scan.layout(io.BytesIO(whole), len(whole))
    first = layout.chunks[0]
    entry = struct.pack("<QQQQ", first.start_ns, first.end_ns, first.offset, first.length) + bytes(40)
    summary = (struct.pack("<BQ", scan.CHUNK_INDEX, len(entry)) + entry) * 1000
    last = layout.chunks[-1]
    data = whole[: last.offset + last.length]
    footer = struct.pack("<BQQQ", scan.FOOTER, 20, len(data), 0)
    crc = zlib.crc32(footer, zlib.crc32(summary))
    frames, _ = read(tmp_path / "a.mcap", data + summary + footer + struct.pack("<I", crc) + records.MAGIC)
    assert frames == told


def test_a_file_full_of_false_chunks_ends_soon(tmp_path: Path) -> None:
    begin = monotonic()
    with pytest.raises(TraceError):
        read(tmp_path / "a.mcap", records.MAGIC + (b"\x06" + bytes(36) + b"\x04\x00\x00\x00zstd") * 500_000)
    assert monotonic() - begin < 30


def test_bad_lines_are_left_out(tmp_path: Path, told: list[Frame]) -> None:
    lines = [codec.encode(frame).encode() for frame in told]
    bad = [b"not json", b"\xff\xfe", b'{"kind":"Sample"}', b"[1]", b"", b'{"kind":"Note","time_ns":1e999}']
    frames, reader = read(tmp_path / "a.jsonl", b"\n".join([lines[0], *bad, *lines[1:], lines[0][:20]]))
    assert frames == told
    assert 3 <= len(reader.problems) <= 8


def test_lines_with_anything_in_them(tmp_path: Path, told: list[Frame]) -> None:
    lines = write_lines(tmp_path / "b.jsonl", told).read_bytes()
    chance = random.Random(22)
    for _ in range(300):
        data = bytearray(lines)
        for _ in range(chance.randrange(1, 20)):
            place = chance.randrange(len(data))
            data[place : place + chance.randrange(3)] = chance.choice((b"\xff", b"\\", b'"', b"9", b"\n", b"{"))
        frames, reader = read(tmp_path / "a.jsonl", bytes(data))
        assert len(frames) > len(told) // 2
        assert reader.problems or len(frames) >= len(told) - 5


def test_a_line_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: list[Frame]) -> None:
    monkeypatch.setattr("acceltop.profiler.trace.lines_file.MAX_LINE", 20_000)
    data = write_lines(tmp_path / "b.jsonl", told).read_bytes() + b'{"x":"' + b"y" * 100_000 + b'"}\n'
    frames, reader = read(tmp_path / "a.jsonl", data + codec.encode(told[0]).encode())
    assert frames == [*told, told[0]]
    assert "20000" in reader.problems[0].text


def test_stdin_is_json_lines(told: list[Frame], tmp_path: Path) -> None:
    script = "from acceltop.profiler.trace.reader import TraceReader\nprint(sum(1 for _ in TraceReader('-').frames()))"
    with write_lines(tmp_path / "a.jsonl", told).open("rb") as lines:
        done = subprocess.run([sys.executable, "-c", script], stdin=lines, capture_output=True, text=True, check=True)
    assert done.stdout == f"{len(told)}\n"


class FullDisk(io.BytesIO):
    """Takes `room` bytes, the last write in part, like a file does."""

    def __init__(self, room: int, reason: int) -> None:
        super().__init__()
        self.room, self.reason = room, reason

    def write(self, data: object) -> int:
        free = self.room - self.tell()
        if free <= 0:
            raise OSError(self.reason, os.strerror(self.reason))
        return super().write(memoryview(data)[:free])  # type: ignore[arg-type]


@pytest.mark.parametrize(("reason", "words"), [(errno.ENOSPC, "the disk is full: make room"), (errno.EIO, "error")])
def test_a_full_disk(tmp_path: Path, told: list[Frame], whole: bytes, reason: int, words: str) -> None:
    for room in range(100, len(whole) - 10, 997):
        disk = FullDisk(room, reason)
        with pytest.raises(AcceltopError, match=words):
            fill(disk, told)
        assert len(disk.getvalue()) <= room
        try:
            frames, _ = read(tmp_path / "a.mcap", disk.getvalue())
        except TraceError:
            assert room < 3000
            continue
        assert frames == told[: len(frames)]
    assert len(frames) == len(told)


def fill(disk: BinaryIO, frames: list[Frame]) -> None:
    writer = TraceWriter(disk)
    try:
        for number, frame in enumerate(frames):
            writer.write(frame)
            if number % 8 == 0:
                writer.flush()
    finally:
        writer.close()
        writer.write(frames[0])  # nothing, and no error


def test_a_real_full_disk(told: list[Frame]) -> None:
    writer = pytest.raises(AcceltopError, TraceWriter, "/dev/full", overwrite=True)
    assert "the disk is full" in str(writer.value)


def test_a_file_size_limit(tmp_path: Path) -> None:
    script = textwrap.dedent("""
        import resource, signal, sys
        from acceltop.profiler.errors import AcceltopError
        from acceltop.profiler.model import Hello, Sample
        from acceltop.profiler.trace.writer import TraceWriter
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        writer = TraceWriter(sys.argv[1])
        writer.write(Hello(1, "x"))
        try:
            for number in range(100_000):
                writer.write(Sample(number, "host", {"system.cpu.utilization": 0.5}))
                writer.flush()
        except AcceltopError as error:
            print(error)
        writer.close()
    """)
    path = tmp_path / "a.mcap"
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True)
    assert "larger than allowed" in done.stdout
    with TraceReader(path) as reader:
        assert sum(1 for _ in reader.frames()) > 100
        assert "cut off" not in reader.problems[0].text


def test_follow_reads_what_is_being_written(tmp_path: Path, told: list[Frame]) -> None:
    path = tmp_path / "a.mcap"
    writer = TraceWriter(path)
    half = len(told) // 2
    for frame in told[:half]:
        writer.write(frame)
    writer.flush()
    got: list[Frame] = []
    reader = TraceReader(path)

    def follow() -> None:
        for frame in reader.follow(threading.Event()):
            got.append(frame)

    following = threading.Thread(target=follow)
    following.start()
    wait_for(lambda: len(got) == half)
    for frame in told[half:]:
        writer.write(frame)
    writer.close()
    following.join(20)
    assert got == told


def test_follow_stops_when_told(tmp_path: Path, told: list[Frame]) -> None:
    stop = threading.Event()
    with TraceReader(write(tmp_path / "a.mcap", told, close=False)) as reader:
        got = []
        for frame in reader.follow(stop):
            got.append(frame)
            if len(got) == len(told):
                stop.set()
        assert got == told


def test_a_broken_clock_is_kept_as_it_is(tmp_path: Path) -> None:
    odd: list[Frame] = [Hello(-5, "x")]
    odd += [Sample(time_ns, "a", {"hw.power": 1.0}) for time_ns in (2**63 - 1, T0 - 9 * S)]
    with TraceReader(write(tmp_path / "a.mcap", odd)) as reader:
        assert list(reader.frames()) == odd
        assert list(reader.frames(T0 - 10 * S, T0)) == odd[2:]
