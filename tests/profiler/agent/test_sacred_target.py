"""Whatever happens to acceltop or to the job: its results, exit code and stderr stay its own, and nothing is left."""

from __future__ import annotations

import random
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.jobs import descriptors, end, frames, job, lines, threads, traces_of_us
from tests.waiting import settled, wait_for

pytest.importorskip("torch", reason="the targets train with PyTorch")


def test_killed_at_random_moments_it_leaves_the_job_as_it_was() -> None:
    dice = random.Random(7)
    # Few steps: as many are done once more without us.
    with job("cnn", "--pause", "0.02", forked=True) as running:
        # torch starts a sleeping thread of its own with the first profile in a process, and keeps it: let it come.
        first = frames(running.pid)
        assert next(lines(first, "KernelWindow"))
        end(first)
        wait_for(lambda: not traces_of_us(running.pid), what="the agent has gone")
        before = settled(lambda: (descriptors(running.pid), threads(running.pid)))  # its thread ends last
        for _ in range(20):
            watcher = frames(running.pid, "--budget", "5%")
            with pytest.raises(subprocess.TimeoutExpired):
                watcher.wait(dice.uniform(0.2, 1.0))
            end(watcher, signal.SIGKILL)
        wait_for(lambda: not traces_of_us(running.pid), what="the agent has gone")
        wait_for(lambda: threads(running.pid) == before[1], what=f"the threads {before[1]}")
        wait_for(lambda: descriptors(running.pid) == before[0], what=f"nothing open but {before[0]}")
        running.stop()
        said = running.result()
        assert not running.errors()
    with job("cnn", "--steps", str(len(said["ends"]) - 1), forked=True) as alone:
        assert alone.result()["sha256"] == said["sha256"]


@pytest.mark.parametrize("how", ["return", "raise", "exit3", "term"])
def test_the_job_ends_in_a_window(how: str) -> None:
    """Five jobs each."""
    with ThreadPoolExecutor(2) as two:
        assert list(two.map(_end_in_a_window, [how] * 5)) == [None] * 5


def _end_in_a_window(how: str) -> None:
    with job("cnn", "--steps", "10", "--in-window", "--end", how, forked=True) as running:
        watcher = frames(running.pid)
        try:
            running.process.wait(60)
        finally:
            end(watcher)
        expected = {"return": 0, "raise": 1, "exit3": 3, "term": -signal.SIGTERM}[how]
        assert running.process.returncode == expected
        assert ("RuntimeError: the job failed" in running.errors()) if how == "raise" else not running.errors()
    wait_for(lambda: not traces_of_us(running.pid), what="nothing is left")


def test_two_watchers_share_one_agent_and_the_last_one_closes_the_door() -> None:
    with job("cnn", forked=True) as running:
        first = frames(running.pid, "--budget", "0.01%")
        windows = lines(first, "KernelWindow")
        assert next(windows) and next(windows) and next(windows)  # the next one is paid for in minutes
        second = frames(running.pid)
        assert next(lines(second, "KernelWindow"))  # who comes later does not wait for that
        assert len([line for line in traces_of_us(running.pid) if line.startswith("/")]) == 1
        end(first)
        assert next(lines(second, "Steps"))
        end(second)
        wait_for(lambda: not traces_of_us(running.pid), what="the agent has gone")


def test_the_users_own_profiler_comes_first(tmp_path: Path) -> None:
    """Two sessions at once crash torch: ours gives way before theirs begins, says so, and comes back later."""
    with job("profiling", "--go", str(tmp_path / "go"), "--length", "1500", forked=True) as running:
        watcher = frames(running.pid, "--budget", "50%")
        try:
            assert next(lines(watcher, "KernelWindow"))
            (tmp_path / "go").touch()
            notes = lines(watcher, "Note")
            assert any("own torch.profiler" in note for note in notes)
            wait_for(lambda: "addmm" in running.output(), 150, "their profile is complete")
            assert next(lines(watcher, "KernelWindow"))
        finally:
            end(watcher)
        assert f"addmm {2 * 1500}" in running.output()
        assert not running.errors() or "WARNING" not in running.errors()


def test_workers_forked_under_us_carry_nothing_of_ours() -> None:
    """DataLoader workers start (by fork) and end while windows are open; data and exit code stay right."""
    with job("epochs", forked=True) as running:
        watcher = frames(running.pid, "--budget", "20%")
        windows = lines(watcher, "KernelWindow")
        assert all(next(windows) for _ in range(4))
        running.stop()
        said = running.result()
        end(watcher)
        assert running.process.returncode == 0 and not running.errors()
    assert len(said["ends"]) > 10


def test_a_job_without_a_framework_is_told_of() -> None:
    with job("idle") as running:
        watcher = frames(running.pid)
        try:
            assert any("not imported a framework" in note for note in lines(watcher, "Note"))
        finally:
            end(watcher)
