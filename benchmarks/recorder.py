"""What `acceltop record` takes: CPU time and memory, with everything that it starts, and the trace's size an hour.

python -m benchmarks.recorder [--seconds 60] [--jobs cnn,transformer,data_bound]

The first seconds (start and attaching) count apart. RSS of several processes counts shared pages twice; PSS doesn't.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from benchmarks.job import JOBS, Failed, Job, wait_until
from benchmarks.table import markdown
from benchmarks.watch import ACCELTOP, END_S

from acceltop.profiler.numbers import percent, size

WARM_S = 10.0
LOOK_S = 0.5
HEAD = ("job", "start, CPU s", "CPU of a core", "of it children", "most RSS", "most PSS, all", "trace an hour")


@dataclass(frozen=True)
class Load:
    """`cpu_s` of the recorder and of all that it has started so far, `own_s` of itself alone."""

    cpu_s: float
    own_s: float
    rss: int  # of the recorder alone
    pss: int  # with its children


def load(process: psutil.Process) -> Load:
    """Now."""
    own = process.cpu_times()
    cpu_s, pss = own.user + own.system + own.children_user + own.children_system, process.memory_full_info().pss
    for child in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # its time is in that of its parent by now
            times = child.cpu_times()
            cpu_s += times.user + times.system + times.children_user + times.children_system
            pss += child.memory_full_info().pss
    return Load(cpu_s, own.user + own.system, process.memory_info().rss, pss)


@contextmanager
def recording(pid: int, trace: Path) -> Iterator[psutil.Process]:
    """`acceltop record` of the process at its defaults."""
    command = [*ACCELTOP, "record", str(pid), "-o", str(trace)]
    with tempfile.TemporaryFile("w+") as errors, subprocess.Popen(command, stderr=errors) as process:
        try:
            yield psutil.Process(process.pid)
            process.send_signal(signal.SIGINT)
            if process.wait(END_S) != 0:
                errors.seek(0)
                raise Failed(f"acceltop record: {(errors.read().strip().splitlines() or ['it failed'])[-1]}")
        except psutil.NoSuchProcess:
            raise Failed("acceltop record ended by itself") from None
        except subprocess.TimeoutExpired:
            raise Failed(f"acceltop record did not end within {END_S:g} s") from None
        finally:
            process.kill()


def measure(name: str, seconds: float, warm_s: float) -> list[str]:
    """The row of one job."""
    with tempfile.TemporaryDirectory() as folder, Job(f"benchmarks.targets.{name}") as job:
        trace = Path(folder) / "trace.mcap"
        with recording(job.pid, trace) as process:
            wait_until(trace.exists, END_S, "the trace")
            time.sleep(warm_s)
            begin, began, size_before = load(process), time.monotonic(), trace.stat().st_size
            rss, pss = begin.rss, begin.pss
            while (elapsed := time.monotonic() - began) < seconds:
                time.sleep(LOOK_S)
                now = load(process)
                rss, pss = max(rss, now.rss), max(pss, now.pss)
            grown = trace.stat().st_size - size_before
        job.end()
    cpu, own = now.cpu_s - begin.cpu_s, now.own_s - begin.own_s
    shares = percent(cpu / elapsed), percent((cpu - own) / elapsed)
    return [name, f"{begin.cpu_s:.2f}", *shares, size(rss), size(pss), size(grown / elapsed * 3600)]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (%(default)s)")
    parser.add_argument("--warm", type=float, default=WARM_S, help="seconds before that (%(default)s)")
    parser.add_argument("--jobs", default=",".join(JOBS), help="%(default)s")
    args = parser.parse_args(argv)
    rows = []
    try:
        for name in args.jobs.split(","):
            rows.append(measure(name, args.seconds, args.warm))
    except Failed as error:
        print(f"recorder: {error}", file=sys.stderr)
        return 1
    finally:
        print(markdown(HEAD, rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
