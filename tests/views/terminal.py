"""A program in a real terminal: a pty whose output pyte turns into a screen."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

import pyte


class Terminal:
    """Runs a program; `wait` reads until its screen fulfils a condition."""

    def __init__(self, argv: list[str], columns: int, rows: int, environ: dict[str, str]) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.written = b""
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.execvpe(argv[0], argv, {**os.environ, "TERM": "xterm-256color", **environ})
        self.resize(columns, rows)

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.screen.resize(rows, columns)

    def send(self, keys: str | bytes) -> None:
        os.write(self._fd, keys.encode() if isinstance(keys, str) else keys)

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display)

    def wait(self, condition: Callable[[str], bool], timeout_s: float = 60.0) -> str:
        end = monotonic() + timeout_s
        while not condition(self.text):
            assert monotonic() < end, f"not within {timeout_s} s; the screen:\n{self.text}"
            assert self._read(0.05), f"it ended; the screen:\n{self.text}"
        return self.text

    def ended(self, timeout_s: float = 60.0) -> tuple[int, float]:
        """Exit code, and how many seconds it took from now."""
        begin = monotonic()
        while self._read(0.02):
            assert monotonic() < begin + timeout_s, f"it goes on; the screen:\n{self.text}"
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return os.waitstatus_to_exitcode(status), monotonic() - begin

    def _read(self, patience_s: float) -> bool:
        """False: the program has closed the terminal."""
        if not select.select([self._fd], [], [], patience_s)[0]:
            return True
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # EIO: nobody holds the other end
            return False
        self.written += data
        self._stream.feed(data)
        return bool(data)

    def close(self) -> None:
        if self.pid:
            os.kill(self.pid, 9)
            os.waitpid(self.pid, 0)
        os.close(self._fd)


@contextmanager
def terminal(code: str, columns: int = 100, rows: int = 30, **environ: str) -> Iterator[Terminal]:
    """A Python program in a terminal."""
    opened = Terminal([sys.executable, "-c", code], columns, rows, environ)
    try:
        yield opened
    finally:
        opened.close()
