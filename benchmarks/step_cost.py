"""How much slower is a job while something watches it? Segments with and without, in turns, within one run of the job.

python -m benchmarks.step_cost [--rounds 12] [--segment 5] [--jobs cnn,transformer,data_bound] [--weights 600]
                               [--watchers nothing,acceltop,…]

The job writes down when each of its steps ended. A watched segment is compared with the two unwatched ones around it;
many short segments in turns, since a machine changes its pace from one half minute to the next. `nothing` watches
nothing: what it shows is the noise of the machine. "Off the queue" is a step without the time in which its thread stood
in the queue for a processor: what else runs on the machine hardly shows there, while waiting for the agent does.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.job import JOBS, Failed, Job, Steps, go_first
from benchmarks.table import likely, markdown
from benchmarks.watch import Watch

from acceltop.profiler.numbers import duration

PYSPY = str(Path(sys.executable).with_name("py-spy"))


@contextmanager
def nothing(_job: Job) -> Iterator[None]:
    yield


@contextmanager
def acceltop(job: Job) -> Iterator[None]:
    """At its defaults, from its first word of the attached process on."""
    with Watch(job.pid) as watch:
        watch.wait_for("Steps")
        yield
        watch.wait_for("KernelWindow", timeout_s=10.0)


@contextmanager
def torch_profiler(job: Job) -> Iterator[None]:
    """On in every step, its results thrown away unread: the least that it can cost."""
    job.profile(True)
    yield
    job.profile(False)


@contextmanager
def py_spy(job: Job) -> Iterator[None]:
    """`py-spy record` at its defaults, which stop the process for each sample."""
    with tempfile.NamedTemporaryFile() as out:
        command = [PYSPY, "record", "--rate", "100", "--format", "raw", "--output", out.name, "--pid", str(job.pid)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            assert process.stdout is not None
            if "Sampling" not in (said := process.stdout.readline()):
                process.kill()
                raise Failed(f"py-spy: {said.strip()}")
            yield
            process.send_signal(signal.SIGINT)
            process.communicate()


WATCHERS: dict[str, Callable[[Job], AbstractContextManager[None]]] = {
    "nothing": nothing,
    "acceltop": acceltop,
    "torch.profiler always on": torch_profiler,
    "py-spy 100 Hz": py_spy,
}


@dataclass
class Found:
    """Of one watcher and job: a ratio for each pair, and the longest steps in s, as (whole, off the queue)."""

    mean: list[float] = field(default_factory=list)
    typical: list[float] = field(default_factory=list)
    off_queue: list[float] = field(default_factory=list)
    worst: tuple[float, float] = (0.0, 0.0)
    worst_alone: tuple[float, float] = (0.0, 0.0)

    def add(self, before: Steps, watched: Steps, after: Steps, whole: Steps) -> None:
        """`whole` is `watched` with the coming and going of the watcher."""
        self.mean.append(watched.mean / ((before.mean + after.mean) / 2))
        self.typical.append(median(watched.durations) / median([*before.durations, *after.durations]))
        self.off_queue.append(median(watched.off_queue) / median([*before.off_queue, *after.off_queue]))
        self.worst = _longest(self.worst, whole)
        self.worst_alone = _longest(self.worst_alone, before, after)

    def row(self, job: str, watcher: str) -> list[str]:
        ratios = [likely(pairs) for pairs in (self.mean, self.typical, self.off_queue)]
        return [job, watcher, *ratios, *(_both(worst) for worst in (self.worst_alone, self.worst))]


def _longest(known: tuple[float, float], *segments: Steps) -> tuple[float, float]:
    whole, off_queue = known
    return max(whole, *(max(of.durations) for of in segments)), max(off_queue, *(max(of.off_queue) for of in segments))


def _both(worst: tuple[float, float]) -> str:
    return " / ".join(duration(seconds * 1e9) for seconds in worst)


HEAD = (
    "job",
    "watched by",
    "step time ÷ without (mean of steps)",
    "(median of steps)",
    "(median, off the queue)",
    "worst step without / off the queue",
    "worst with / off the queue",
)


def measure(name: str, watchers: Sequence[str], rounds: int, segment_s: float) -> dict[str, Found]:
    """All watchers in turns on one run of the job."""
    found = {watcher: Found() for watcher in watchers}
    with Job(f"benchmarks.targets.{name}") as job:
        go_first(job.pid)
        before = _alone(job, segment_s)
        for turn in range(rounds):
            for watcher in _rotated(watchers, turn):
                watched, whole = _watched(job, watcher, segment_s)
                after = _alone(job, segment_s)
                found[watcher].add(before, watched, after, whole)
                before = after
        job.end()
    return found


def _rotated(watchers: Sequence[str], turn: int) -> Sequence[str]:
    """So that none always comes behind the same one."""
    first = turn % len(watchers)
    return [*watchers[first:], *watchers[:first]]


def _alone(job: Job, segment_s: float) -> Steps:
    begin, end = _pass(segment_s)
    _let_it_write()
    return job.steps(begin, end)


def _watched(job: Job, watcher: str, segment_s: float) -> tuple[Steps, Steps]:
    """The segment, and the same with coming and going."""
    arrived = time.time_ns()
    with WATCHERS[watcher](job):
        begin, end = _pass(segment_s)
    left = time.time_ns()
    _let_it_write()
    return job.steps(begin, end), job.steps(arrived, left)


def _pass(segment_s: float) -> tuple[int, int]:
    """Waits; begin and end in ns."""
    begin = time.time_ns()
    time.sleep(segment_s)
    return begin, time.time_ns()


def _let_it_write() -> None:
    """The job writes down its steps several times a second."""
    time.sleep(0.5)


def same_weights(name: str, steps: int) -> bool:
    """Whether `steps` steps end with the same weights, bit by bit, with acceltop beside them and without."""
    return _weights(name, steps, watched=False) == _weights(name, steps, watched=True)


def _weights(name: str, steps: int, watched: bool) -> str:
    with Job(f"benchmarks.targets.{name}", "--steps", str(steps), warm_steps=5) as job:
        if not watched:
            return job.end(ask=False)[1]
        with Watch(job.pid) as watch:
            watch.wait_for("KernelWindow")
            return job.end(ask=False)[1]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", default=",".join(JOBS), help="%(default)s")
    parser.add_argument("--watchers", default=",".join(WATCHERS), help="%(default)s")
    parser.add_argument("--rounds", type=int, default=12, help="pairs of each watcher and job (%(default)s)")
    parser.add_argument("--segment", type=float, default=5.0, help="seconds (%(default)s)")
    parser.add_argument("--weights", type=int, default=600, help="steps until the weights are compared; 0: don't")
    args = parser.parse_args(argv)
    rows, weights = [], []
    try:
        for name in args.jobs.split(","):
            found = measure(name, args.watchers.split(","), args.rounds, args.segment)
            rows += [of.row(name, watcher) for watcher, of in found.items()]
            if args.weights:
                same = same_weights(name, args.weights)
                weights.append(f"{name}: sha256 of the weights after {args.weights} steps, with acceltop and without: "
                               f"{'identical' if same else 'DIFFERENT'}")  # fmt: skip
    except Failed as error:
        print(f"step_cost: {error}", file=sys.stderr)
        return 1
    finally:
        print(markdown(HEAD, rows))
    print("\n" + "\n".join(weights))
    return 0


if __name__ == "__main__":
    sys.exit(main())
