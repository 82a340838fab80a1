"""The check of a GPU, as far as it goes without one: the whole flow on the CPU; what it says where there is none."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from array import array
from pathlib import Path

import pytest
from benchmarks.job import Steps
from tests.fakes.nvml.build import compiler, library
from tests.fakes.nvml.driver import FakeDriver
from tools.gpu.known import DRAM, SM, TENSOR, Seen, copied, multiplied
from tools.gpu.sizes import GPU

from acceltop.profiler.codec import to_dict
from acceltop.profiler.model import KernelRow, KernelWindow

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "gpu_check.py"
MEASUREMENTS = {"machine", "kernels", "pause", "first_window", "step_time", "memory", "leaving", "problems"}


def check(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """From a folder of its own: it must find its parts by itself."""
    command = [sys.executable, str(SCRIPT), *arguments]
    env = {**os.environ, **environment}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=280)


@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="there is a GPU here")
def test_without_a_driver_it_says_so_and_all_is_well(tmp_path: Path) -> None:
    result = check(tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    (line,) = result.stdout.splitlines()
    assert line.startswith("gpu_check: no NVIDIA driver here")
    assert not list(tmp_path.iterdir())


def test_wheels_that_can_not_be_installed_are_told(tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    result = check(tmp_path, "--cpu", "--wheels", "wheels")
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == "gpu_check: could not install from wheels: see above"


def seen(row: KernelRow, counters: dict[str, float], **device: object) -> Seen:
    """What a GPU would have shown of steps of 30 ms, with the window of one of them."""
    ends = array("q", range(0, 150_000_000, 30_000_000))
    window = KernelWindow(0, 30_000_000, 42, "torch", (row,), 30_000_000)
    return Seen(Steps(ends, array("q", [0] * len(ends))), counters, device, [to_dict(window)])


def test_a_known_copy_agrees_with_the_recorded_one_and_with_the_memory_counter() -> None:
    """All in 30 ms: 20 copies of 2 GiB move 80 GiB of memory."""
    row = KernelRow("Memcpy DtoD (Device -> Device)", "memcpy", 20, 30_000_000, 1, 2, bytes=40 << 30)
    result = copied(seen(row, {DRAM: (80 << 30) / 0.03}), GPU, cuda=True)
    remarks = {what: remark for what, _, remark in result.rows}
    assert remarks["by windows"].startswith("× 1.000 of the known")
    assert remarks["by GPM"].startswith("× 1.000 of the known")


def test_a_known_product_is_told_beside_the_peak_and_the_tensor_counter() -> None:
    row = KernelRow("nvjet_tst_128x256_64x4_2x1_v_bz_coopA_NNT", "kernel", 20, 30_000_000, 1, 2)
    result = multiplied(seen(row, {TENSOR: 0.7, SM: 0.99}, peak_flop_per_s={"bf16": 1e15}), GPU)
    known, windows, tensor, _ = result.rows
    assert known[2] == "73.3 % of the peak 1.00 PFLOP/s" and windows[2].endswith("made by cuBLAS")
    assert tensor[1] == "70.0 %"


@pytest.mark.torch
@pytest.mark.skipif(compiler() is None, reason="no C compiler for the fake driver")
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
def test_a_gpu_that_torch_can_not_use_is_told(tmp_path: Path) -> None:
    driver = FakeDriver(library(tmp_path), tmp_path)
    result = check(tmp_path, **driver.env)
    assert (result.returncode, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("gpu_check: this torch can't use the GPU")


@pytest.mark.torch
@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
def test_all_measurements_on_the_cpu(tmp_path: Path) -> None:
    result = check(tmp_path, "--cpu", "--windows", "4", "--seconds", "1", "--output", "found.json")
    found = json.loads((tmp_path / "found.json").read_text())
    assert (result.returncode, found["failed"]) == (0, [])
    assert found.keys() >= MEASUREMENTS | {"copy", "product"}
    assert found["pause"]["pause_s"] > 0
    assert found["step_time"]["before attaching"]["median_s"] > 0
    assert found["kernels"]["kernels"][0]["name"].startswith("aten::")
    assert found["copy"]["bytes_per_s"] > 0 and "no GPM here" in result.stdout
    assert found["leaving"]["stderr"] == [], "the job's stderr is not ours to write to"
