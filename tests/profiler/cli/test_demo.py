"""`acceltop demo` and `attach` as a newcomer sees them: a real job, and what it does with its time."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
from tests.jobs import counted
from tests.profiler.cli.program import acceltop, start
from tests.waiting import wait_for

pytest.importorskip("torch", reason="the demo trains with PyTorch")
pytestmark = [pytest.mark.torch, pytest.mark.slow]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("demo")
    (folder / "demo.mcap").write_text("of an earlier demo")
    return folder, acceltop("demo", cwd=folder, timeout_s=200)


def test_the_demo_prints_a_report_and_leaves_a_trace(
    demo: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, result = demo
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    for heading in ("─ steps ─", "─ kernels ─", "─ Python stacks ─", "convolution_backward"):
        assert heading in result.stdout
    assert [path.name for path in folder.iterdir()] == ["demo.mcap"]
    job = re.search(r"runs as process (\d+)", result.stderr)
    assert job is not None and not Path(f"/proc/{job[1]}").exists()


def test_its_trace_gives_the_same_report(demo: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, live = demo
    again = json.loads(acceltop("report", "demo.mcap", "--json", cwd=folder).stdout)
    assert again["steps"]["count"] > 10
    longest = again["kernels"][0]["name"].rpartition("::")[2]
    assert longest[:12] in live.stdout  # long names are shortened in their middle
    assert sum(kernel["share"] for kernel in again["kernels"]) == pytest.approx(1, abs=0.01)
    assert again["dropped"] == 0
    assert again["cost"]["ratio"] < 0.05


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    """The demo's job as a script of one's own; the last of these tests ends it."""
    script = tmp_path_factory.mktemp("job") / "my_training_script.py"
    script.write_text((files("acceltop.profiler.demo") / "train.py").read_text())
    process = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=script.parent
    )
    assert process.stdout is not None and process.stdout.readline().startswith("step 1:")
    yield process
    process.kill()
    process.communicate()


def test_no_inject_never_enters_the_job(job: subprocess.Popen[str]) -> None:
    result = acceltop("attach", str(job.pid), "--no-inject", "--json", "--duration", "4s")
    frames = [json.loads(line) for line in result.stdout.splitlines()]
    assert not [frame for frame in frames if frame["kind"] in ("KernelWindow", "Steps")]
    assert [frame for frame in frames if frame["kind"] == "StackWindow"]
    threads = {(task / "comm").read_text() for task in Path(f"/proc/{job.pid}/task").iterdir()}
    assert not any("acceltop" in name for name in threads)


def test_attach_by_name_streams_every_kind_of_frame(job: subprocess.Popen[str]) -> None:
    missing = {"Hello", "DeviceFound", "ProcessFound", "Sample", "Steps", "KernelWindow", "StackWindow"}
    watcher = start("attach", "-n", "my_training_script", "--json")
    assert watcher.stdout is not None
    for line in watcher.stdout:
        missing.discard(json.loads(line)["kind"])
        if not missing:
            break
    watcher.terminate()
    _, said = watcher.communicate(timeout=60)
    assert (watcher.returncode, missing) == (0, set()), said
    assert job.poll() is None


def test_when_the_job_ends_the_recording_ends(job: subprocess.Popen[str], tmp_path: Path) -> None:
    trace = tmp_path / "x.mcap"
    recorder = start("record", str(job.pid), "-o", str(trace))
    wait_for(lambda: counted(trace)["Steps"], 60, "steps in the recording")
    job.terminate()
    _, said = recorder.communicate(timeout=60)
    assert recorder.returncode == 0, said
    assert f"process {job.pid} ended" in said
    wait_for(lambda: job.poll() is not None)
    assert job.returncode == 0  # it decided so itself: the demo's job exits on SIGTERM
    report = json.loads(acceltop("report", str(trace), "--json").stdout)
    assert report["steps"]["count"] > 0
