"""The first picture, before Textual is there."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.views.session_frames import gpu_session

from acceltop.profiler.model import DeviceFound, Frame, Hello, Sample
from acceltop.views.opening import picture

FOUND = DeviceFound(1, "nvidia:GPU-0", "H100", "gpu", index=0, memory_bytes=80 << 30)


def test_devices_and_what_was_read_of_them() -> None:
    values = {"hw.gpu.utilization": 0.9, "hw.gpu.sm.active": 0.42, "hw.gpu.memory.usage": float(40 << 30)}
    frames: list[Frame] = [Hello(1, "node1"), FOUND, Sample(2, "nvml", values, FOUND.device)]
    title, _, rule, _, row = (line.text for line in picture(frames, 100))
    assert "acceltop  node1" in title
    assert "─ devices ─" in rule
    assert row.split()[0] == "0" and " 42%" in row and "42.9/85.9 GB" in row


def test_devices_are_called_as_they_are_later() -> None:
    others = [
        DeviceFound(1, "opencl:0", "pthread-haswell-AMD EPYC", "cpu", index=0, source="opencl"),
        DeviceFound(1, "cpu", "AMD EPYC", "cpu"),
    ]
    labels = [line.text[:10].strip() for line in picture([FOUND, *others], 100)[-3:]]
    assert sorted(labels) == ["0", "cpu", "ocl 0"]


def test_what_is_not_known_yet_is_no_zero() -> None:
    row = picture([FOUND], 100)[-1].text
    assert "–" in row and "0%" not in row


def test_a_whole_session_fits_its_terminal() -> None:
    for width in (60, 80, 200):
        assert max(line.width for line in picture(gpu_session(5), width)) <= width


def test_loads_neither_textual_nor_numpy() -> None:
    code = "import sys, acceltop.views.opening; print({'textual', 'numpy'} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


def test_numpy_brings_no_threads_and_the_environment_stays() -> None:
    """A job that is started later must find its own settings."""
    code = (
        "import os; from acceltop.views.run import load_numpy; before = dict(os.environ); load_numpy(); "
        "print(len(os.listdir('/proc/self/task')), os.environ == before)"
    )
    for settings in ({}, {"OPENBLAS_NUM_THREADS": "4"}):
        environ = {**os.environ, **settings}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environ)
        assert done.stdout == "1 True\n"
