"""Writes Frames to a trace: an MCAP file with a channel for each kind of Frame."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from acceltop.profiler import __version__, codec
from acceltop.profiler.errors import AcceltopError
from acceltop.profiler.model import Frame
from acceltop.profiler.trace.overview import FINE_EVERY_NS, LEVELS, MEDIA_TYPE, OVERVIEW, Overview

if TYPE_CHECKING:
    from acceltop.profiler.trace.container import Container

PROFILE = "acceltop"
_REASONS = {
    errno.ENOSPC: ("the disk is full", "make room, or record to another disk"),
    errno.EDQUOT: ("your quota of the disk is used up", "make room, or record to another disk"),
    errno.EIO: ("the disk reports an error", "look at the kernel's log, record to another disk"),
    errno.EACCES: ("permission denied", "name a file in a folder of yours"),
    errno.EROFS: ("the disk is read-only", "name a file on another disk"),
    errno.ENOENT: ("there is no such folder", "make it first, or name another"),
    errno.EISDIR: ("it is a folder", "name a file in it"),
    errno.EEXIST: ("it exists", "name another file, or remove it first"),
    errno.EFBIG: ("it is larger than allowed", "raise the limit (ulimit -f), or record to another disk"),
}
T = TypeVar("T")


class TraceWriter:
    """Of one thread. `flush` once a second: what is flushed survives `kill -9`, what is closed opens at once.

    Raises AcceltopError when the disk takes no more; the file is then as long as what is whole, and readable.
    """

    def __init__(self, target: str | os.PathLike[str] | BinaryIO, *, overwrite: bool = False) -> None:
        self.name = target if isinstance(target, (str, os.PathLike)) else getattr(target, "name", "the stream")
        self._closed = self._failed = False
        self._channels: dict[type, int] = {}
        self._overview = Overview()
        self._fine_ns: int | None = None
        self._owned = isinstance(target, (str, os.PathLike))
        self._stream = target if not isinstance(target, (str, os.PathLike)) else self._open(target, overwrite)
        self._container: Container = self._guarded(self._start)

    def write(self, frame: Frame) -> None:
        """Does nothing after `close` or a failure."""
        if self._closed or self._failed:
            return
        self._overview.add(frame)
        self._guarded(lambda: self._put(frame))

    def flush(self) -> None:
        """Ends a chunk and hands it to the system."""
        if not self._closed and not self._failed:
            self._guarded(self._container.flush)

    def close(self) -> None:
        """Writes overview and index; after a failure, nothing. May be called twice."""
        if self._closed:
            return
        self._closed = True
        try:
            if not self._failed:
                self._guarded(self._finish)
        finally:
            if self._owned:
                self._stream.close()

    @property
    def size(self) -> int:
        """Bytes in the file, and those that wait, uncompressed, for `flush`."""
        return self._container.size + self._container.pending

    def _open(self, path: str | os.PathLike[str], overwrite: bool) -> BinaryIO:
        # A trace tells command lines and file names: it is its owner's alone.
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if overwrite else os.O_EXCL)
        try:
            return open(os.open(path, flags, 0o600), "wb", buffering=0)
        except OSError as error:
            raise self._refused(error) from None

    def _start(self) -> Container:
        # Here, since a recording of counters to a pipe needs neither mcap nor zstandard.
        from acceltop.profiler.trace.container import Container

        return Container(self._stream, PROFILE, f"acceltop {__version__}")

    def _put(self, frame: Frame) -> None:
        kind: type = type(frame)
        channel = self._channels.get(kind)
        if channel is None:
            from acceltop.profiler.trace.schemas import schema

            channel = self._channels[kind] = self._container.channel(kind.__name__, schema(kind))
        time_ns = min(max(frame.time_ns, 0), codec.MAX_INT)
        self._container.message(channel, time_ns, codec.encode(frame).encode("utf-8", "replace"))
        self._fine_ns = time_ns if self._fine_ns is None else self._fine_ns
        if time_ns - self._fine_ns >= FINE_EVERY_NS:
            self._attach(LEVELS, self._overview.fine())
            self._fine_ns = time_ns

    def _finish(self) -> None:
        last = self._overview.last()  # first: it ends the buckets that are open
        self._attach(LEVELS, self._overview.fine())
        self._attach(OVERVIEW, last)
        self._container.finish()

    def _attach(self, name: str, data: bytes) -> None:
        import zstandard

        time_ns = max(self._overview.span[1], 0)
        self._container.attachment(name, MEDIA_TYPE, time_ns, zstandard.compress(data, 3))

    def _guarded(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except OSError as error:
            self._failed = True
            self._cut()
            raise self._refused(error) from None

    def _cut(self) -> None:
        """Takes away the record that was written in part, where the file allows it."""
        try:
            self._stream.truncate(self._container.size)
        except (OSError, AttributeError, ValueError):  # a pipe, or it failed before the first record
            return

    def _refused(self, error: OSError) -> AcceltopError:
        reason, step = _REASONS.get(error.errno or 0, (error.strerror or str(error), "name another file"))
        return AcceltopError(f"{Path(str(self.name))} can't be written, {reason}", step)

    def __enter__(self) -> TraceWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
