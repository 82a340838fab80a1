"""What /proc tells about real processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.attach.processes import python_or_skip, running
from tests.attach.test_inject import LOOP
from tests.waiting import wait_for

from acceltop.profiler.attach.target import attachable, container_of, find, inspect, tree


def test_ourselves() -> None:
    target = inspect(os.getpid())
    assert (target.pid, target.parent, target.nspid) == (os.getpid(), os.getppid(), os.getpid())
    assert target.python == sys.version_info[:2]
    assert target.uid == os.geteuid()
    assert target.state == "R" and target.tracer_pid == 0 and target.threads >= 1
    assert target.exe and os.path.samefile(target.exe, sys.executable)
    assert target.interpreter in target.libraries


@pytest.mark.parametrize("minor", [7, 8, 10, 12, 13])
def test_the_version_of_the_interpreter(minor: int) -> None:
    with running(LOOP, program=python_or_skip(minor)) as process:
        assert inspect(process.pid).python == (3, minor)


def test_when_it_was_started() -> None:
    before = time.time_ns()
    with running(LOOP) as process:
        assert abs(inspect(process.pid).start_ns - before) < 5e9


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}, (3, 8, 1)),
        ({"SLURM_PROCID": "5", "SLURM_NTASKS": "16"}, (5, 16, None)),
        ({"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_LOCAL_RANK": "0"}, (0, 2, 0)),
        ({"RANK": "-1", "WORLD_SIZE": "many"}, (None, None, None)),
        ({"RANK": "9" * 40}, (None, None, None)),
        ({}, (None, None, None)),
    ],
)
def test_ranks(environ: dict[str, str], expected: tuple[int | None, ...]) -> None:
    process = subprocess.Popen(["sleep", "60"], env=environ, executable="/bin/sleep")
    try:
        wait_for(lambda: inspect(process.pid).argv[:1] == ("sleep",))
        target = inspect(process.pid)
        assert (target.rank, target.world_size, target.local_rank) == expected
    finally:
        process.kill()
        process.wait()


def test_hostile_arguments_are_cleaned() -> None:
    with running(LOOP, "\x1b[2J\x07", "a\nb", "\u202egnp", "x" * 100_000) as process:
        target = inspect(process.pid)
    assert all(character.isprintable() for character in target.command)
    assert len(target.command) <= 4096


def test_find_by_command_line() -> None:
    mark = f"find-me-{os.urandom(4).hex()}"
    with running(LOOP, mark) as first, running(LOOP, mark.upper()) as second:
        # A process that only names it is no Python, and the one that looks never finds itself.
        other = subprocess.Popen(["tail", "-f", "/dev/null", "--", f"/{mark}"], stderr=subprocess.DEVNULL)
        try:
            assert [target.pid for target in find(mark)] == [first.pid, second.pid]
        finally:
            other.kill()
            other.wait()
    assert find(mark) == []
    assert os.getpid() not in [target.pid for target in find("python")]


def test_tree_of_a_launcher() -> None:
    """A launcher, a shell between, two ranks and a child of one of them."""
    rank = """
import subprocess, sys, time
if sys.argv[1] == "0": subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
time.sleep(60)
"""
    code = """
import subprocess, sys
start = '"$0" -c "$1" 0 & "$0" -c "$1" 1 & wait'
shell = subprocess.Popen(["sh", "-c", start, sys.executable, sys.argv[1]], start_new_session=True)
ready()
sys.stdin.readline()
import os; os.killpg(shell.pid, 9)
"""
    with running(code, rank) as launcher:
        found = wait_for(lambda: pids if len(pids := tree(launcher.pid)) == 3 else [])
        parents = [inspect(pid).parent for pid in found]
        assert parents[0] == parents[1] != launcher.pid
        assert parents[2] in found[:2]
        launcher.communicate("\n")
    assert tree(launcher.pid) == []


def test_attachable_has_no_side_effects() -> None:
    with running("import time\nready()\ntime.sleep(60)") as process:
        wait_for(lambda: "nanosleep" in _waits_in(process.pid), what="the sleep")
        switches = _switches(process.pid)
        assert attachable(inspect(process.pid)) == "yes"
        assert _switches(process.pid) == switches  # it was never woken


def test_container_of_a_docker_cgroup() -> None:
    identity = "0123456789abcdef" * 4
    assert container_of(f"0::/system.slice/docker-{identity}.scope\n") == identity[:12]
    assert container_of(f"3:cpu:/kubepods/burstable/pod0/{identity}\n") == identity[:12]
    assert container_of("0::/user.slice/user-0.slice/session-1.scope\n") is None


def _waits_in(pid: int) -> str:
    return Path(f"/proc/{pid}/wchan").read_text()


def _switches(pid: int) -> list[str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return [line for line in lines if "ctxt_switches" in line]
