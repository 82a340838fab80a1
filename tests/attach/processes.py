"""Real processes to attach to."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from glob import glob
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import wait_for

from acceltop.profiler.attach import proc
from acceltop.profiler.attach.inject import Injection, inject

_READY = "ready"
MINORS = (8, 9, 10, 11, 12, 13, 14, 15)


@cache
def python(minor: int) -> str:
    """A real Python 3.`minor` program (no shim); skips the test where there is none."""
    root = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    named = shutil.which(f"python3.{minor}")
    for path in [*glob(f"{root}/versions/3.{minor}.*/bin/python3.{minor}"), *([named] if named else [])]:
        asked = subprocess.run([path, "-c", "import sys; print(sys.version_info[1])"], capture_output=True, text=True)
        if asked.stdout.strip() == str(minor):
            return path
    return ""


def python_or_skip(minor: int) -> str:
    """The same, for tests that can do without."""
    path = python(minor)
    if not path:
        pytest.skip(f"no Python 3.{minor} on this machine")
    return path


@contextmanager
def running(code: str, *arguments: str, program: str = sys.executable) -> Iterator[subprocess.Popen[str]]:
    """`code` in a process of its own, from the moment it called `ready()`; ended at the end of the block."""
    prelude = f"def ready(): print({_READY!r}, flush=True)\n"
    process = subprocess.Popen(
        [program, "-c", prelude + code, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout
        assert process.stdout.readline().strip() == _READY
        yield process
    finally:
        process.kill()
        process.communicate()


def finish(process: subprocess.Popen[str], timeout_s: float = 60.0) -> str:
    """Tell it to come to its end (it reads a line) and give what it printed."""
    output, _ = process.communicate("\n", timeout=timeout_s)
    return output


def state(pid: int) -> str:
    """The letter of /proc/PID/stat."""
    return proc.stat(pid).state


def tracer(pid: int) -> int:
    """Who traces it, 0 for nobody."""
    return int(proc.status(pid)["TracerPid"])


def descriptors(pid: int) -> list[str]:
    """What it has open."""
    return sorted(os.listdir(f"/proc/{pid}/fd"))


def leftovers(pid: int) -> list[Path]:
    """Our directories that belong to the target `pid`: its line names the PID."""
    found = []
    for base in ("/tmp", "/dev/shm", "/var/tmp"):
        for start in Path(base).glob("acceltop-*/start.py"):
            with suppress(OSError):
                if f"os.getpid()=={pid}:" in start.read_text():
                    found.append(start.parent)
    return found


class Answer:
    """A source that leaves a JSON document when it runs, and the waiting for it."""

    def __init__(self, folder: Path, expression: str = "None") -> None:
        self._file = folder / f"answer-{os.urandom(4).hex()}"
        self.source = (
            f"import json, os\nwith open({str(self._file) + '.part'!r}, 'w') as f: json.dump({expression}, f)\n"
            f"os.rename({str(self._file) + '.part'!r}, {str(self._file)!r})\n"
        )

    def came(self) -> bool:
        """Whether it ran."""
        return self._file.exists()

    def wait(self, timeout_s: float = 30.0) -> Any:
        """Its document."""
        wait_for(self.came, timeout_s, "the injected code to run")
        return json.loads(self._file.read_text())


def ask(pid: int, folder: Path, expression: str = "None", method: str = "auto") -> tuple[Injection, Any]:
    """Inject, wait for the value of `expression` in the target, clean up."""
    answer = Answer(folder, expression)
    injection = inject(pid, answer.source, method=method)
    try:
        return injection, answer.wait()
    finally:
        injection.discard()
