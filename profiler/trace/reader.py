"""Reads a trace: MCAP as `writer` makes it, whole or not, or JSON Lines. What can't be read is told in `problems`."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from io import BufferedReader
from types import TracebackType
from typing import BinaryIO

import zstandard

from acceltop.profiler.codec import CodecError
from acceltop.profiler.errors import TraceError
from acceltop.profiler.model import SCHEMA_VERSION, Frame, Hello, Note
from acceltop.profiler.text import clean
from acceltop.profiler.trace.decode import decode
from acceltop.profiler.trace.lines_file import LinesFile
from acceltop.profiler.trace.mcap_file import McapFile
from acceltop.profiler.trace.overview import FINE_EVERY_NS, LEVELS, OVERVIEW
from acceltop.profiler.trace.overview import Overview as OverviewBuilder
from acceltop.profiler.trace.problems import Problems
from acceltop.profiler.trace.records import MAGIC, MAX_RECORD, Damaged, unpacked
from acceltop.profiler.trace.summary import Levels, Overview, Summary, parse

_EVER = 1 << 80  # ns
Progress = Callable[[float], None]


class TraceReader:
    """Of one thread. Opening it reads the index and a first frame; raises TraceError when there is none.

    `path` is a file, or `-` for JSON Lines on stdin, which can be read once.
    """

    def __init__(self, path: str | os.PathLike[str], stdin: BufferedReader | None = None) -> None:
        """`stdin`: what stands for it."""
        self._pipe = (stdin or open(0, "rb", closefd=False)) if path == "-" else None  # noqa: SIM115
        self.name = "stdin" if self._pipe else clean(os.fspath(path))
        self._problems = Problems()
        self._file: BinaryIO = self._pipe or _opened(path)
        self._overview: Overview | None = None
        self._pieces: list[tuple[int, bytes]] = []  # levels of 10 s that were made here, packed
        try:
            self._trace = self._recognized()
            if not self._pipe and next(self.frames(), None) is None:
                raise self._nothing()
        except BaseException:
            self.close()
            raise

    @property
    def problems(self) -> list[Note]:
        """What could not be read so far. All of it is known once all frames were read."""
        return self._problems.notes

    @property
    def summary(self) -> Summary:
        """Of what the index tells; where there is none, the overview is made first, which reads all."""
        overview = self.overview()
        t0, t1 = self._trace.span or (overview.t0_ns, overview.t1_ns)
        hosts = tuple(frame.host for frame in overview.frames if isinstance(frame, Hello))
        return Summary(t0, t1, hosts, self._trace.size, self._trace.whole, overview.counts)

    def frames(self, t0_ns: int | None = None, t1_ns: int | None = None) -> Iterator[Frame]:
        """Frames with t0 ≤ time ≤ t1, in the order of the file. Of windows the time is their end."""
        start, end = -_EVER if t0_ns is None else t0_ns, _EVER if t1_ns is None else t1_ns
        # A negative time (a broken clock) has no place in the index of an MCAP file, but in the frame.
        some = False
        for frame in self._decoded(self._trace.payloads(max(start, 0), max(end, 0))):
            some = True
            if start <= frame.time_ns <= end:
                yield frame
        if self._pipe and not some:
            raise self._nothing()

    def follow(self, stop: threading.Event, t0_ns: int = 0) -> Iterator[Frame]:
        """Frames from t0 on of a file that is being written, as they come, until it is closed or `stop` is set."""
        return (frame for frame in self._decoded(self._trace.follow(stop, t0_ns)) if frame.time_ns >= t0_ns)

    def overview(self, progress: Progress | None = None) -> Overview:
        """The trace in short; made by reading all of it where nobody closed it (`progress`: 0…1)."""
        if self._overview is None:
            self._overview = self._stored_overview() or self._made_overview(progress)
        return self._overview

    def levels(self, t0_ns: int, t1_ns: int) -> list[Levels]:
        """The levels of 10 s of (at least) that time."""
        self.overview()
        pieces: Iterable[bytes]
        if self._pieces:
            packed = [data for end, data in self._pieces if t0_ns <= end <= t1_ns + FINE_EVERY_NS]
            pieces = (unpacked(data, MAX_RECORD) for data in packed)
        else:
            pieces = self._trace.attachments(LEVELS, t0_ns, t1_ns + FINE_EVERY_NS)
        return [level for piece in pieces for level in parse(piece).levels]

    def close(self) -> None:
        self._file.close()

    def _recognized(self) -> McapFile | LinesFile:
        if self._pipe:
            return self._lines(self._pipe)
        head = self._file.read(64)
        self._file.seek(0)
        if not head:
            raise TraceError(f"{self.name} is empty", "was the recorder stopped before it began?")
        if head.lstrip()[:1] == b"{":
            return LinesFile(self._file, self._problems)
        if head[:8] != MAGIC and not _nearly(head):
            raise TraceError(f"{self.name} is not a trace", "give a .mcap of `acceltop record`, or JSON Lines")
        return McapFile(self._file, self._problems)

    def _lines(self, pipe: BufferedReader) -> LinesFile:
        if pipe.peek(len(MAGIC)).startswith(MAGIC):
            raise TraceError("a trace in MCAP can't be read from a pipe", "give the name of its file")
        return LinesFile(pipe, self._problems)

    def _nothing(self) -> TraceError:
        why = self.problems[0].text if self.problems else "nothing came" if self._pipe else "another program made it"
        return TraceError(f"{self.name} holds no frames that can be read", why)

    def _decoded(self, payloads: Iterable[bytes]) -> Iterator[Frame]:
        for data in payloads:
            try:
                frame = decode(data)
            except CodecError as error:
                self._problems.add("trace.bad_frame", f"a frame is left out: {str(error)[:200]}")
                continue
            if isinstance(frame, Hello) and frame.schema_version > SCHEMA_VERSION:
                made_by = f"acceltop {frame.tool_version}" if frame.tool_version else "a newer acceltop"
                raise TraceError(f"{self.name} was made by {made_by}, which this one is too old for", "update acceltop")
            if frame is not None:
                yield frame

    def _stored_overview(self) -> Overview | None:
        if not self._trace.whole:
            return None
        for data in self._trace.attachments(OVERVIEW):
            try:
                return parse(data)
            except Damaged as error:
                self._problems.add("trace.damaged", str(error))
        return None

    def _made_overview(self, progress: Progress | None) -> Overview:
        builder, piece_end = OverviewBuilder(), None
        for frame in self.frames():
            builder.add(frame)
            piece_end = piece_end or frame.time_ns + FINE_EVERY_NS
            if frame.time_ns > piece_end:
                self._pieces.append((frame.time_ns, zstandard.compress(builder.fine())))
                piece_end = frame.time_ns + FINE_EVERY_NS
            self._tell(progress, frame)
        last = builder.last()
        self._pieces.append((builder.span[1], zstandard.compress(builder.fine())))
        return parse(last)

    def _tell(self, progress: Progress | None, frame: Frame) -> None:
        if progress is not None and self._trace.span is not None:
            t0, t1 = self._trace.span
            progress(min(max((frame.time_ns - t0) / max(t1 - t0, 1), 0.0), 1.0))

    def __enter__(self) -> TraceReader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _opened(path: str | os.PathLike[str]) -> BinaryIO:
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            raise TraceError(f"{clean(os.fspath(path))} is not a file", "give a .mcap of `acceltop record`")
        return open(path, "rb")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise TraceError(f"{clean(os.fspath(path))} can't be opened, {reason}", "give the name of a trace") from None


def _nearly(head: bytes) -> bool:
    """A damaged beginning: most of it is right still."""
    return len(head) > len(MAGIC) and sum(a == b for a, b in zip(head, MAGIC, strict=False)) >= len(MAGIC) - 2
