"""Each target recorded from outside, and asked what a person would ask; its own clock is the judge."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean, median
from typing import Any

import pytest
from tests.jobs import ENOUGH, Job, job, own_steps, record
from tests.waiting import wait_for

pytest.importorskip("torch", reason="the targets train with PyTorch")


def watch(running: Job, folder: Path, *options: str, enough: Mapping[str, int] = ENOUGH) -> dict[str, Any]:
    document = record(folder / "trace.mcap", "record", str(running.pid), *options, enough=enough)
    running.stop()
    return document


def agrees(document: dict[str, Any], running: Job, folder: Path) -> None:
    """Both clocks see the same time for a step, within 10 %; it is the very same steps."""
    took = own_steps(folder / "trace.mcap", running.result())
    assert document["steps"]["count"] == len(took)
    assert document["steps"]["median_s"] == pytest.approx(median(took), rel=0.1)
    assert document["steps"]["mean_s"] == pytest.approx(fmean(took), rel=0.1)


def phases(document: dict[str, Any]) -> dict[str, float]:
    return {name: phase["share"] for name, phase in document["steps"]["phases"].items()}


def test_the_planted_slow_op_is_first(tmp_path: Path) -> None:
    with job("cnn", "--slow", "200", forked=True) as running:
        # More windows than usual: where a line is, is looked up now and then, and not at all while the machine is busy.
        document = watch(running, tmp_path, enough={**ENOUGH, "KernelWindow": 8})
        agrees(document, running, tmp_path)
    first = document["kernels"][0]
    assert first["name"] == "aten::sort" and first["share"] > 0.4
    assert first["location"].startswith(str(Path("tests/targets/cnn.py").resolve()))
    backward = [kernel for kernel in document["kernels"] if kernel.get("phase") == "backward"]
    assert backward and all(kernel["location"] for kernel in backward)
    assert sum(kernel["share"] for kernel in document["kernels"]) == pytest.approx(1, abs=1e-6)


def test_shares_of_many_small_ops_add_to_one(tmp_path: Path) -> None:
    with job("transformer", forked=True) as running:
        document = watch(running, tmp_path)
        agrees(document, running, tmp_path)
    assert sum(kernel["share"] for kernel in document["kernels"]) == pytest.approx(1, abs=1e-6)
    assert {"forward", "backward", "optimizer"} <= set(phases(document))
    assert sum(phases(document).values()) == pytest.approx(1, abs=0.02)


def test_waiting_for_data_is_the_largest_phase(tmp_path: Path) -> None:
    with job("loader", "--slow", "0.02", forked=True) as running:
        document = watch(running, tmp_path)
        took = own_steps(tmp_path / "trace.mcap", running.result())
    # Two workers deliver in turns, so steps are long or next to nothing, and a median falls on either.
    assert document["steps"]["mean_s"] == pytest.approx(fmean(took), rel=0.1)
    assert max(phases(document), key=lambda name: phases(document)[name]) == "data"
    assert phases(document)["data"] > 0.8


def test_a_step_of_accumulated_gradients_is_one_step(tmp_path: Path) -> None:
    with job("accumulate", forked=True) as running:
        document = watch(running, tmp_path)
        agrees(document, running, tmp_path)


def test_of_thousands_of_steps_a_second_none_is_missing(tmp_path: Path) -> None:
    with job("quick", forked=True) as running:
        document = watch(running, tmp_path, "--only", "agent")
        took = own_steps(tmp_path / "trace.mcap", running.result())
    assert document["steps"]["count"] == len(took) > 2000
    assert document["steps"]["mean_s"] == pytest.approx(fmean(took), rel=0.1)


def test_a_main_thread_in_join_is_no_obstacle(tmp_path: Path) -> None:
    with job("joined", forked=True) as running:
        document = watch(running, tmp_path)
        agrees(document, running, tmp_path)
        assert not running.errors()
    assert document["kernels"]


def test_ranks_wait_for_the_slow_one(tmp_path: Path) -> None:
    with job("launcher", "--late", "0.05", "--seconds", "100") as launcher:
        wait_for(lambda: launcher.output().count("ready") == 4, 60, "all ranks train")
        pids = launcher.output().split("pids ")[1].splitlines()[0].split()
        document = record(tmp_path / "trace.mcap", "record", ",".join((pids[0], pids[3])), enough={"Steps": 10})
        for pid in pids:
            os.kill(int(pid), signal.SIGKILL)
    by_pid = {str(process["pid"]): process for process in document["processes"]}
    assert by_pid[pids[0]]["rank"] == 0 and by_pid[pids[3]]["rank"] == 3
    waiting, late = (phases(by_pid[pid]) for pid in (pids[0], pids[3]))
    assert max(waiting, key=lambda name: waiting[name]) == "communication" and waiting["communication"] > 0.5
    assert late["communication"] < 0.8 * waiting["communication"]  # on a busy machine it waits, too


def test_budget_nought_does_not_enter_the_process(tmp_path: Path) -> None:
    with job("cnn", forked=True) as running:
        words = ("record", str(running.pid), "--budget", "0")
        document = record(tmp_path / "trace.mcap", *words, enough={"Sample": 6})
    assert not document["kernels"] and document["steps"]["count"] == 0
