"""The real program on a real pseudo-terminal, from the keyboard's side."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
from time import monotonic

from tests.profiler.cli.program import SCRIPT


class Terminal:
    """Starts acceltop on a terminal of 120×36; `seen` is all it has written."""

    def __init__(self, *arguments: str, cwd: str | None = None) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 36, 120, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8"}
        self.process = subprocess.Popen(
            [SCRIPT, *arguments], stdin=slave, stdout=slave, stderr=slave, cwd=cwd, env=environment
        )
        os.close(slave)
        self.seen = b""

    def read_until(self, text: str, timeout_s: float = 60.0) -> None:
        """Until `text` has been written; fails the test when it does not come."""
        end = monotonic() + timeout_s
        while text.encode() not in self.seen:
            assert self._read(end - monotonic()), f"no {text!r} in {self.seen[-2000:]!r}"

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def exit_code(self, timeout_s: float = 60.0) -> int:
        """Reads on, so that it can end."""
        end = monotonic() + timeout_s
        while self.process.poll() is None and monotonic() < end:
            self._read(0.1)
        return self.process.wait(1)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)

    def _read(self, timeout_s: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], max(0.0, timeout_s))
        try:
            data = os.read(self._master, 65536) if ready else b""
        except OSError:  # the other end is closed
            data = b""
        self.seen += data
        return bool(data)
