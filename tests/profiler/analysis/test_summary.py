from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.profiler.runs import T0, S, cpu_run, gpu_run, summed
from tests.profiler.strategies import frames

from acceltop.profiler.analysis.summary import Summary
from acceltop.profiler.codec import decode, encode
from acceltop.profiler.model import FRAMES, Frame, Note, Sample


@pytest.fixture
def cpu() -> dict[str, Any]:
    return summed(cpu_run()).document()


@pytest.fixture
def gpu() -> dict[str, Any]:
    return summed(gpu_run()).document()


def test_the_keys_of_the_contract_are_always_there() -> None:
    document = Summary().document()
    assert next(iter(document)) == "schema_version"
    assert {"devices", "processes", "steps", "kernels", "notes", "dropped", "duration_s", "cost"} <= document.keys()
    assert {"count", "median_s", "p99_s", "phases"} <= document["steps"].keys()
    assert (document["duration_s"], document["cost"], document["steps"]["median_s"]) == (0, None, None)


def test_kernels_have_every_key_of_the_contract(cpu: dict[str, Any]) -> None:
    wanted = "name calls total_s share mean_s device origin op location bytes_per_s flop_per_s bound"
    assert all(set(wanted.split()) <= kernel.keys() for kernel in cpu["kernels"])


def test_a_launch_has_every_key_where_one_is_known(gpu: dict[str, Any]) -> None:
    gemm, *others = sorted(gpu["kernels"], key=lambda kernel: "nvjet" not in kernel["name"])
    assert gemm["launch"] == {
        **{"grid": (132, 1, 1), "block": (384, 1, 1), "registers_per_thread": 168, "shared_memory_bytes": None},
        "occupancy": 0.19,
    }
    assert others and not any(kernel["launch"] for kernel in others)


def test_steps_and_phases(cpu: dict[str, Any]) -> None:
    steps = cpu["steps"]
    assert (steps["count"], steps["median_s"], steps["p99_s"], steps["max_s"]) == (750, 0.018, 0.118, 0.118)
    assert steps["phases"]["forward"]["seconds"] == pytest.approx(0.006)
    assert steps["phases"]["data"]["share"] == pytest.approx(150 / 1000)
    assert steps["slowest"][0]["duration_s"] == 0.118


def test_cpu_kernels(cpu: dict[str, Any]) -> None:
    assert cpu["kernels_are"] == "host"
    first, second, *_, last = cpu["kernels"]
    assert (first["name"], first["origin"], first["calls"]) == ("aten::convolution_backward", "ATen", 120)
    assert first["total_s"] == pytest.approx(3 * 0.0568)
    assert first["per_step_s"] == pytest.approx(0.00568)
    assert second["origin"] == "oneDNN"
    assert (last["name"], last["kind"]) == ("(other)", "other")
    assert sum(kernel["share"] for kernel in cpu["kernels"]) == pytest.approx(1)
    assert cpu["profile"]["share"] == pytest.approx(0.6 / 12)


def test_what_was_lost_and_what_it_cost(cpu: dict[str, Any], gpu: dict[str, Any]) -> None:
    assert (cpu["dropped"], cpu["invalid"], gpu["dropped"]) == (2, 3, 6)
    assert (cpu["cost"]["ratio"], cpu["cost"]["measured"], cpu["cost"]["estimated"]) == (0.004, True, False)
    assert cpu["duration_s"] == 15


def test_processes(cpu: dict[str, Any], gpu: dict[str, Any]) -> None:
    (process,) = cpu["processes"]
    assert (process["pid"], process["framework"], process["gone"]["exit_code"]) == (4711, "PyTorch 2.13", 3)
    assert process["layers"]["platform"] == ["CPU", "oneDNN"]
    assert process["memory"][0]["peak_bytes"] == 480_000_000
    assert [(rank["rank"], rank["steps"]["median_s"]) for rank in gpu["processes"]] == [(0, 0.24), (1, 0.26)]


def test_devices_have_last_and_mean(cpu: dict[str, Any], gpu: dict[str, Any]) -> None:
    host = cpu["host"]["metrics"]["system.cpu.utilization"]
    assert host["last"] == pytest.approx(0.95) and host["mean"] == pytest.approx(0.9 + 8 / 300)
    first, lost = gpu["devices"]
    assert (first["metrics"]["hw.power"]["mean"], first["lost"]) == (648, None)
    assert (lost["lost"]["reason"], lost["states"]) == ("GPU is lost", {"throttle": "thermal"})


def test_device_kernels_know_what_bounds_them_and_ops_stand_apart(gpu: dict[str, Any]) -> None:
    bounds = {kernel["origin"]: kernel["bound"] for kernel in gpu["kernels"]}
    assert bounds == {"cuBLAS": "compute", "Triton": "memory", "NCCL": "comm", "CUDA runtime": "copy"}
    gemm = next(kernel for kernel in gpu["kernels"] if kernel["origin"] == "cuBLAS")
    assert gemm["of_compute_peak"] == pytest.approx(135e9 / 176e-6 / 989e12)
    assert [op["name"] for op in gpu["ops"]] == ["aten::mm"]
    assert [copy["bytes"] for copy in gpu["copies"]] == [480_000_000]


def test_stacks(cpu: dict[str, Any]) -> None:
    lines = {line["function"]: (line["self"], line["total"]) for line in cpu["stacks"]["lines"]}
    assert lines["backward (_tensor.py:581)"] == (0.75, 0.75)
    assert "main (train.py:80)" not in lines, "it only waits for what it called"


def test_a_note_said_again_is_counted() -> None:
    summary = Summary()
    for second in range(3):
        summary.add(Note(T0 + second * S, "warning", "source.late", f"nvml is {second} s late", source="nvml"))
    summary.add(Note(T0, "error", "disk.full", "no space left"))
    first, second_note = summary.document()["notes"]
    assert first["level"] == "error"
    assert (second_note["text"], second_note["count"]) == ("nvml is 2 s late", 3)


def test_frames_dropped_go_on_over_two_sessions_in_one_trace() -> None:
    summary = Summary()
    for value in (1.0, 5.0, 2.0):
        summary.add(Sample(T0, "session", {"acceltop.frames.dropped": value}))
    assert summary.dropped == 7


def test_notes_and_subjects_are_bounded() -> None:
    summary = Summary()
    for n in range(12_000):
        summary.add(Note(T0, "info", f"code{n}", "text"))
        summary.add(Sample(T0, "host", {f"made.up.{n}": 1.0}, pid=n))
    document = summary.document()
    assert (len(document["notes"]), document["notes_left_out"]) == (200, 11_800)
    assert len(document["processes"]) <= 10_000 and document["invalid"] == 2_000


@pytest.mark.parametrize("run", [cpu_run, gpu_run])
def test_a_replayed_run_gives_the_same_document(run: Any) -> None:
    again = (decode(encode(frame)) for frame in run())
    assert summed(frame for frame in again if frame).document() == summed(run()).document()


@given(st.lists(frames(), max_size=12))
def test_any_frames_give_a_document(given_frames: list[Frame]) -> None:
    json.dumps(summed(iter(given_frames)).document(), allow_nan=False)


def test_no_kind_of_frame_is_forgotten() -> None:
    unsummed = set(FRAMES) - Summary()._handlers.keys()
    assert {kind.__name__ for kind in unsummed} == {"ClockSync"}, "which only relates clocks"
