"""On the other machine: the actions on recordings. Bytes of a spool go over the link as they lie on the disk."""

from __future__ import annotations

import os
import stat
import sys
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from acceltop.profiler.clock import monotonic
from acceltop.profiler.errors import TraceError
from acceltop.profiler.remote import keeper, store
from acceltop.profiler.remote.wire import word
from acceltop.profiler.text import clean

if TYPE_CHECKING:
    from acceltop.profiler.remote.far import Far

LOOK_S = 0.5
END_LOOK_S = 0.1
CHUNK_BYTES = 1 << 20
STOP_S = 15.0
CLEAN_S = 20.0  # for the other side to close its file


def record(request: Mapping[str, Any], far: Far) -> bytes:
    """Starts a recording and follows it."""
    from acceltop.profiler.remote import chosen

    pids = chosen.resolve(far.arguments(request))
    recording = store.create()
    keeper.start(recording, {**request, "pids": pids}, far.landed)
    return _follow(recording, 0, far, to_its_end=True)


def follow(request: Mapping[str, Any], far: Far) -> bytes:
    """A recording from byte `offset` on: to what there is now, or `to_its_end`."""
    return _follow(store.find(request["id"]), request["offset"], far, request["to_its_end"])


def file(request: Mapping[str, Any], far: Far) -> bytes:
    """The bytes of a file as it is now."""
    path = os.path.expanduser(request["path"])
    try:
        trace = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a FIFO must not hold us
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise TraceError(f"can't read {clean(path, 200)} there: {why}") from None
    about = os.fstat(trace)
    if not stat.S_ISREG(about.st_mode):
        raise TraceError(f"{clean(path, 200)} is no file there")
    far.queue.put_word(word("began", bytes=about.st_size))
    _send(trace, 0, far, about.st_size)
    return word("end")


def recordings(request: Mapping[str, Any], far: Far) -> bytes:
    """All of this user."""
    far.queue.put_word(word("began"))
    return word("end", recordings=[recording.status() for recording in store.recordings()])


def stop(request: Mapping[str, Any], far: Far) -> bytes:
    """Ends one, and takes away all of it."""
    recording = store.find(request["id"])
    far.queue.put_word(word("began"))
    status = recording.status()
    if status["state"] == store.RECORDING:
        recording.ask("stop")
        end = monotonic() + STOP_S
        while (status := recording.status())["state"] == store.RECORDING and monotonic() < end:
            far.over.wait(LOOK_S)
    recording.remove()
    return word("end", stopped=status)


def _follow(recording: store.Recording, offset: int, far: Far, to_its_end: bool) -> bytes:
    status = recording.status()
    far.queue.put_word(word("began", id=recording.id, pids=status.get("watched", []), limits=status.get("limits")))
    with open(recording.folder / store.SPOOL, "rb") as spool:
        while True:
            offset = _send(spool.fileno(), offset, far)
            if not to_its_end or status["state"] != store.RECORDING:
                break
            if far.ending.wait(LOOK_S) and not _goes_to_its_end(recording, far):
                return b""
            # Asked before the file is read: what was written until the end is then read, too.
            status = recording.status()
    if to_its_end:
        far.afterwards = lambda: _clean(recording, far)
    return word("end", **{name: status.get(name) for name in ("state", "reason", "gone", "frames")})


def _send(spool: int, offset: int, far: Far, end: int = sys.maxsize) -> int:
    """All bytes from `offset` on (to `end`, where it grows); where they end."""
    while data := os.pread(spool, min(CHUNK_BYTES, end - offset), offset):
        far.queue.put_word(word("data", at=offset, bytes=b64encode(data).decode()))
        offset += len(data)
        # The disk holds it all: the link decides how fast it goes.
        if not far.passed_on():
            break
    return offset


def _goes_to_its_end(recording: store.Recording, far: Far) -> bool:
    """Told to, when they wish it; where only the link ends, or we do, it goes on and we leave it."""
    if far.wished:
        with suppress(OSError, ValueError):  # it has ended by itself
            recording.ask("stop")
    return far.wished and not far.over.wait(END_LOOK_S)


def _clean(recording: store.Recording, far: Far) -> None:
    """When the other side has it all safely on its own disk."""
    far.over.wait(CLEAN_S)
    if far.clean.is_set():
        recording.remove()
