"""Recording: what ends it ends it cleanly, stdout carries Frames alone, stderr tells how it goes."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from tests.profiler.cli.program import SCRIPT, acceltop, start
from tests.waiting import wait_for

from acceltop.profiler.codec import decode
from acceltop.profiler.model import DeviceFound, Frame, Hello, ProcessFound, ProcessGone, Sample


def frames(text: str) -> list[Frame]:
    found = [decode(line) for line in text.splitlines()]
    return [frame for frame in found if frame is not None]


def test_devices_alone_as_json_lines() -> None:
    result = acceltop("record", "-o", "-", "--only", "host", "--interval", "200ms", "--duration", "2s")
    assert result.returncode == 0
    seen = frames(result.stdout)
    assert isinstance(seen[0], Hello)
    assert any(isinstance(frame, DeviceFound) and frame.device == "cpu" for frame in seen)
    readings = [f for f in seen if isinstance(f, Sample) and "system.memory.usage" in f.values]
    assert min(b.time_ns - a.time_ns for a, b in pairwise(readings)) < 0.9e9  # a busy machine may leave some out
    assert re.search(r"stdout: .*, 0 dropped, \d+ frames", result.stderr)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_cleanly(number: signal.Signals, tmp_path: Path) -> None:
    trace = tmp_path / "x.mcap"
    process = start("record", "-o", str(trace), "--only", "host", "--interval", "100ms")
    wait_for(lambda: trace.exists() and trace.stat().st_size > 500)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0
    assert str(trace) in said and "0 dropped" in said
    report = acceltop("report", str(trace), "--json")
    assert report.returncode == 0
    assert '"system.memory.usage"' in report.stdout


def test_the_end_of_the_process_ends_it_and_says_how() -> None:
    job = subprocess.Popen(
        [sys.executable, "-c", "print('ready', flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert job.stdout is not None and job.stdout.readline() == "ready\n"
    recorder = start("record", str(job.pid), "-o", "-", "--no-inject", "--only", "host", "--interval", "100ms")
    assert recorder.stdout is not None
    lines = [recorder.stdout.readline()]
    while '"ProcessFound"' not in lines[-1]:
        lines.append(recorder.stdout.readline())
    job.communicate("\n", timeout=60)
    rest, said = recorder.communicate(timeout=60)
    assert recorder.returncode == 0
    seen = frames("".join(lines) + rest)
    assert [frame.pid for frame in seen if isinstance(frame, ProcessFound)][:1] == [job.pid]
    assert {frame.pid for frame in seen if isinstance(frame, ProcessGone)} == {job.pid}
    assert re.search(rf"process {job.pid} ended.* at \d\d:\d\d:\d\d", said)


def test_an_existing_file_is_not_lost(tmp_path: Path) -> None:
    trace = tmp_path / "precious.mcap"
    trace.write_text("precious")
    result = acceltop("record", "-o", str(trace), "--duration", "1s")
    assert result.returncode == 1
    assert trace.read_text() == "precious"


def test_a_disk_that_fills_up_ends_it_with_the_reason_and_all_before_is_readable(tmp_path: Path) -> None:
    trace = tmp_path / "x.mcap"
    # A limit on the size of a file stands for a full disk: the kernel refuses the write in the same way.
    command = f"trap '' XFSZ; ulimit -f 5; exec {SCRIPT} record -o {trace} --only host --interval 100ms --duration 60s"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=100)
    assert result.returncode == 1
    last = result.stderr.splitlines()[-1]
    assert last.startswith("acceltop: ") and str(trace) in last
    assert "Traceback" not in result.stderr
    report = acceltop("report", str(trace), "--json")
    assert report.returncode == 0
    assert '"system.memory.usage"' in report.stdout
