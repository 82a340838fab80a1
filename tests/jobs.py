"""Training jobs of `tests/targets` as real processes, and acceltop run on them through its console script."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.nursery import ROOT, Forked, fork
from tests.profiler.cli.program import SCRIPT, start
from tests.waiting import wait_for

from acceltop.profiler.errors import TraceError
from acceltop.profiler.model import Steps
from acceltop.profiler.trace.reader import TraceReader

ENOUGH = {"Steps": 4, "KernelWindow": 3}  # of some five seconds


class Job:
    """One running target. Its streams go to files: it never waits for a reader."""

    def __init__(self, target: str, *arguments: str, forked: bool = False) -> None:
        """`forked`: it starts in a moment, but under the command line of the one that it is forked from."""
        self._folder = tempfile.TemporaryDirectory(prefix="job-")
        folder, module = Path(self._folder.name), f"tests.targets.{target}"
        self._out, self._err, self._stop = (folder / name for name in ("out", "err", "stop"))
        arguments = (*arguments, "--stop", str(self._stop))
        self.process: subprocess.Popen[bytes] | Forked
        if forked:
            self.process = fork(module, arguments, folder)
        else:
            command = [sys.executable, "-m", module, *arguments]
            with self._out.open("wb") as out, self._err.open("wb") as err:
                self.process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=err)

    @property
    def pid(self) -> int:
        return self.process.pid

    def output(self) -> str:
        return self._out.read_text()

    def errors(self) -> str:
        return self._err.read_text()

    def wait_ready(self) -> None:
        wait_for(lambda: "ready" in self.output() or self.process.poll() is not None, 60, "the job is ready")
        assert self.process.poll() is None, self.errors()

    def stop(self) -> None:
        """It comes to its end within some steps."""
        self._stop.touch()

    def result(self) -> dict[str, Any]:
        """What the job says at its end."""
        self.process.wait(120)
        (line,) = [line for line in self.output().splitlines() if line.startswith("{")]
        said: dict[str, Any] = json.loads(line)
        return said

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._folder.cleanup()


@contextmanager
def job(target: str, *arguments: str, forked: bool = False) -> Iterator[Job]:
    """A job that has done its first steps."""
    running = Job(target, *arguments, forked=forked)
    try:
        running.wait_ready()
        yield running
    finally:
        running.close()


def record(trace: Path, *words: str, enough: Mapping[str, int] = ENOUGH) -> dict[str, Any]:
    """The report of what acceltop, called with these words, has recorded once so many frames of these kinds are there:
    on a busy machine they come later."""
    recorder = start(*words, "-o", str(trace))
    try:
        wait_for(lambda: recorder.poll() is not None or counted(trace) >= Counter(enough), 90, str(enough), 0.25)
    finally:
        recorder.terminate()
        _, said = recorder.communicate(timeout=60)
    assert recorder.returncode == 0, said
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


def counted(trace: Path) -> Counter[str]:
    """How many frames of each kind are in a trace so far; it may still be written, or not be there yet."""
    try:
        with TraceReader(trace) as reader:
            return Counter(type(frame).__name__ for frame in reader.frames())
    except TraceError:
        return Counter()


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
    process.communicate(timeout=60)
