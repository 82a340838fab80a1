"""Writes what can be read of a damaged trace anew."""

from __future__ import annotations

import os

from acceltop.profiler.model import Note
from acceltop.profiler.trace.reader import TraceReader
from acceltop.profiler.trace.writer import TraceWriter


def repair(path_in: str | os.PathLike[str], path_out: str | os.PathLike[str]) -> list[Note]:
    """Tells what was lost. Raises TraceError when nothing can be read, AcceltopError when it can't be written."""
    with TraceReader(path_in) as reader, TraceWriter(path_out) as writer:
        for frame in reader.frames():
            writer.write(frame)
        return reader.problems
