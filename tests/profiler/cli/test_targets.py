"""TARGET: names, numbers and trees of real processes."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.profiler.cli.program import python

from acceltop.profiler.cli import targets
from acceltop.profiler.errors import TargetError, UsageError

RANKS = """
import subprocess, sys
ranks = [
    subprocess.Popen([sys.executable, "-c", RANK, str(i)], stdout=subprocess.PIPE, env={VARIABLE: str(i)})
    for i in range(2)
]
for rank in ranks: rank.stdout.readline()
print("ready", flush=True)
sys.stdin.read()
"""
RANK = """
import os, sys
if os.fork() == 0:  # as a data loader does
    os.read(0, 1)
    os._exit(0)
print("ready", flush=True)
sys.stdin.read()
"""


def named(target: str | None = None, name: str | None = None, tree: bool = False) -> argparse.Namespace:
    return argparse.Namespace(target=target, name=name, tree=tree, no_inject=False)


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    with launched(tmp_path, "OF_NO_MEANING") as process:
        yield process


@contextmanager
def launched(folder: Path, variable: str) -> Iterator[subprocess.Popen[str]]:
    """A launcher that numbers what it starts in this environment variable."""
    script = folder / "launch_many_ranks.py"
    script.write_text(f"RANK, VARIABLE = {RANK!r}, {variable!r}\n{RANKS}")
    process = subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    yield process
    process.communicate("")  # the end of its input ends it, and theirs ends all below it


def test_numbers_keep_their_order_and_come_once() -> None:
    with python() as first, python() as second:
        assert targets.resolve(named(f"{second.pid},{first.pid},{second.pid}")) == (second.pid, first.pid)


def test_a_name_finds_a_process_by_any_part_of_its_command_line(launcher: subprocess.Popen[str]) -> None:
    assert targets.resolve(named(name="launch_many_ranks")) == (launcher.pid,)
    assert targets.resolve(named(name="LAUNCH_MANY")) == (launcher.pid,)


def test_a_tree_is_a_process_and_those_below_it_without_their_forks(launcher: subprocess.Popen[str]) -> None:
    found = targets.resolve(named(str(launcher.pid), tree=True))
    assert found[0] == launcher.pid
    assert last_words(found[1:]) == [b"0", b"1"]


def test_of_a_launcher_its_ranks_are_watched_and_not_itself(tmp_path: Path) -> None:
    with launched(tmp_path, "RANK") as process:
        assert last_words(targets.resolve(named(str(process.pid), tree=True))) == [b"0", b"1"]


def last_words(pids: Sequence[int]) -> list[bytes]:
    return sorted(Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[-2] for pid in pids)


def test_one_process_that_can_be_watched_is_enough() -> None:
    sleeper = subprocess.Popen(["sleep", "60"])
    try:
        with python() as job:
            assert targets.resolve(named(f"{sleeper.pid},{job.pid}")) == (sleeper.pid, job.pid)
        with pytest.raises(TargetError, match="not a Python process"):
            targets.resolve(named(str(sleeper.pid)))
    finally:
        sleeper.kill()
        sleeper.wait()


def test_nothing_named_is_nothing_or_wrong_usage() -> None:
    assert targets.resolve(named()) == ()
    with pytest.raises(UsageError, match="no process is named"):
        targets.need(named())


@pytest.mark.parametrize("text", ["", "x", "1,", ",1", "1 2", "-5", "1.5", "٣", "9" * 11, "\x1b[2J"])
def test_what_is_no_pid(text: str) -> None:
    with pytest.raises(UsageError, match="is no PID") as raised:
        targets.resolve(named(text))
    assert "\x1b" not in str(raised.value)
