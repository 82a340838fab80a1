"""Frames into a file (or a pipe) with a line on stderr that tells how it goes."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from acceltop.profiler.cli.output import JsonLines, say
from acceltop.profiler.clock import monotonic
from acceltop.profiler.errors import AcceltopError
from acceltop.profiler.model import Frame, Sample
from acceltop.profiler.numbers import duration, size

PIPE = "-"
PLAIN_EVERY_S = 10.0  # a log file needs no line a second


class Output(Protocol):
    """Where Frames are kept."""

    @property
    def size(self) -> int:
        """Bytes written so far."""

    def write(self, frame: Frame) -> None: ...

    def flush(self) -> None: ...

    def close(self) -> None: ...


class Pipe:
    """JSON Lines on stdout, for another program."""

    def __init__(self) -> None:
        self._lines = JsonLines()
        self.write = self._lines

    @property
    def size(self) -> int:
        return self._lines.size

    def flush(self) -> None:
        """Each line is out as soon as it is written."""

    def close(self) -> None:
        """stdout is not ours to close."""


class Recorder:
    """A sink and a tick of a session: writes, flushes once a second, and says how far it is."""

    def __init__(self, output: Output, name: str) -> None:
        self._output, self._name = output, name
        self._began = self._said = monotonic()
        self._size_before = 0
        self._frames = self._dropped = 0
        self._live = sys.stderr.isatty()
        # The program behind the pipe may have its screens on this terminal.
        self._shared = self._live and stat.S_ISFIFO(os.fstat(1).st_mode)

    def add(self, frame: Frame) -> None:
        if isinstance(frame, Sample) and "acceltop.frames.dropped" in frame.values:
            self._dropped = int(frame.values["acceltop.frames.dropped"])
        self._frames += 1
        self._output.write(frame)

    def tick(self) -> None:
        self._output.flush()
        now = monotonic()
        if not self._shared and now - self._said >= (1.0 if self._live else PLAIN_EVERY_S) - 0.1:
            self._progress(now)
            self._said, self._size_before = now, self._output.size

    def summary(self) -> str:
        """What was recorded, in one line."""
        return f"{self._name}: {self._state(monotonic())}, {self._frames} frames"

    def _progress(self, now: float) -> None:
        rate = size((self._output.size - self._size_before) / max(now - self._said, 0.001))
        line = f"recording {self._state(now)}, {rate}/s"
        if self._live:
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
        else:
            say(line)

    def _state(self, now: float) -> str:
        elapsed = duration(int((now - self._began) * 1e9))
        return f"{elapsed}, {size(self._output.size)}, {self._dropped} dropped"


@contextmanager
def recording(path: str) -> Iterator[Recorder]:
    """A Recorder into `path` (`-`: stdout). Whatever happens the trace is closed well, or as well as it goes."""
    output = open_output(path)
    try:
        yield Recorder(output, "stdout" if path == PIPE else path)
    except BaseException:
        with suppress(AcceltopError, OSError):  # the first error is the one to tell
            output.close()
        raise
    output.close()


def open_output(path: str) -> Output:
    """Raises AcceltopError when it can't be written."""
    if path == PIPE:
        return Pipe()
    from acceltop.profiler.trace.writer import TraceWriter

    return TraceWriter(path)
