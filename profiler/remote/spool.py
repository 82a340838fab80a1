"""The file of a recording: what would have gone over the link, as it would have gone. Whoever has its first N bytes
goes on at N, so nothing is lost and nothing comes twice; the numbers of the lines prove it."""

from __future__ import annotations

import os
from pathlib import Path

from acceltop.profiler.codec import encode
from acceltop.profiler.model import Frame
from acceltop.profiler.remote.wire import Packer, numbered

FLUSH_BYTES = 256 << 10


class Spool:
    """A sink and a tick of a session, of one thread. After a failure it takes nothing more: `trouble` says why."""

    def __init__(self, path: Path) -> None:
        self.size = 0  # bytes that are whole
        self.frames = 0
        self.trouble = ""
        self._packer = Packer()
        self._waiting = bytearray()
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)

    def add(self, frame: Frame) -> None:
        """Kept until `flush`, a little of it."""
        self.frames += 1
        self._waiting += numbered(encode(frame), self.frames)
        if len(self._waiting) > FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """What was added can be read by others."""
        if not self._waiting or self.trouble:
            return
        data = self._packer.pack(bytes(self._waiting))
        self._waiting.clear()
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(self._file, left) :]
            self.size += len(data)
        except OSError as error:
            self.trouble = error.strerror or str(error)
            os.ftruncate(self._file, self.size)

    def close(self) -> None:
        self.flush()
        os.close(self._file)
