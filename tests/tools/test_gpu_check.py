"""The check of a GPU, as far as it goes without one: the whole flow on the CPU; what it says where there is none."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.fakes.nvml.build import compiler, library
from tests.fakes.nvml.driver import FakeDriver

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
