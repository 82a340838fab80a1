"""Targets that start in a moment, since what they load is loaded already: see `tests.targets.nursery`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path

from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[1]
_lock = threading.Lock()


class Forked:
    """Like a Popen of the process that a nursery has forked for us."""

    def __init__(self, pid: int, code: Path) -> None:
        self.pid, self._code = pid, code

    @property
    def returncode(self) -> int | None:
        said = self._code.read_text()
        return int(said) if said.endswith("\n") else None

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout_s: float = 120) -> int | None:
        wait_for(lambda: self.returncode is not None, timeout_s, f"the end of {self.pid}")
        return self.returncode

    def kill(self) -> None:
        if self.returncode is None:
            os.kill(self.pid, signal.SIGKILL)


def fork(module: str, arguments: tuple[str, ...], folder: Path) -> Forked:
    """Its streams go to the files `out` and `err` of the folder."""
    files = {name: folder / name for name in ("out", "err", "code")}
    for file in files.values():
        file.touch()
    wish = {"module": module, "arguments": arguments, **{name: str(file) for name, file in files.items()}}
    with _lock:
        nursery = _nursery()
        assert nursery.stdin is not None and nursery.stdout is not None
        nursery.stdin.write(f"{json.dumps(wish)}\n")
        nursery.stdin.flush()
        return Forked(int(nursery.stdout.readline()), files["code"])


@cache
def _nursery() -> subprocess.Popen[str]:
    """Ends with us: its input ends then."""
    command = [sys.executable, "-m", "tests.targets.nursery"]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
