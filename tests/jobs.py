"""Training jobs of `tests/targets` as real processes, and acceltop run on them through its console script."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

from tests.profiler.cli.program import SCRIPT
from tests.waiting import wait_for

from acceltop.profiler.errors import TraceError
from acceltop.profiler.model import Steps
from acceltop.profiler.trace.reader import TraceReader

ROOT = Path(__file__).resolve().parents[1]


class Job:
    """One running target. Its streams go to files: it never waits for a reader."""

    def __init__(self, target: str, *arguments: str, **environment: str) -> None:
        self._out: IO[str] = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed by `close`)
        self._err: IO[str] = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"tests.targets.{target}", *arguments],
            cwd=ROOT,
            stdout=self._out,
            stderr=self._err,
            env={**os.environ, **environment},
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def output(self) -> str:
        return _text(self._out)

    def errors(self) -> str:
        return _text(self._err)

    def wait_ready(self) -> None:
        wait_for(lambda: "ready" in self.output() or self.process.poll() is not None, 60, "the job is ready")
        assert self.process.poll() is None, self.errors()

    def result(self, timeout_s: float = 120) -> dict[str, Any]:
        """What the job says at its end."""
        self.process.wait(timeout_s)
        (line,) = [line for line in self.output().splitlines() if line.startswith("{")]
        said: dict[str, Any] = json.loads(line)
        return said

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._out.close()
        self._err.close()


def _text(stream: IO[str]) -> str:
    """All that was written so far, without moving the position at which the child writes."""
    return os.pread(stream.fileno(), 1 << 24, 0).decode()


@contextmanager
def job(target: str, *arguments: str, **environment: str) -> Iterator[Job]:
    """A job that has done its first steps."""
    running = Job(target, *arguments, **environment)
    try:
        running.wait_ready()
        yield running
    finally:
        running.close()


def record(pid: int | str, seconds: float, trace: Path, *options: str) -> dict[str, Any]:
    """The report of a recording of that many seconds, through the files and verbs that a user has."""
    command = [SCRIPT, "record", str(pid), "-o", str(trace), "--duration", f"{seconds}s", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60)
    assert done.returncode == 0, done.stderr
    return report(trace)


def report(trace: Path) -> dict[str, Any]:
    done = subprocess.run([SCRIPT, "report", str(trace), "--json"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def own_steps(trace: Path, said: dict[str, Any]) -> list[float]:
    """How long the steps of a trace took (s) by the job's own clock. Other steps, of a busier second, say nothing."""
    with TraceReader(trace) as reader:
        seen = [frame for frame in reader.frames() if isinstance(frame, Steps)]
    spans = [(frame.first_index, frame.first_index + len(frame.duration_ns)) for frame in seen]
    assert all(a[1] == b[0] for a, b in pairwise(spans)), f"steps are missing: {spans}"
    ends = [end for end in said["ends"] if end * 1e9 >= seen[0].start_ns]
    return [b - a for a, b in pairwise(ends)][: sum(len(frame.duration_ns) for frame in seen)]


def kinds(trace: Path) -> set[str]:
    """Of the Frames in a trace so far; it may still be written, or not be there yet."""
    try:
        with TraceReader(trace) as reader:
            return {type(frame).__name__ for frame in reader.frames()}
    except TraceError:
        return set()


def traces_of_us(pid: int) -> list[str]:
    """What an agent has left in a process, or beside it: threads, sockets, files. Empty when it has gone."""
    left = [str(path) for base in ("/tmp", "/dev/shm", "/var/tmp") for path in Path(base).glob(f"acceltop-{pid}-*")]
    with Path("/proc/net/unix").open() as sockets:
        left += [line for line in sockets if f"/acceltop-{pid}-" in line]
    return left


def descriptors(pid: int) -> list[str]:
    """Where the open descriptors of a process point, sorted."""
    folder = Path(f"/proc/{pid}/fd")
    return sorted(os.readlink(entry) for entry in folder.iterdir())


def threads(pid: int) -> list[str]:
    """Names of the threads of a process, sorted."""
    return sorted((task / "comm").read_text().strip() for task in Path(f"/proc/{pid}/task").iterdir())


def frames(pid: int, *options: str) -> subprocess.Popen[str]:
    """acceltop that streams the job's Frames; only the agent, to be quick."""
    command = [SCRIPT, "record", str(pid), "-o", "-", "--only", "agent", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # a test that fails shows what it said


def lines(process: subprocess.Popen[str], kind: str) -> Iterator[str]:
    assert process.stdout is not None
    return (line for line in process.stdout if f'"kind":"{kind}"' in line)


def end(process: subprocess.Popen[str], how: signal.Signals = signal.SIGTERM) -> None:
    process.send_signal(how)
    process.communicate(timeout=20)
