"""What acceltop costs a job from moment to moment: while its agent does something, beside the time around that.

python -m benchmarks.agent_cost [--attaches 4] [--seconds 40] [--jobs cnn,transformer,data_bound]

A machine's pace changes by more than is to be found, but not from one tenth of a second to the next. The agent's own
frames tell when it opened, closed and read a window ("windows"), and when it told of steps and of their cost
("telling"): how far the job got then is compared with the rest of the 1.5 s before and after. The hooks, which are in
every step, are measured apart: on and off in turns around steps that do next to nothing. "Of nothing" is the same
comparison for moments at which nothing happened: what it shows beside 1 is the machine. "Off the queue": without the
time in which the step's thread stood in the queue for a processor. In brackets where a value lies in 19 of 20 cases
(bootstrap over the windows). Not in it: what acceltop's own process takes, on whatever processor (`recorder`).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

import numpy as np
import numpy.typing as npt
from benchmarks.hooks_cost import hooks_s
from benchmarks.job import JOBS, Failed, Job, Steps, go_first
from benchmarks.table import markdown
from benchmarks.watch import Watch

NS = 1_000_000_000
GRID_NS = 1_000_000
REACH = 1500  # of the grid: so near is what a moment is compared with
OPENING_NS, READING_NS = 5_000_000, 400_000_000  # before a window, and from its end until it has been read
TELLING_NS = 2_000_000
NOTHING_NS = 800_000_000  # so long after something happened nothing does
FIRST_S = 5.0  # of an attach: they count apart
APART_S = 4.0  # unwatched, before each attach and after the last
RESAMPLED = 4000
HEAD = (
    "job",
    "windows",
    "step time ÷ without",
    "(off the queue)",
    "by windows",
    "by telling",
    "by hooks",
    "of nothing",
    "agent's thread, of a core",
    "first 5 s, CPU ms",
)

Numbers = npt.NDArray[np.float64]
Which = npt.NDArray[np.bool_]
Span = tuple[int, int]
"""Begin and end in ns since the epoch."""


@dataclass(frozen=True)
class Attach:
    """When it came, was past its first seconds, and left; what its agent did; the CPU time of the agent's thread."""

    begin_ns: int
    steady_ns: int
    end_ns: int
    windows: list[Span]
    tellings: list[Span]
    first_cpu_s: float
    cpu_s: float  # after the first seconds

    @property
    def steady_s(self) -> float:
        return (self.end_ns - self.steady_ns) / NS


def attach(job: Job, seconds: float) -> Attach:
    """Stays for so long after the first seconds."""
    others = _threads(job.pid)
    with Watch(job.pid) as watch:
        watch.wait_for("Steps")
        time.sleep(FIRST_S)
        steady_ns, first_cpu_s = time.time_ns(), _cpu_s(job.pid, others)
        time.sleep(seconds)
        end_ns, cpu_s = time.time_ns(), _cpu_s(job.pid, others) - first_cpu_s
        windows, tellings = _windows(watch), list(_tellings(watch))
    return Attach(watch.started_ns, steady_ns, end_ns, windows, tellings, first_cpu_s, cpu_s)


def _threads(pid: int) -> set[str]:
    return {path.name for path in Path(f"/proc/{pid}/task").iterdir()}


def _cpu_s(pid: int, others: set[str]) -> float:
    """Of the threads that have come to those."""
    new = _threads(pid) - others
    return sum(int(Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()[0]) for thread in new) / NS


def _windows(watch: Watch) -> list[Span]:
    return [(frame["t0_ns"] - OPENING_NS, frame["t1_ns"] + READING_NS) for frame in watch.frames("KernelWindow")]


def _tellings(watch: Watch) -> Iterator[Span]:
    for frame in watch.frames("Steps"):  # told in the midst of the step after them
        end_ns = frame["start_ns"] + sum(frame["duration_ns"])
        yield end_ns, end_ns + frame["duration_ns"][-1] + TELLING_NS
    for frame in watch.frames("Cost"):
        yield frame["time_ns"], frame["time_ns"] + TELLING_NS


class Account:
    """Of a run of the job, millisecond by millisecond: how far its steps got, and what else happened.

    By time and not by steps: those that a moment falls into are the longer ones, also if nothing happens in it.
    """

    def __init__(self, steps: Steps, attaches: Sequence[Attach]) -> None:
        self._steps = steps
        self._grid = np.arange(steps.ends[0], steps.ends[-1], GRID_NS)
        self._margin_ns = int(1.5 * median(steps.durations) * NS)  # what is felt is felt in a whole step
        self._progress = np.diff(np.interp(self._grid, steps.ends, np.arange(len(steps.ends))))
        windows = [span for each in attaches for span in each.windows]
        tellings = [span for each in attaches for span in each.tellings]
        self.windows = self._at(windows)
        self.telling = self._at(tellings) & ~self.windows
        self.steady = self._at((each.steady_ns, each.end_ns) for each in attaches)
        odd = self._at(_coming_and_going(attaches)) | self.windows | self.telling
        later = ((begin + NOTHING_NS, end + NOTHING_NS) for begin, end in (*windows, *tellings))
        self.nothing = self._at(later) & ~odd
        self._rest = ~odd & ~self.nothing
        self._cycle = np.searchsorted(np.sort([begin for begin, _ in windows]), self._grid[:-1])

    def _at(self, spans: Iterable[Span]) -> Which:
        which = np.zeros(len(self._grid) - 1, dtype=np.bool_)
        for begin, end in spans:
            first, last = (np.array((begin - self._margin_ns, end + self._margin_ns)) - self._grid[0]) // GRID_NS
            which[max(0, first) : max(0, last)] = True
        return which

    def share(self, durations: Sequence[float], which: Which, chance: np.random.Generator) -> Numbers:
        """What was added in `which` part of the steady time, as a share of what the steps would have taken: the value,
        and between what it lies. `durations` of the steps in s, by whatever clock."""
        took = np.diff(np.interp(self._grid, self._steps.ends, np.concatenate(([0.0], np.cumsum(durations)))))
        added = np.bincount(self._cycle, np.where(which & self.steady, took - self._usual(took), 0.0))
        whole = np.bincount(self._cycle, np.where(self.steady, took, 0.0))
        added, whole = added[whole > 0], whole[whole > 0]
        drawn = chance.integers(len(whole), size=(RESAMPLED, len(whole)))
        shares = added[drawn].sum(1) / (whole[drawn] - added[drawn]).sum(1)
        return np.array((added.sum() / (whole - added).sum(), *np.percentile(shares, (2.5, 97.5))))

    def _usual(self, took: Numbers) -> Numbers:
        """What the progress of each millisecond takes around it when nothing happens."""
        rest = self._around(np.where(self._rest, self._progress, 0.0))
        if not rest[self.steady].all():
            raise Failed("the agent was busy all the time: nothing to compare with")
        return self._progress * self._around(np.where(self._rest, took, 0.0)) / np.maximum(rest, 1e-9)

    def _around(self, values: Numbers) -> Numbers:
        """The sums over all within reach of each."""
        sums = np.concatenate(([0.0], np.cumsum(values)))
        at = np.arange(len(values))
        return sums[np.minimum(at + REACH, len(values))] - sums[np.maximum(at - REACH, 0)]


def _coming_and_going(attaches: Iterable[Attach]) -> Iterator[Span]:
    for each in attaches:
        yield each.begin_ns, each.steady_ns
        yield each.end_ns, each.end_ns + int(APART_S / 2 * NS)


def measure(name: str, times: int, seconds: float, hooks: float) -> list[str]:
    """The row of one job; `hooks`: seconds that they take of a step."""
    attaches = []
    with Job(f"benchmarks.targets.{name}") as job:
        go_first(job.pid)
        for _ in range(times):
            time.sleep(APART_S)
            attaches.append(attach(job, seconds))
        time.sleep(APART_S)
        steps = job.steps()
        job.end()
    return row(name, steps, attaches, hooks)


def row(name: str, steps: Steps, attaches: Sequence[Attach], hooks: float) -> list[str]:
    account, chance = Account(steps, attaches), np.random.default_rng(0)
    both, always = account.windows | account.telling, hooks / steps.mean
    ratios = (1 + always + account.share(took, both, chance) for took in (steps.durations, steps.off_queue))
    parts = [account.share(steps.durations, which, chance) for which in (account.windows, account.telling)]
    nothing = 1 + account.share(steps.durations, account.nothing, chance)
    cpu = sum(each.cpu_s for each in attaches) / sum(each.steady_s for each in attaches)
    windows = sum(len(each.windows) for each in attaches)
    first_ms = fmean(each.first_cpu_s for each in attaches) * 1e3
    shares = [f"{100 * part[0]:.2f} %" for part in parts]
    ends = [f"{100 * always:.2f} %", _between(nothing), f"{100 * cpu:.2f} %", f"{first_ms:.0f}"]
    return [name, str(windows), *(_between(ratio) for ratio in ratios), *shares, *ends]


def _between(value: Numbers) -> str:
    return "{:.4f} ({:.4f} … {:.4f})".format(*value)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", default=",".join(JOBS), help="%(default)s")
    parser.add_argument("--attaches", type=int, default=4, help="of each job (%(default)s)")
    parser.add_argument("--seconds", type=float, default=40.0, help="of each after its first 5 (%(default)s)")
    args = parser.parse_args(argv)
    rows = []
    try:
        hooks = hooks_s()
        for name in args.jobs.split(","):
            rows.append(measure(name, args.attaches, args.seconds, hooks))
    except Failed as error:
        print(f"agent_cost: {error}", file=sys.stderr)
        return 1
    finally:
        print(markdown(HEAD, rows))
    print(f"\nhooks: {hooks * 1e6:.1f} µs a step")
    return 0


if __name__ == "__main__":
    sys.exit(main())
