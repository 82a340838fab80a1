"""The picker of another machine: its processes come and go there, and Enter attaches to one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.profiler.cli.program import SCRIPT, python
from tests.remote.sshd import needs_sshd, serve
from tests.views.terminal import Terminal

# From outside nothing but a library of that name tells a framework.
LOADS = """
import mmap, sys, threading
file = open(sys.argv[1], 'rb')
kept = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
print('ready', flush=True)
threading.Event().wait()
"""


@contextmanager
def _picker(*words: str) -> Iterator[Terminal]:
    opened = Terminal([SCRIPT, "ssh", *words, "--only", "host", "--no-inject"], 120, 36, {})
    try:
        opened.wait(lambda text: "─ processes" in text, 60)
        yield opened
    finally:
        opened.close()


def _library(folder: Path) -> str:
    path = folder / "torch" / "lib" / "libtorch_python.so"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\0" * 4096)
    return str(path)


@needs_sshd
def test_a_job_that_starts_there_is_listed_and_can_be_attached_to(tmp_path: Path) -> None:
    library = _library(tmp_path)
    with serve(tmp_path) as server, _picker(*server.words, "127.0.0.1") as screen, python(LOADS, library) as job:
        screen.send(str(job.pid))  # the filter: other jobs may run here
        screen.wait(lambda text: any(str(job.pid) in line and "PyTorch" in line for line in text.splitlines()), 30)
        screen.send("\r")
        screen.wait(lambda text: "import mmap" in text)  # the filter's line gave way to the whole command
        screen.send("\r")
        screen.wait(lambda text: f"pid {job.pid}" in text.splitlines()[0], 60)
        screen.send("q")
        assert screen.ended()[0] == 0
        assert job.poll() is None
