"""acceltop beside a job, as a user starts it: `acceltop attach PID --json`, and what it says, with the time it came."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.job import Failed, wait_until

END_S = 15.0
GONE_S = 5.0  # what an agent has to leave the process
BASES = ("tmp", "dev/shm", "var/tmp")
ACCELTOP = (sys.executable, "-m", "acceltop")


class Watch:
    """Started by `with`, ended by Ctrl-C on leaving; the agent is then out of the process."""

    def __init__(self, pid: int, *options: str) -> None:
        self._pid = pid
        self._command = [*ACCELTOP, "attach", str(pid), "--json", *options]
        self._lines: list[tuple[int, bytes]] = []  # not decoded as they come: that would take time from the job
        self._news = threading.Condition()
        self._over = False

    def __enter__(self) -> Watch:
        self.started_ns = time.time_ns()
        self._stderr = tempfile.TemporaryFile()
        self.process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=self._stderr)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self.detach()
        except Failed:
            if error is None:
                raise

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self._lines.append((time.time_ns(), line))
                self._news.notify_all()
        with self._news:
            self._over = True
            self._news.notify_all()

    def wait_for(self, kind: str, count: int = 1, timeout_s: float = 30.0) -> int:
        """When the frame number `count` of that kind came, in ns since the epoch. Raises Failed."""
        with self._news:
            self._news.wait_for(lambda: self._over or len(self._came(kind)) >= count, timeout_s)
            came = self._came(kind)
        if len(came) < count:
            raise Failed(f"acceltop gave {len(came)} of {count} {kind} within {timeout_s:g} s{self._complaint()}")
        return came[count - 1]

    def frames(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Those that came so far."""
        with self._news:
            lines = [line for _, line in self._lines if kind is None or _is(kind, line)]
        return [json.loads(line) for line in lines]

    def notes(self, code: str) -> list[str]:
        """The texts of the Notes with that code."""
        return [note["text"] for note in self.frames("Note") if note["code"] == code]

    def detach(self) -> float:
        """Seconds from Ctrl-C until nothing of the agent is left in the process. Raises Failed after 5 s."""
        asked = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failed(f"acceltop did not end within {END_S:g} s of Ctrl-C") from None
        self._reader.join()
        wait_until(lambda: not agent_in(self._pid), GONE_S, "the agent out of the process")
        return time.monotonic() - asked

    def _came(self, kind: str) -> list[int]:
        return [at for at, line in self._lines if _is(kind, line)]

    def _complaint(self) -> str:
        if not self._over:
            return "".join(f": {note['text']}" for note in self.frames("Note") if note["level"] != "info")
        self._stderr.seek(0)
        said = self._stderr.read().decode(errors="replace").strip().splitlines()
        return f": {said[-1]}" if said else ""


def _is(kind: str, line: bytes) -> bool:
    return line.startswith(b'{"kind":"%s"' % kind.encode())


def agent_in(pid: int) -> bool:
    """Whether an agent serves in the process."""
    root = Path(f"/proc/{pid}/root")
    return any(any((root / base).glob(f"acceltop-{pid}-*")) for base in BASES)
