"""A training job of the benchmarks in a process of its own, measured by its own clock."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parents[1]
JOBS = ("cnn", "transformer", "data_bound")
START_S = 120.0  # importing torch from a cold disk
WARM_STEPS = 50
RECORD = 16  # bytes that `targets.loop` writes down a step


class Failed(Exception):
    """A measurement that can't be made; the message is one line."""


def wait_until(condition: Callable[[], object], timeout_s: float, what: str) -> None:
    """Looks every 10 ms. Raises Failed."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise Failed(f"not within {timeout_s:g} s: {what}")
        time.sleep(0.01)


def go_first(pid: int) -> None:
    """What else runs on the machine gets out of the way of this process, the first of its session, where the kernel
    and the user's rights allow that."""
    with suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text("-19")


class Job:
    """Runs `python -m MODULE` from the start of `with` (when it has warmed up) to its end."""

    def __init__(self, module: str, *arguments: str, warm_steps: int = WARM_STEPS) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="bench-")
        self._log = Path(self._folder.name) / "steps"
        self._stderr = Path(self._folder.name) / "stderr"
        self._module, self._arguments, self._warm_steps = module, arguments, warm_steps

    def __enter__(self) -> Job:
        command = [sys.executable, "-m", self._module, "--log", str(self._log), *self._arguments]
        with self._stderr.open("w") as errors:
            self._process = subprocess.Popen(
                command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True
            )
        self.pid = self._process.pid
        try:
            wait_until(self._warm, START_S, f"the first {self._warm_steps} steps of {self._module}")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        code = self._process.poll()
        self._process.kill()
        self._process.communicate()
        words = self._last_words()
        self._folder.cleanup()
        if code and isinstance(error, Failed) and self._module not in str(error):
            raise Failed(f"{error}; {self._module} ended with code {code}: {words}") from error

    def _warm(self) -> bool:
        done = self._log.stat().st_size // RECORD if self._log.exists() else 0
        if done < self._warm_steps and self._process.poll() is not None:
            raise Failed(f"{self._module} ended with code {self._process.returncode}: {self._last_words()}")
        return done >= self._warm_steps

    def _last_words(self) -> str:
        return (self.errors().strip().splitlines() or ["it said nothing"])[-1]

    def errors(self) -> str:
        """All that it has written to stderr."""
        return self._stderr.read_text(errors="replace")

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def profile(self, on: bool) -> None:
        """Its own torch.profiler, from the next step on."""
        self._process.send_signal(signal.SIGUSR1 if on else signal.SIGUSR2)

    def end(self, timeout_s: float = 60.0, ask: bool = True) -> tuple[int, str]:
        """Its exit code and the sha256 of its weights, once it ends: at once when `ask`ed to."""
        if ask:
            self._process.terminate()
        try:
            said, _ = self._process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self._module} did not end within {timeout_s:g} s") from None
        if self._process.returncode != 0 or not said.strip():
            raise Failed(f"{self._module} ended with code {self._process.returncode}: {self._last_words()}")
        return self._process.returncode, said.split()[-1]

    def steps(self, begin_ns: int = 0, end_ns: int = 1 << 62) -> Steps:
        """Those that lie wholly between the two times."""
        data = self._log.read_bytes()
        log = array("q", data[: len(data) // RECORD * RECORD])
        ends, waited = log[0::2], log[1::2]
        these = slice(bisect_left(ends, begin_ns), bisect_right(ends, end_ns))
        return Steps(ends[these], waited[these])


class Steps:
    """Consecutive steps; `ends` are the ends of the one before them and of each, in ns since the epoch. `waited`: how
    long its thread had stood in the queue for a processor by then, in ns."""

    def __init__(self, ends: array[int], waited: array[int]) -> None:
        self.ends = ends
        self.durations = [(b - a) / 1e9 for a, b in zip(ends, ends[1:], strict=False)]  # s
        queued = [(b - a) / 1e9 for a, b in zip(waited, waited[1:], strict=False)]
        self.off_queue = [whole - queue for whole, queue in zip(self.durations, queued, strict=True)]  # s
        if len(self.durations) < 2:
            raise Failed("the job did fewer than two steps in the time that was to be measured")

    @property
    def mean(self) -> float:
        return sum(self.durations) / len(self.durations)
