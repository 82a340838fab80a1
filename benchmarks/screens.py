"""acceltop's screens beside nvitop: CPU, bytes to the terminal, first frame, memory, at 8 and 16 fake GPUs, 1 s.

    python -m benchmarks.screens [--seconds 60] [--gpus 8,16] [--venv DIR] [--peers nvitop,graphsignal-top]
    python -m benchmarks.screens --starts 6 [--gpus 8]: starts and ends alone, one after the other, a job of torch too

All run at the same time on terminals of 160×48 over the same fake driver, whose values move. Peers come from PyPI into
--venv (made if it is not there); one that can't be had is left out with its reason. graphsignal-top needs a
job that graphsignal-run has started: its screen alone is measured, over a made one of as many GPUs and 300 kernels.
`acceltop, 300 kernels` is attached to `benchmarks.targets.many_kernels`, a job with that many, at its defaults: "of it
py-spy" is what its stacks cost (more in the first minute than later). The first frame has a reading in it; kernels come
later.
All find their bytecode on the disk, as what is installed does: a first start that nobody measures puts it there.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.job import Failed, Job
from benchmarks.pty import Screen, Take
from benchmarks.signals import Signals
from benchmarks.table import markdown, spread
from tests.fakes.nvml.build import library

from acceltop.profiler.numbers import percent, size

WARM_S = 8.0  # start, imports, and the first readings of everything
SETTLED_S = 2.0
TURN_S = 0.05
PEERS = {"nvitop": "nvitop", "graphsignal-top": "graphsignal"}  # and the package that brings it
STARTS_HEAD = ("screen", "GPUs", "starts", "first frame, s", "first kernels, s", "q → end, s")
READING, KERNELS = rb"\d+%", rb"\+ \d+ more, "
HEAD = (
    "screen",
    "GPUs",
    "CPU s/min",
    "of it py-spy",
    "of a core",
    "÷ nvitop",
    "bytes/s",
    "first frame",
    "RSS",
    "q → end",
)
SCRIPT = str(Path(sys.executable).with_name("acceltop"))


@dataclass(frozen=True)
class Program:
    """What is run, the text that its first real frame has (a reading, not an empty frame), and that kernels have."""

    name: str
    command: Sequence[str]
    shows: bytes
    environ: Mapping[str, str]
    kernels: bytes = b""


@dataclass(frozen=True)
class Row:
    name: str
    cpu_s_min: float
    children_s_min: float
    bytes_s: float
    first_s: float
    rss: int
    leaving_s: float


def peers(names: Sequence[str], venv: Path, environ: Mapping[str, str], signals: Signals) -> Iterator[Program]:
    """Those that can be installed; of the others the reason is printed."""
    if not (venv / "bin" / "pip").exists():
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    options = {"nvitop": ("--interval", "1", "-m", "full"), "graphsignal-top": ("--port", str(signals.server_port))}
    for name in names:
        package = PEERS.get(name, name)
        done = subprocess.run([venv / "bin" / "pip", "install", "-q", package], capture_output=True, text=True)
        if done.returncode != 0:
            print(f"{name} is left out: {done.stderr.strip().splitlines()[-1]}")
            continue
        command = (str(venv / "bin" / name), *options.get(name, ()))
        yield Program(name, command, rb"\d+(\.\d+)? ?(MiB|GiB|GB|MB)|\d+%", environ)


def ours(environ: Mapping[str, str], pid: int) -> Iterator[Program]:
    yield Program("acceltop, devices", (SCRIPT,), READING, environ)
    yield attached("300 kernels", environ, pid)


def attached(name: str, environ: Mapping[str, str], pid: int) -> Program:
    return Program(f"acceltop, {name}", (SCRIPT, "attach", str(pid)), READING, environ, KERNELS)


def measure(programs: Sequence[Program], seconds: float) -> list[Row]:
    """All at once: the load of this machine is the same for each."""
    with ExitStack() as stack:
        screens = []
        first = []
        for program in programs:  # one after the other: a start is not to be slowed by another
            screens.append(stack.enter_context(Screen(program.command, program.environ)))
            first.append(screens[-1].first(program.shows))
            turns(screens, SETTLED_S)  # a first picture is there before all is loaded
        turns(screens, WARM_S)
        before = [screen.take() for screen in screens]
        turns(screens, seconds)
        after = [screen.take() for screen in screens]
        leaving = [screen.leave("q") for screen in screens]
    return [row(*all) for all in zip(programs, before, after, first, leaving, [seconds] * len(screens), strict=True)]


def start(program: Program) -> tuple[float, float, float]:
    """Seconds to the first frame and to the first kernels, and from q to the end."""
    with Screen(program.command, program.environ) as screen:
        first = screen.first(program.shows), screen.first(program.kernels)
        screen.read(SETTLED_S)
        return *first, screen.leave("q")


def starts(environ: Mapping[str, str], pid: int, times: int) -> Iterator[list[str]]:
    for program in ours(environ, pid):
        yield started(program, times)
    with Job("benchmarks.targets.transformer") as job:
        yield started(attached("a busy job", environ, job.pid), times)


def started(program: Program, times: int) -> list[str]:
    first, kernels, leaving = zip(*(start(program) for _ in range(times)), strict=True)
    told = spread(kernels, 2) if program.kernels else "–"
    return [program.name, program.environ["FAKE_NVML_GPUS"], str(times), spread(first, 2), told, spread(leaving, 2)]


def turns(screens: Sequence[Screen], seconds: float) -> None:
    """Reads from all of them."""
    for _ in range(round(seconds / TURN_S)):
        for screen in screens:
            screen.read(TURN_S / len(screens))


def row(program: Program, before: Take, after: Take, first_s: float, leaving_s: float, seconds: float) -> Row:
    used, of_children, wrote = (
        after.cpu_s - before.cpu_s,
        after.children_s - before.children_s,
        after.written - before.written,
    )
    minute = 60 / seconds
    return Row(program.name, used * minute, of_children * minute, wrote / seconds, first_s, after.rss, leaving_s)


def cells(rows: Sequence[Row], gpus: int) -> Iterator[list[str]]:
    nvitop = next((row.cpu_s_min for row in rows if row.name == "nvitop"), None)
    for row in rows:
        ratio = f"{row.cpu_s_min / nvitop:.2f}" if nvitop else "–"
        yield [
            row.name,
            str(gpus),
            f"{row.cpu_s_min:.2f}",
            f"{row.children_s_min:.2f}",
            percent(row.cpu_s_min / 60),
            ratio,
            f"{row.bytes_s:.0f}",
            f"{row.first_s * 1e3:.0f} ms",
            size(row.rss),
            f"{row.leaving_s * 1e3:.0f} ms",
        ]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long each (%(default)s)")
    parser.add_argument("--starts", type=int, default=0, help="measure so many starts of each, and nothing else")
    parser.add_argument("--gpus", default="8,16", help="how many fake GPUs (%(default)s)")
    parser.add_argument("--venv", type=Path, default=Path(tempfile.gettempdir()) / "acceltop-peers", help="%(default)s")
    parser.add_argument("--peers", default=",".join(PEERS), help="%(default)s; empty: none")
    args = parser.parse_args(argv)
    lines: list[list[str]] = []
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            Job("benchmarks.targets.many_kernels") as job,
            Signals() as signals,
        ):
            environ = {**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8", "HOME": folder}
            # From the environment the fake driver has its settings at once; from a file they cost more than the screen.
            environ |= {"LD_LIBRARY_PATH": str(library(Path(folder) / "lib")), "FAKE_NVML_WAVES": "1"}
            names = [name for name in args.peers.split(",") if name and not args.starts]
            environ |= {"PYTHONPYCACHEPREFIX": str(Path(folder) / "bytecode"), "PYTHONDONTWRITEBYTECODE": ""}
            programs = [*ours(environ, job.pid), *(peers(names, args.venv, environ, signals) if names else ())]
            for program in programs:
                start(program)
            for gpus in map(int, args.gpus.split(",")):
                environ["FAKE_NVML_GPUS"], signals.gpus = str(gpus), gpus
                if args.starts:
                    lines += starts(environ, job.pid, args.starts)
                else:
                    lines += cells(measure(programs, args.seconds), gpus)
    except (Failed, RuntimeError) as error:
        print(f"screens: {error}", file=sys.stderr)
        return 1
    print(markdown(STARTS_HEAD if args.starts else HEAD, lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
