"""A full-screen program on a pseudo-terminal that counts what it writes, and what it takes with all its children."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

import psutil
from benchmarks.job import Failed

_CONTROL = re.compile(rb"\x1b(?:\[[0-9;?<>=]*[A-Za-z]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][A-Z0-9]|[=>78])")
_KEPT = 1 << 20  # bytes in which a first frame is looked for
_PATIENCE_S = 10.0


@dataclass(frozen=True)
class Take:
    """CPU seconds so far, of the whole tree and of its children alone; bytes written so far; RSS of the tree now."""

    cpu_s: float
    children_s: float
    written: int
    rss: int


class Screen:
    """Runs from the start of `with` to its end; somebody must `read` for it to go on, as a terminal does."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], columns: int = 160, rows: int = 48) -> None:
        self._command, self._size = command, (rows, columns)
        # These would be believed before the terminal itself.
        self._environ = {name: value for name, value in environ.items() if name not in ("COLUMNS", "LINES")}
        self.written = 0
        self._seen = b""

    def __enter__(self) -> Screen:
        self._began = time.monotonic()
        pid, self._terminal = pty.fork()
        if pid == 0:
            fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", *self._size, 0, 0))
            os.execvpe(self._command[0], list(self._command), self._environ)
        self._process = psutil.Process(pid)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with suppress(psutil.NoSuchProcess):
            family = self._process.children(recursive=True)
            self._process.kill()
            for child in family:
                with suppress(psutil.NoSuchProcess):
                    child.kill()
        os.close(self._terminal)
        with suppress(ChildProcessError):
            os.waitpid(self._process.pid, 0)

    def read(self, seconds: float) -> None:
        """Takes what it writes for that long. Raises Failed if it ends."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._once(left)

    def first(self, pattern: bytes, timeout_s: float = 20.0) -> float:
        """Seconds from the start until the text on the screen has had this in it. Raises Failed."""
        while not re.search(pattern, _CONTROL.sub(b" ", self._seen)):
            if time.monotonic() - self._began > timeout_s:
                raise Failed(f"{self._command[0]} has shown no {pattern!r} in {timeout_s:g} s")
            self._once(0.05)
        return time.monotonic() - self._began

    def take(self) -> Take:
        """What it has taken so far."""
        own = self._process.cpu_times()
        children_s, rss = own.children_user + own.children_system, self._process.memory_info().rss
        for process in self._process.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                children_s += sum(process.cpu_times()[:4])  # its own and its children's
                rss += process.memory_info().rss
        return Take(own.user + own.system + children_s, children_s, self.written, rss)

    def press(self, keys: str) -> None:
        os.write(self._terminal, keys.encode())

    def leave(self, key: str) -> float:
        """Seconds from the key to its end. Raises Failed."""
        began = time.monotonic()
        self.press(key)
        while time.monotonic() - began < _PATIENCE_S:
            try:
                self._once(0.01)
            except Failed:
                return time.monotonic() - began
        self._process.send_signal(signal.SIGKILL)
        raise Failed(f"{self._command[0]} did not end within {_PATIENCE_S:g} s of {key!r}")

    def _once(self, patience_s: float) -> None:
        if not select.select([self._terminal], [], [], patience_s)[0]:
            return
        try:
            data = os.read(self._terminal, 1 << 16)
        except OSError:  # EIO: nobody holds the other end
            data = b""
        if not data:
            raise Failed(f"{self._command[0]} has ended; it said {_CONTROL.sub(b' ', self._seen)[-300:]!r}")
        self.written += len(data)
        if len(self._seen) < _KEPT:
            self._seen += data
