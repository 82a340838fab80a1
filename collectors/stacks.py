"""Python stacks from outside the process: py-spy reads the target's memory now and then, and never stops it.

A short window of running threads now and then, the very first longer; after some a window of all threads, which tells
who waits, or of those that hold the GIL. Screens that show stacks get one every SEEN_S, those that show something else
every UNSEEN_S; a recording, which nobody can ask for more, has one every PERIOD_S, and the first few sooner. One start
of py-spy costs about 18 ms of CPU and one sample 0.4 ms.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO

from acceltop.profiler.attach import proc
from acceltop.profiler.clock import monotonic, now_ns
from acceltop.profiler.errors import Unavailable
from acceltop.profiler.model import Frame, Note, StackWindow
from acceltop.profiler.source import SourceContext
from acceltop.profiler.text import clean

SEEN_S, UNSEEN_S = 10.0, 55.0  # within the minute that screens show
PERIOD_S, EARLY_PERIOD_S, EARLY_ROUNDS = 30.0, 15.0, 2  # a day's recording needs fewer than a first look
RATE_HZ = 50
FIRST_WINDOW_S, WINDOW_S = 2, 1
SIDE_RATE_HZ, SIDE_WINDOW_S = 25, 1  # idle and GIL
HANG_S = 5.0  # py-spy that is this much over its window is killed
MAX_PIDS = 8  # at once; more take turns
MAX_BYTES = 4 << 20  # of one window's output
MAX_STACKS = 2000  # distinct ones in a window
MAX_STACK = 8192  # characters of one folded stack
IDLE_NOISE = 2  # samples more than expected before a stack counts as waiting
_SIDES = (None, "idle", None, None, "gil", None)  # by round, which counts from 1
_SUMMARY = re.compile(r"Samples: (\d+) Errors: (\d+)")
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


class Source:
    """StackWindows of the processes in `context.pids`. Raises Unavailable without py-spy or without a target."""

    name = "stacks"
    deadline_s = FIRST_WINDOW_S + SIDE_WINDOW_S + HANG_S

    def __init__(self) -> None:
        self._sampler: _Sampler | None = None
        self._context = SourceContext()
        self._began_s = float("-inf")
        self._round = 0
        self._told: set[int] = set()

    def open(self, context: SourceContext) -> Iterable[Frame]:
        if not context.pids:
            raise Unavailable("no process is watched, so there are no stacks", "name one: acceltop attach PID")
        self._context = context
        self._sampler = _Sampler(_find(context.options), context)
        return ()

    def poll(self) -> Iterable[Frame]:
        if self._sampler is None or monotonic() < self._began_s + self._period_s():
            return ()
        self._round += 1
        self._began_s = monotonic()
        return self._windows(self._sampler)

    def close(self) -> None:
        """Nothing to give back."""

    def _period_s(self) -> float:
        seen = self._context.stacks_seen
        if seen is not None:
            return SEEN_S if seen.is_set() else UNSEEN_S
        return EARLY_PERIOD_S if self._round <= EARLY_ROUNDS else PERIOD_S

    def _windows(self, sampler: _Sampler) -> Iterator[Frame]:
        pids = _turn([pid for pid in self._context.pids if proc.lives(pid)], self._round)
        kind = _SIDES[self._round % len(_SIDES)]
        began = now_ns()
        running = sampler.sample(pids, RATE_HZ, FIRST_WINDOW_S if self._round == 1 else WINDOW_S)
        side = {} if kind is None else sampler.sample(pids, SIDE_RATE_HZ, SIDE_WINDOW_S, f"--{kind}")
        for pid in pids:
            shot = running[pid]
            if shot.failure is not None:
                yield from self._failure(pid, shot.failure)
            elif shot.samples:
                yield _window(pid, began, shot, side.get(pid, _Shot()), kind)

    def _failure(self, pid: int, reason: str) -> Iterator[Frame]:
        """Said once a process; tried again all the same: an interpreter that only starts up has no stacks yet."""
        if pid in self._told or not proc.lives(pid):
            return
        self._told.add(pid)
        step = "run as the same user or root, or allow it: sysctl kernel.yama.ptrace_scope=0"
        denied = "ermission" in reason
        text = f"no Python stacks of process {pid}: {reason}"
        yield Note(now_ns(), "warning", "stacks.failed", clean(text, 400), step if denied else "", self.name, pid=pid)


@dataclass(frozen=True)
class _Shot:
    """One window of one process as py-spy gave it."""

    stacks: Mapping[str, int] = field(default_factory=dict)
    samples: int = 0
    errors: int = 0
    failure: str | None = None


@dataclass(frozen=True)
class _Run:
    """A py-spy under way, and what it writes into: without a name, so that nothing stays, however we end."""

    child: subprocess.Popen[bytes]
    output: IO[bytes]


class _Sampler:
    """Runs py-spy, for several processes at once."""

    def __init__(self, program: str, context: SourceContext) -> None:
        self._program, self._stop = program, context.stop

    def sample(self, pids: list[int], rate_hz: int, window_s: int, *extra: str) -> dict[int, _Shot]:
        runs = {pid: self._start(pid, rate_hz, window_s, extra) for pid in pids}
        end = monotonic() + window_s + HANG_S
        try:
            for run in runs.values():
                self._wait(run.child, end)
        finally:
            shots = {pid: self._collect(run) for pid, run in runs.items()}
        return shots

    def _start(self, pid: int, rate_hz: int, window_s: int, extra: tuple[str, ...]) -> _Run:
        output = tempfile.TemporaryFile()  # noqa: SIM115 - `_collect` closes it
        command = [self._program, "record", "--nonblocking", "--threads", "--format", "raw", "--pid", str(pid)]
        command += ["--rate", str(rate_hz), "--duration", str(window_s)]
        command += ["--output", f"/proc/self/fd/{output.fileno()}", *extra]
        # What it says is short (a few lines), so the pipe cannot fill up while nobody reads it.
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(output.fileno(),),
            start_new_session=True,  # Ctrl-C in the terminal is ours to handle
        )
        return _Run(child, output)

    def _wait(self, child: subprocess.Popen[bytes], end: float) -> None:
        self._stop.wait(end - HANG_S - monotonic())  # before that it is through only where it failed
        while child.poll() is None and monotonic() < end and not self._stop.wait(0.05):
            pass

    def _collect(self, run: _Run) -> _Shot:
        child = run.child
        hung = child.poll() is None
        if hung:
            child.kill()
        said = _ANSI.sub("", child.communicate()[0].decode(errors="replace"))
        with run.output:
            text = run.output.read(MAX_BYTES).decode(errors="replace")
        if self._stop.is_set():
            return _Shot()
        if hung:
            return _Shot(failure="py-spy did not finish")
        counts = _SUMMARY.search(said)
        if child.returncode != 0 or counts is None:
            return _Shot(failure=_reason(said))
        return _Shot(folded(text), int(counts[1]), int(counts[2]))


def folded(text: str) -> dict[str, int]:
    """`stack count` lines → stack → count; at most MAX_STACKS of MAX_STACK characters, the rest in `(other)`."""
    stacks: Counter[str] = Counter()
    for line in text.splitlines():
        stack, _, count = line.rpartition(" ")
        if stack and count.isascii() and count.isdigit() and len(count) < 10:
            name = _without_us(_thread_first(clean(stack, MAX_STACK)))
            if name is None:
                continue
            stacks[name if name in stacks or len(stacks) < MAX_STACKS else "(other)"] += int(count)
    return dict(stacks)


def _thread_first(stack: str) -> str:
    """py-spy's `thread (0x7f…): MainThread;…` or `thread (123): …` becomes `MainThread;…`."""
    thread, mark, rest = stack.partition(";")
    name = thread.partition("): ")[2]
    return f"{name or thread}{mark}{rest}"


def _without_us(stack: str) -> str | None:
    """The agent's own thread is no part of the job, nor are the frames of its hooks in the job's threads."""
    if "(<acceltop " not in stack:
        return stack
    if "(<acceltop core>" in stack or "(<acceltop boot>" in stack:
        return None
    return ";".join(frame for frame in stack.split(";") if "(<acceltop " not in frame)


def waiting(everyone: Mapping[str, int], running: Mapping[str, int], scale: float) -> dict[str, int]:
    """The samples of `everyone` that running threads do not account for; `scale` = their samples by running's."""
    left = {stack: count - round(running.get(stack, 0) * scale) for stack, count in everyone.items()}
    return {stack: count for stack, count in left.items() if count >= IDLE_NOISE}


def _window(pid: int, began_ns: int, shot: _Shot, side: _Shot, kind: str | None) -> StackWindow:
    scale = side.samples / shot.samples
    return StackWindow(
        began_ns,
        now_ns(),
        pid,
        "py-spy",
        float(RATE_HZ),
        shot.samples,
        shot.stacks,
        idle=waiting(side.stacks, shot.stacks, scale) if kind == "idle" else {},
        gil=side.stacks if kind == "gil" else {},
        errors=shot.errors,
    )


def _reason(said: str) -> str:
    """The first line in which py-spy names its trouble."""
    lines = [line.removeprefix("Error: ").strip() for line in said.splitlines()]
    return next((line for line in lines if line and not line.startswith("py-spy>")), "py-spy gave no samples")


def _turn(pids: list[int], round_: int) -> list[int]:
    first = (round_ - 1) * MAX_PIDS % len(pids) if len(pids) > MAX_PIDS else 0
    return (pids + pids)[first : first + MAX_PIDS] if len(pids) > MAX_PIDS else pids


def _find(options: Mapping[str, str]) -> str:
    """py-spy beside our own interpreter (a virtual environment that is not activated), else on the PATH."""
    wanted = options.get("stacks.program", "py-spy")
    beside = os.path.dirname(sys.executable)
    found = shutil.which(wanted, path=beside) or shutil.which(wanted)
    if found is None:
        raise Unavailable("py-spy is not installed, so there are no Python stacks", "pip install py-spy")
    return found
