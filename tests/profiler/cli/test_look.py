"""Verbs that only look: snapshot, doctor, report, repair."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest
from tests.profiler.cli.program import SCRIPT, acceltop, one_line, python, start
from tests.waiting import wait_for

from acceltop.profiler.metrics import METRICS


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trace of a recorder that was killed."""
    trace = tmp_path_factory.mktemp("killed") / "killed.mcap"
    recorder = start("record", "-o", str(trace), "--only", "host", "--interval", "100ms")
    wait_for(lambda: trace.exists() and trace.stat().st_size > 3000)
    recorder.send_signal(signal.SIGKILL)
    recorder.communicate()
    return trace


def test_snapshot_is_one_document_with_numbers_and_registered_names() -> None:
    result = acceltop("snapshot", "--json")
    assert (result.returncode, result.stderr) == (0, "")
    document = json.loads(result.stdout)
    assert document["schema_version"] == 1
    assert "cpu" in [device["id"] for device in document["devices"]]
    metrics = document["host"]["metrics"]
    assert set(metrics) <= set(METRICS)
    assert 0 < metrics["system.memory.usage"]["last"] < metrics["system.memory.limit"]["last"]
    assert 0 <= metrics["system.cpu.utilization"]["last"] <= 1


def test_snapshot_as_text_and_without_a_verb() -> None:
    for words in (["snapshot"], ["snapshot", "--text"], []):
        result = acceltop(*words, "--only", "host")
        assert result.returncode == 0
        assert "─ devices ─" in result.stdout and "\x1b" not in result.stdout
        assert "─ kernels ─" not in result.stdout  # it looks into no process


def test_a_stream_that_speaks_ascii_alone_gets_ascii() -> None:
    for words in (["snapshot", "--only", "host"], ["doctor", "--only", "host"]):
        process = start(*words, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
        out, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
        assert out.isascii() and out.strip()


def test_doctor_names_every_source_and_what_is_missing() -> None:
    result = acceltop("doctor", "--json")
    assert result.returncode == 0
    checks = {check["name"]: check for check in json.loads(result.stdout)["checks"]}
    assert {"acceltop", "attach", "host", "nvml", "opencl", "stacks"} <= set(checks)
    assert checks["host"]["ok"]
    for check in checks.values():
        assert check["text"] and "\n" not in check["text"]
        assert check["ok"] or check["next_step"]


def test_doctor_looks_at_a_process() -> None:
    with python() as job:
        result = acceltop("doctor", str(job.pid), "--only", "host")
        assert result.returncode == 0
        assert f"{job.pid} of " in result.stdout and "it can be attached to" in result.stdout
        job.send_signal(signal.SIGSTOP)
        wait_for(lambda: Path(f"/proc/{job.pid}/stat").read_text().split()[2] == "T")
        stopped = acceltop("doctor", str(job.pid), "--only", "host")
    assert stopped.returncode == 0 and f"kill -CONT {job.pid}" in stopped.stdout


def test_the_trace_of_a_killed_recorder_is_readable_and_can_be_made_whole(killed: Path) -> None:
    cut = acceltop("report", str(killed), "--json")
    assert cut.returncode == 0
    document = json.loads(cut.stdout)
    assert "system.memory.usage" in document["host"]["metrics"]
    repaired = killed.with_name("whole.mcap")
    result = acceltop("repair", str(killed), "-o", str(repaired))
    assert result.returncode == 0 and str(repaired) in result.stderr
    whole = json.loads(acceltop("report", str(repaired), "--json").stdout)
    assert whole["host"]["metrics"] == document["host"]["metrics"]
    again = acceltop("repair", str(killed), "-o", str(repaired))
    assert again.returncode == 1 and str(repaired) in one_line(again)


def test_the_log_tells_what_the_sources_do(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert acceltop("snapshot", "--only", "host", "--log-file", str(log)).returncode == 0
    assert "source host opened in" in log.read_text()
    assert "source host opened in" in acceltop("snapshot", "--only", "host", "-v").stderr


def test_json_lines_are_summed_up_from_stdin() -> None:
    frames = acceltop("record", "-o", "-", "--only", "host", "--duration", "1s").stdout
    result = subprocess.run([SCRIPT, "report", "-", "--json"], input=frames, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert "system.memory.usage" in json.loads(result.stdout)["host"]["metrics"]
