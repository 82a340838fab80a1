"""The real console script as a subprocess, and real processes for it to watch."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCRIPT = str(Path(sys.executable).with_name("acceltop"))
SPIN = "print('ready', flush=True)\nwhile True: sum(range(1000))"


def acceltop(*arguments: str, cwd: Path | None = None, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    """Runs it to its end; both streams as text."""
    return subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, cwd=cwd, timeout=timeout_s)


def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Starts it; both streams are pipes."""
    return subprocess.Popen(
        [SCRIPT, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def one_line(result: subprocess.CompletedProcess[str]) -> str:
    """What stderr says, which must be one line of ours."""
    (line,) = result.stderr.splitlines()
    assert line.startswith("acceltop: ")
    return line


@contextmanager
def python(code: str = SPIN, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process that has said `ready`."""
    process = subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
