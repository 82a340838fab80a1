"""One run of the training job with acceltop attached for a number of windows: all that the measurements read later."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.job import Failed, Job, Steps
from benchmarks.watch import Watch

FIRST_S = 90.0  # the first window may have to wait for CUPTI, which instruments every loaded module
WINDOW_S = 2.5  # windows come so often, as a rule
REATTACHED = 5
LOOK_S = 1.0
_KIB = 1024


@dataclass
class Run:
    """Times in ns since the epoch. What could not be had is in `problems`; the rest is there all the same."""

    before: tuple[int, int] = (0, 0)  # nothing attached yet
    attached: tuple[int, int] = (0, 0)  # from starting acceltop to its end
    after: tuple[int, int] = (0, 0)
    gone_s: float | None = None  # from Ctrl-C until the agent had left
    frames: list[dict[str, Any]] = field(default_factory=list)
    again: list[dict[str, Any]] = field(default_factory=list)  # of a second attach
    memory: list[tuple[int, int]] = field(default_factory=list)  # time, resident bytes of the job
    steps: Steps | None = None
    exit_code: int | None = None
    errors: str = ""  # what the job said on stderr
    problems: list[str] = field(default_factory=list)

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The frames of one kind, of the first attach. Raises Failed when there are none."""
        found = [frame for frame in self.frames if frame["kind"] == kind]
        if not found:
            raise Failed(f"acceltop sent no {kind}" + (f" ({self.problems[0]})" if self.problems else ""))
        return found

    def within(self, begin_ns: int, end_ns: int) -> list[tuple[int, int]]:
        """Begin and end of the steps that lie wholly in between. Raises Failed when there are none."""
        if self.steps is None:
            raise Failed("the job's steps were not recorded" + (f" ({self.problems[0]})" if self.problems else ""))
        ends = self.steps.ends
        found = [(a, b) for a, b in zip(ends, ends[1:], strict=False) if begin_ns <= a and b <= end_ns]
        if not found:
            raise Failed("the job did no step in the time that was to be measured")
        return found


def collect(windows: int, seconds: float) -> Run:
    """The job alone for `seconds`, then attached for so many `windows`, alone again, and attached once more."""
    run = Run()
    try:
        with Job("tools.gpu.training") as job, _memory_of(job.pid, run.memory):
            run.before = _alone(seconds)
            _attached(run, job, windows)
            run.after = _alone(seconds)
            _again(run, job)
            time.sleep(0.5)  # the job writes down its steps several times a second
            run.steps, run.errors = job.steps(), job.errors()
            run.exit_code = job.end()[0]
            run.errors = job.errors()
    except (Failed, OSError) as error:
        run.problems.append(str(error))
    return run


def _alone(seconds: float) -> tuple[int, int]:
    begin = time.time_ns()
    time.sleep(seconds)
    return begin, time.time_ns()


def _attached(run: Run, job: Job, windows: int) -> None:
    watch = Watch(job.pid)
    try:
        with watch:
            watch.wait_for("KernelWindow", timeout_s=FIRST_S)
            _take(run, watch, windows)
            run.gone_s = watch.detach()
    except Failed as error:
        run.problems.append(str(error))
    run.attached = watch.started_ns, time.time_ns()
    run.frames = watch.frames()


def _take(run: Run, watch: Watch, windows: int) -> None:
    """So many windows, or those that came in the time: a job of very many events gets fewer."""
    try:
        watch.wait_for("KernelWindow", windows, timeout_s=windows * WINDOW_S)
    except Failed as error:
        run.problems.append(str(error))


def _again(run: Run, job: Job) -> None:
    watch = Watch(job.pid)
    try:
        with watch:
            watch.wait_for("KernelWindow", REATTACHED, timeout_s=FIRST_S)
    except Failed as error:
        run.problems.append(f"second attach: {error}")
    run.again = watch.frames()


class _memory_of:
    """Notes the resident memory of a process once a second."""

    def __init__(self, pid: int, into: list[tuple[int, int]]) -> None:
        self._status, self._into = Path(f"/proc/{pid}/status"), into
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(LOOK_S):
            with suppress(OSError):  # it has ended: the run notices
                words = self._status.read_text().partition("VmRSS:")[2].split()
                if words:
                    self._into.append((time.time_ns(), int(words[0]) * _KIB))
