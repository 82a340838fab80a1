"""Each benchmark, run for real but for moments only: it must end well and print its table with numbers in it."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NUMBER = r"\d+(\.\d+)?"
SPREAD = rf"{NUMBER} \({NUMBER} … {NUMBER}\)"

needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")


def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m benchmarks.NAME` from the top of the checkout, as its head says."""
    command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)


def table(name: str, *arguments: str) -> list[list[str]]:
    """The cells of its rows, without the head."""
    result = run(name, *arguments)
    assert (result.returncode, result.stderr) == (0, "")
    lines = [line for line in result.stdout.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert {len(row) for row in rows} == {len(rows[0])}, "a ragged table"
    return rows[2:]


def test_import_time_prints_each_start_beside_an_empty_one() -> None:
    nothing, core, version = table("import_time", "--times", "2")
    assert nothing[2] == "0"
    assert all(re.fullmatch(SPREAD, row[1]) for row in (nothing, core, version))
    assert int(core[2]) > 0


@needs_torch
@pytest.mark.torch
@pytest.mark.slow
def test_step_cost_compares_all_watchers_and_the_weights() -> None:
    result = run("step_cost", "--jobs", "cnn", "--rounds", "1", "--segment", "1", "--weights", "250")
    assert (result.returncode, result.stderr) == (0, "")
    rows = [line for line in result.stdout.splitlines() if line.startswith("| cnn")]
    assert [row.split("|")[2].strip() for row in rows] == [
        "nothing",
        "acceltop",
        "torch.profiler always on",
        "py-spy 100 Hz",
    ]
    assert all(len(re.findall(SPREAD, row)) == 3 for row in rows)
    assert result.stdout.rstrip().endswith("with acceltop and without: identical")


@needs_torch
@pytest.mark.torch
@pytest.mark.slow
def test_agent_cost_tells_its_parts_and_what_the_machine_does_by_itself() -> None:
    ((name, windows, *ratios, by_windows, by_telling, by_hooks, nothing, thread, first_ms),) = table(
        "agent_cost", "--attaches", "1", "--seconds", "3", "--jobs", "cnn"
    )
    assert name == "cnn" and int(windows) > 0 and int(first_ms) > 0
    assert all(re.fullmatch(SPREAD, cell) for cell in (*ratios, nothing))
    assert all(re.fullmatch(rf"-?{NUMBER} %", cell) for cell in (by_windows, by_telling))
    assert all(float(cell.split()[0]) > 0 for cell in (by_hooks, thread))


@needs_torch
@pytest.mark.torch
@pytest.mark.slow
@pytest.mark.parametrize("job", ["transformer", "data_bound"])
def test_first_hotspots_come_and_the_agent_goes(job: str) -> None:
    ((name, times, attached, first, gone),) = table("first_hotspots", "--times", "1", "--job", job)
    assert (name, times) == (job, "1")
    assert all(re.fullmatch(SPREAD, cell) for cell in (attached, first, gone))
    assert float(gone.split()[0]) < 15.0  # ending acceltop, and 5 s for the agent


@needs_torch
@pytest.mark.torch
@pytest.mark.slow
def test_recorder_has_a_share_a_size_and_a_growing_trace() -> None:
    ((name, start, share, _, rss, _, an_hour),) = table(
        "recorder", "--seconds", "3", "--warm", "2", "--jobs", "data_bound"
    )
    assert name == "data_bound" and float(start) > 0
    assert re.fullmatch(rf"<?{NUMBER} %", share)
    assert rss.endswith("MB") and re.match(NUMBER, an_hour) and not an_hour.startswith("0 ")


def test_a_job_that_does_not_start_is_one_line() -> None:
    result = run("step_cost", "--jobs", "no_such_job", "--rounds", "1", "--weights", "0")
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("step_cost: benchmarks.targets.no_such_job ended with code 1: ")
