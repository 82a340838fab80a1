"""Attached to a training process that runs on: all screens, keys, recording, leaving."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest
from tests.jobs import Job, job, traces_of_us
from tests.program.screen import acceltop, matches, quits, shows
from tests.waiting import wait_for

from acceltop.profiler.trace.reader import TraceReader

pytestmark = [pytest.mark.torch, pytest.mark.slow]


def test_a_running_job_on_every_screen(training: Job, tmp_path: Path) -> None:
    with acceltop("attach", str(training.pid), home=tmp_path, columns=160, rows=48) as screen:
        shows(screen, f"pid {training.pid}", "addmm", "ATen", "● live 1 s")
        matches(screen, r"step [1-9]")
        screen.send("2")
        shows(screen, "─ 2 kernels", "mean", "where")
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
        shows(screen, "─ 3 kernels", "─ 2 trends")
        quits(screen, "attached")
    wait_for(lambda: not traces_of_us(training.pid), 8, "nothing of acceltop is left in the job")
    assert training.process.poll() is None


def test_help_filter_and_pause(training: Job, tmp_path: Path) -> None:
    with acceltop("attach", str(training.pid), home=tmp_path, columns=140, rows=40) as screen:
        shows(screen, "addmm", "native_layer_norm")
        screen.send("?")
        shows(screen, "keys", "screen: steps")
        screen.send("\x1b")
        screen.wait(lambda seen: "screen: steps" not in seen)
        screen.send("/")
        shows(screen, "filter: enter keeps it")
        screen.send("layer_norm")
        screen.wait(lambda seen: "layer_norm" in seen and not re.search(r"^ \S* +[\d.]+ +addmm", seen, re.M))
        screen.send("\r")
        shows(screen, "native_layer_norm")
        screen.send("\x1b")
        shows(screen, "addmm")
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
        shows(screen, "addmm")
        screen.send("r")
        name = matches(screen, r"recording to (acceltop-[\d-]+\.mcap)")[1]
        matches(screen, r"● rec 00:00:0[3-9]  \d")
        quits(screen, "while it records")
    with TraceReader(tmp_path / name) as reader:
        frames = list(reader.frames())
    assert {"ProcessFound", "Sample", "Steps", "KernelWindow"} <= {type(frame).__name__ for frame in frames}


def test_a_job_that_ends_stays_on_the_screen(tmp_path: Path) -> None:
    with (
        job("transformer", "--end", "exit3", "--seconds", "9") as running,
        acceltop("attach", str(running.pid), home=tmp_path, columns=140, rows=40) as screen,
    ):
        shows(screen, "addmm")
        matches(screen, r"✖ exited at \d\d:\d\d:\d\d")
        assert running.process.wait(10) == 3
        shows(screen, "addmm")  # the last data
        quits(screen, "after the end of the job")


def test_a_stopped_job_does_not_stop_the_screen(training: Job, tmp_path: Path) -> None:
    with acceltop("attach", str(training.pid), home=tmp_path, columns=140, rows=40) as screen:
        shows(screen, "addmm")
        training.process.send_signal(signal.SIGSTOP)
        try:
            before = matches(screen, r"00:00:(\d\d)")[1]
            screen.wait(lambda seen: f"00:00:{int(before) + 4:02d}" in seen)
            screen.send("2")
            shows(screen, "─ 2 kernels", "addmm")
            quits(screen, "job stopped")
        finally:
            training.process.send_signal(signal.SIGCONT)
    wait_for(lambda: not traces_of_us(training.pid), 8, "nothing of acceltop is left in the job")


def test_the_picker_filters_attaches_and_comes_back(training: Job, tmp_path: Path) -> None:
    with acceltop(home=tmp_path, columns=140, rows=40) as screen:
        shows(screen, "─ processes", str(training.pid), "● yes")
        screen.send("nosuchjob")  # all at once, as fast hands do
        shows(screen, "no process matches “nosuchjob”")
        screen.send("\x1b")
        shows(screen, str(training.pid))
        screen.send(f"{training.pid}\r")
        shows(screen, str(training.pid))
        screen.send("\r")
        shows(screen, f"pid {training.pid}", "addmm")
        screen.send("a")
        shows(screen, "─ processes", "● yes")
        screen.send("\x1b")
        shows(screen, "─ 3 kernels")
        quits(screen, "from the picker")
