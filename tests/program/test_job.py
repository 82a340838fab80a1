"""Attached to a training process that runs on: all screens, keys, recording, leaving."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.jobs import Job, counted, job, traces_of_us
from tests.program.screen import acceltop, clock, matches, quits, shows, shows_kernels
from tests.waiting import wait_for

from acceltop.profiler.trace.reader import TraceReader

pytestmark = [pytest.mark.torch, pytest.mark.slow]


@pytest.fixture(scope="module")
def training() -> Iterator[Job]:
    """A real job that goes on for as long as these tests; needs PyTorch."""
    pytest.importorskip("torch")
    with job("transformer", "--pause", "0.02") as running:
        yield running


def test_a_running_job_on_every_screen(training: Job, tmp_path: Path) -> None:
    with acceltop("attach", str(training.pid), home=tmp_path, columns=160, rows=48) as screen:
        shows_kernels(screen, f"pid {training.pid}", "ATen", "● live 1 s")
        matches(screen, r"step [1-9]")
        screen.send("2")
        shows(screen, "─ 2 kernels", "mean", "what would make it faster")
        screen.send("3")
        matches(screen, r"step \d[\d.]* [mµ]s  p99")
        screen.send("4")
        shows(screen, "every metric", "system.cpu.utilization")
        screen.send("5")
        shows(screen, "─ 5 stacks", "the same by line")
        matches(screen, r"transformer\.py:\d+")
        screen.send("6")
        shows(screen, "─ 6 timeline", "MainThread", "calls")
        screen.send("1")
        shows(screen, "─ 2 kernels", "─ trends")
        quits(screen, "attached")
    wait_for(lambda: not traces_of_us(training.pid), what="nothing of acceltop is left in the job")
    assert training.process.poll() is None


def test_help_filter_and_pause(training: Job, tmp_path: Path) -> None:
    with acceltop("attach", str(training.pid), home=tmp_path, columns=140, rows=40) as screen:
        shows_kernels(screen)
        screen.send("?")
        shows(screen, "keys", "screen: steps")
        screen.send("\x1b")
        screen.wait(lambda seen: "screen: steps" not in seen)
        screen.send("/")
        shows(screen, "filter: enter keeps it")
        screen.send("qzqz")
        shows(screen, "no kernel matches “qzqz”")
        screen.send("\r")
        screen.wait(lambda seen: "no kernel matches" in seen and not re.search(r"^ ?qzqz$", seen, re.M))
        screen.send("\x1b")
        shows_kernels(screen)
        screen.send(" ")
        shows(screen, "paused")
        screen.send(" ")
        shows(screen, "● live")
        quits(screen, "after help, filter and pause")


def test_r_records_what_is_shown_into_a_file_it_names(
    training: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with acceltop("attach", str(training.pid), home=tmp_path, columns=140, rows=40) as screen:
        shows_kernels(screen)
        screen.send("r")
        file = tmp_path / matches(screen, r"recording to (acceltop-[\d-]+\.mcap)")[1]
        matches(screen, r"● rec \d\d:\d\d:\d\d  \d")
        screen.wait(lambda _: {"ProcessFound", "Sample", "Steps", "KernelWindow"} <= counted(file).keys(), 60)
        quits(screen, "while it records")
    with TraceReader(file) as reader:
        assert reader.summary.whole


def test_a_job_that_ends_stays_on_the_screen(tmp_path: Path) -> None:
    with (
        job("transformer", "--end", "exit3") as running,
        acceltop("attach", str(running.pid), home=tmp_path, columns=140, rows=40) as screen,
    ):
        shows_kernels(screen)
        running.stop()
        matches(screen, r"✖ exited at \d\d:\d\d:\d\d, code 3")
        assert running.process.wait(60) == 3
        shows_kernels(screen, "✖ exited at")  # the last data
        quits(screen, "after the end of the job")


def test_a_stopped_job_does_not_stop_the_screen(training: Job, tmp_path: Path) -> None:
    with acceltop("attach", str(training.pid), home=tmp_path, columns=140, rows=40) as screen:
        shows_kernels(screen, " step ")
        os.kill(training.pid, signal.SIGSTOP)
        try:
            before = clock(screen)
            screen.wait(lambda _: clock(screen) >= before + 4)
            matches(screen, r"▲ no step since \d\d:\d\d:\d\d\b")
            screen.send("2")
            shows_kernels(screen, "what would make it faster")
            quits(screen, "job stopped")
        finally:
            os.kill(training.pid, signal.SIGCONT)
    wait_for(lambda: not traces_of_us(training.pid), what="nothing of acceltop is left in the job")


def test_the_picker_filters_attaches_and_comes_back(training: Job, tmp_path: Path) -> None:
    with acceltop(home=tmp_path, columns=140, rows=40) as screen:
        shows(screen, "─ processes", "● yes")
        screen.send("nosuchjob")  # all at once, as fast hands do
        shows(screen, "no process matches “nosuchjob”")
        screen.send("\x1b")
        screen.wait(lambda seen: "● yes" in seen and "no process matches" not in seen)  # a key right behind is alt+key
        screen.send(f"{training.pid}\r\r")  # the one keeps the filter, the other attaches
        shows_kernels(screen, f"pid {training.pid}", " step ")
        screen.send("a")
        shows(screen, "─ processes", "● yes")
        screen.send("\x1b")
        screen.wait(lambda seen: "─ 2 kernels" in seen and "─ processes" not in seen)
        screen.send("\x1b")
        shows(screen, "─ processes", "not attached", "● yes")
        wait_for(lambda: not traces_of_us(training.pid), what="nothing of acceltop is left in the job")
        quits(screen, "from the picker")
