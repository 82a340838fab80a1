"""How long a running process stands still while a tool attaches, beside `memray attach` (which uses gdb).

python -m benchmarks.attach_pause [--times 50] [--memray-times 5]

The target trains a small regression and looks at the clock in a tight loop: what it reports is the largest gap between
two looks, everything that an attach does to it included (the stop, the system calls, what the agent's thread needs of
the interpreter until it has answered). Each target is a fresh one.
It has a processor of its own, and who attaches another, where there are two: a busy loop that has to share waits for
slices of 4 ms, whoever the other is.
"nothing" is the same loop left alone for as long: other programs take the processor from it there too. "of it traced"
is the tracer's own clock, from asking for the stop to letting go.
"""

from __future__ import annotations

import argparse
import mmap
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from threading import Event

from benchmarks.job import go_first
from benchmarks.table import markdown

from acceltop.profiler.agent.server import SOCKET
from acceltop.profiler.attach.inject import inject
from acceltop.profiler.attach.payload import agent_source

OURS, *OTHERS = sorted(os.sched_getaffinity(0), reverse=True)
HEAD = ("attach by", "times", "median ms", "p95 ms", "max ms")
# Each round of the loop is one look at the clock and one step of gradient descent on a small vector.
TARGET = """
import __future__, ast, atexit, binascii, importlib.util, json, mmap, select, socket, struct, sys, threading, time
import typing, weakref, zlib  # all that PyTorch has long imported, too
with open(sys.argv[1], "r+b") as file:
    gap = memoryview(mmap.mmap(file.fileno(), 8)).cast("q")
weights, clock = [0.0] * 8, time.perf_counter_ns
print("ready", flush=True)
last = clock()
while True:
    error = sum(weights) - 1.0
    for index in range(8): weights[index] -= 0.01 * error
    now = clock()
    if now - last > gap[0]: gap[0] = now - last
    last = now
"""


class Target:
    """The process, and the largest gap it has seen since the last reset."""

    def __init__(self, pid: int, shared: mmap.mmap) -> None:
        self.pid, self._shared = pid, shared

    def gap_ms(self, action: Callable[[], object]) -> float:
        """The largest gap while `action` ran."""
        self._shared[:8] = bytes(8)
        action()
        return float(struct.unpack("<q", self._shared[:8])[0]) / 1e6


@contextmanager
def target() -> Iterator[Target]:
    """A fresh one."""
    with tempfile.TemporaryFile() as file:
        file.truncate(8)
        name = f"/proc/self/fd/{file.fileno()}"
        command = [sys.executable, "-c", TARGET, name]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, pass_fds=[file.fileno()], start_new_session=True)
        go_first(process.pid)
        _part_from(process.pid)
        try:
            assert process.stdout and process.stdout.readline() == b"ready\n"
            with mmap.mmap(file.fileno(), 8) as shared:
                yield Target(process.pid, shared)
        finally:
            process.kill()
            process.communicate()


def _part_from(pid: int) -> None:
    """From now on we, and whom we start, run where `pid` does not."""
    if OTHERS:
        os.sched_setaffinity(pid, OTHERS)
        os.sched_setaffinity(0, {OURS})


def attach_ours(to: Target, pauses_ms: list[float]) -> None:
    """Inject the agent, wait until it answers."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as link:
        place = f"{folder}/agent"
        injection = inject(to.pid, agent_source({"directories": [place]}, sys.version_info[:2]))
        while link.connect_ex(f"{place}/{SOCKET}"):
            Event().wait(0.005)
        link.recv(1)
        injection.discard()
    pauses_ms.append((injection.pause_ns or 0) / 1e6)


def attach_memray(to: Target) -> None:
    """Attach and let it write to a file."""
    with tempfile.TemporaryDirectory() as folder:
        command = [_memray(), "attach", "-o", f"{folder}/out.bin", str(to.pid)]
        subprocess.run(command, check=True, capture_output=True, timeout=120)


def measure(times: int, memray_times: int) -> dict[str, list[float]]:
    """Milliseconds."""
    found: dict[str, list[float]] = {"nothing": [], "acceltop": [], "acceltop, of it traced": [], "memray": []}
    traced = found["acceltop, of it traced"]
    for _ in range(times):
        with target() as fresh:
            found["nothing"].append(fresh.gap_ms(lambda: Event().wait(0.5)))
            found["acceltop"].append(fresh.gap_ms(partial(attach_ours, fresh, traced)))
    for _ in range(memray_times if Path(_memray()).exists() else 0):
        with target() as fresh:
            found["memray"].append(fresh.gap_ms(partial(attach_memray, fresh)))
    return found


def rows(found: dict[str, list[float]]) -> list[list[str]]:
    """One for each way."""
    return [
        [name, str(len(values)), *(f"{value:.2f}" for value in (median(values), _p95(values), max(values)))]
        for name, values in found.items()
        if values
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--memray-times", type=int, default=5)
    options = parser.parse_args(argv)
    found = measure(options.times, options.memray_times)
    print(markdown(HEAD, rows(found)))
    if found["memray"]:
        for name in ("acceltop", "acceltop, of it traced"):
            print(f"\nmedian of memray ÷ median of {name}: {median(found['memray']) / median(found[name]):.0f}")
    return 0


def _p95(values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.95))]


def _memray() -> str:
    return str(Path(sys.executable).with_name("memray")) if shutil.which("gdb") else ""


if __name__ == "__main__":
    sys.exit(main())
