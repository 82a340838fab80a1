"""Where no psutil fits the other machine: less is told, under the same names, and that is said."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.profiler.cli.program import python
from tests.remote.requests import request
from tests.waiting import wait_for

from acceltop.profiler.metrics import METRICS
from acceltop.profiler.model import Frame, Note, ProcessFound, ProcessGone, Sample
from acceltop.profiler.remote import bundle
from acceltop.profiler.remote.link import Link
from acceltop.profiler.remote.source import RemoteSource
from acceltop.profiler.remote.transport import via
from acceltop.profiler.source import SourceContext


def test_proc_alone_tells_of_host_and_processes(tmp_path: Path) -> None:
    parts = [part for part in bundle.parts(stacks=False) if not part.name.startswith("psutil")]
    with python() as job:
        link = Link(via(["env", "-i", f"HOME={tmp_path}", "PATH=/usr/bin:/bin"]))
        link.land(parts, request(target=str(job.pid), interval=0.1))
        source = RemoteSource("far", link, lambda _: link)
        frames: list[Frame] = list(source.open(SourceContext(interval_s=0.1)))

        def read(kind: type, number: int) -> bool:
            frames.extend(source.poll())
            return sum(isinstance(frame, kind) for frame in frames) >= number

        wait_for(lambda: read(Sample, 8), 30)
        job.kill()
        job.wait()
        wait_for(lambda: read(ProcessGone, 1), 30)
        source.close()
    samples = [frame for frame in frames if isinstance(frame, Sample)]
    assert {name for sample in samples for name in sample.values} <= METRICS.keys()
    shares = [frame.values.get("process.cpu.utilization", 0.0) for frame in samples if frame.pid == job.pid]
    assert 0.1 < max(shares) < 2.0
    assert any(0 < frame.values.get("system.cpu.utilization", 0.0) <= 1 for frame in samples)
    assert any(isinstance(frame, ProcessFound) and frame.pid == job.pid for frame in frames)
    assert any(isinstance(frame, Note) and frame.code == "host.no_psutil" for frame in frames)


def test_no_other_source_needs_it(tmp_path: Path) -> None:
    (tmp_path / "psutil.py").write_text("raise ImportError('not for this machine')\n")
    names = ("agent", "any_host", "nvml", "opencl", "stacks")
    code = "".join(f"from acceltop.collectors import {name}\n" for name in names)
    result = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
