"""The benchmarks of the screens, run for moments only: each must end well, with numbers in its table."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.fakes.nvml.build import compiler

ROOT = Path(__file__).resolve().parents[2]
needs_compiler = pytest.mark.skipif(compiler() is None, reason="no C compiler for the fake driver")


def rows(name: str, *arguments: str) -> list[list[str]]:
    """Cells of the table, without its head."""
    command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines][2:]


@needs_compiler
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
@pytest.mark.torch
@pytest.mark.slow
def test_screens_are_measured_without_peers() -> None:
    devices, kernels = rows("screens", "--seconds", "2", "--gpus", "2", "--peers", "")
    assert (devices[0], kernels[0]) == ("acceltop, devices", "acceltop, 300 kernels")
    assert float(devices[2]) + float(kernels[2]) > 0  # the kernel counts in hundredths of a second, and there are few
    for row in (devices, kernels):
        assert int(row[6]) > 100
        assert all(re.fullmatch(r"\d+ ms", row[at]) for at in (7, 9))


def test_a_window_of_many_calls_is_drawn() -> None:
    opened, whole, near = rows("timeline_draw", "--calls", "20000", "--times", "3")
    assert all(float(row[1].split()[0]) > 0 for row in (opened, whole, near))


@pytest.mark.slow
def test_a_long_recording_is_opened_and_gone_through() -> None:
    paint, drawn, detailed = rows("replay_day", "--hours", "0.1", "--starts", "2", "--seeks", "3")
    assert all(float(row[1].split()[0]) > 0 for row in (paint, drawn, detailed))


@needs_compiler
@pytest.mark.slow
def test_memory_is_followed() -> None:
    first, last = rows("soak", "--minutes", "0.1", "--most", "1000")
    assert float(first[1]) > 10 and float(last[2]) > 10
