"""The contents of a trace in JSON Lines: one Frame a line."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import BinaryIO

from acceltop.profiler.codec import MAX_LINE
from acceltop.profiler.trace.problems import Problems

FOLLOW_S = 0.25


class LinesFile:
    """`file` may be a pipe; it can be read once then. Times are not known before a line is decoded."""

    whole = True
    span: tuple[int, int] | None = None

    def __init__(self, file: BinaryIO, problems: Problems) -> None:
        self._file = file
        self._problems = problems
        self.size = os.fstat(file.fileno()).st_size

    def payloads(self, t0_ns: int, t1_ns: int) -> Iterator[bytes]:
        if self._file.seekable():
            self._file.seek(0)
        while line := self._file.readline(MAX_LINE + 1):
            if len(line) > MAX_LINE:
                self._skip_long(line)
            elif line.strip():
                yield line.rstrip()

    def follow(self, stop: threading.Event, t0_ns: int) -> Iterator[bytes]:
        """All lines, then those that are still being written, until `stop` is set (a pipe: until it ends)."""
        if self._file.seekable():
            self._file.seek(0)
        part = b""
        while True:
            line = self._file.readline(MAX_LINE + 1 - len(part))
            part += line
            if part.endswith(b"\n"):
                yield part.rstrip()
                part = b""
            elif len(part) > MAX_LINE:
                self._skip_long(part)
                part = b""
            elif not line and (not self._file.seekable() or stop.wait(FOLLOW_S)):
                return

    def attachments(self, name: str, t0_ns: int = 0, t1_ns: int = 0) -> Iterator[bytes]:
        return iter(())

    def _skip_long(self, line: bytes) -> None:
        self._problems.add("trace.damaged", f"a line of more than {MAX_LINE} bytes is left out")
        while line and not line.endswith(b"\n"):
            line = self._file.readline(MAX_LINE)
