"""The host source against this machine and real processes; cgroups and pressure from small recorded trees."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import psutil
import pytest
from tests.collectors.driven import of_kind
from tests.waiting import wait_for

from acceltop.collectors.host import Source
from acceltop.collectors.host_limits import cgroup_cores, cgroup_memory
from acceltop.collectors.lookout import Lookout
from acceltop.collectors.process_meter import descendants
from acceltop.profiler.metrics import METRICS
from acceltop.profiler.model import DeviceFound, Frame, ProcessFound, ProcessGone, Sample
from acceltop.profiler.source import SourceContext

# Writes as told, says "ready", and ends with its input.
BUSY = """
import os, subprocess, sys, threading
spin = "while True: pass"
workers = [subprocess.Popen([sys.executable, "-c", spin]) for _ in range(int(sys.argv[1]))]
print("ready", flush=True)
for line in sys.stdin:
    with open(line.strip(), "wb") as file:
        file.write(bytes(8 << 20))
        file.flush()
        os.fsync(file.fileno())
    print("written", flush=True)
for worker in workers:
    worker.kill()
    worker.wait()
"""


@pytest.fixture
def busy() -> Iterator[subprocess.Popen[str]]:
    """A process with one spinning child; it writes 8 MiB to each file that it is told."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", BUSY, "1"], stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process


def host_values(frames: list[Frame]) -> dict[str, float]:
    """Of the one sample of the host itself."""
    (sample,) = [s for s in of_kind(frames, Sample) if s.pid is None and s.device is None]
    return dict(sample.values)


def process_values(frames: list[Frame], pid: int) -> dict[str, float]:
    (sample,) = [s for s in of_kind(frames, Sample) if s.pid == pid]
    return dict(sample.values)


def later(source: Source, seconds: float = 0.4) -> list[Frame]:
    """A reading `seconds` after the one before."""
    end = monotonic() + seconds
    wait_for(lambda: monotonic() > end)
    return list(source.poll())


def test_the_cpu_is_a_device() -> None:
    (found,) = of_kind(Source().open(SourceContext()), DeviceFound)
    assert (found.device, found.kind, found.source) == ("cpu", "cpu", "host")
    assert found.name and "\n" not in found.name
    assert found.memory_bytes == psutil.virtual_memory().total
    assert found.attributes["threads"] == str(os.cpu_count())


def test_the_host_in_numbers() -> None:
    source = Source()
    first = host_values(list(source.open(SourceContext())))
    values = host_values(later(source))
    assert "system.cpu.utilization" not in first  # nothing to compare with: absent, not 0
    assert 0 <= values["system.cpu.utilization"] <= 1
    assert 0 < values["system.cpu.count"] <= (os.cpu_count() or 0)
    assert 0 < values["system.memory.usage"] < values["system.memory.limit"]
    assert values["system.network.receive"] >= 0
    assert values["acceltop.memory.usage"] == pytest.approx(psutil.Process().memory_info().rss, rel=0.2)
    assert values["acceltop.cpu.utilization"] < 0.9
    assert values.keys() <= METRICS.keys()


def test_a_process_is_introduced_and_measured(busy: subprocess.Popen[str], tmp_path: Path) -> None:
    source = Source()
    opened = list(source.open(SourceContext(pids=(busy.pid,))))
    (found,) = of_kind(opened, ProcessFound)
    assert (found.pid, found.parent, found.attachable) == (busy.pid, os.getpid(), "yes")
    assert "\n" not in found.command and sys.executable in found.command
    assert found.user == psutil.Process().username()
    values = process_values(later(source, 1.0), busy.pid)
    assert values["process.memory.usage"] == pytest.approx(psutil.Process(busy.pid).memory_info().rss, rel=0.2)
    assert values["process.thread.count"] == 1
    assert values["process.cpu.utilization"] < 0.2
    assert values["process.children.count"] == 1
    assert 0 < values["process.children.cpu.utilization"] < 1.3  # it spins, beside whatever else runs here


def test_bytes_to_disk_are_counted(busy: subprocess.Popen[str], tmp_path: Path) -> None:
    assert busy.stdin is not None and busy.stdout is not None
    source = Source()
    source.open(SourceContext(pids=(busy.pid,)))
    began = monotonic()
    busy.stdin.write(f"{tmp_path / 'file'}\n")
    busy.stdin.flush()
    assert busy.stdout.readline() == "written\n"
    values = process_values(later(source, 1.0), busy.pid)  # long against the moments between clock and counter
    written = values["process.disk.write"] * (monotonic() - began)
    if psutil.Process(busy.pid).io_counters().write_bytes == 0:
        pytest.skip("this file system counts no bytes")
    assert written == pytest.approx(8 << 20, rel=0.5)


def test_the_end_of_a_process_is_said_once(busy: subprocess.Popen[str]) -> None:
    source = Source()
    source.open(SourceContext(pids=(busy.pid,)))
    busy.communicate()  # its input ends, so does it
    (gone,) = of_kind(source.poll(), ProcessGone)
    assert gone.pid == busy.pid
    assert gone.exit_code in (None, busy.returncode)  # see test_life
    assert not [frame for frame in source.poll() if isinstance(frame, ProcessGone) or getattr(frame, "pid", None)]


def test_a_zombie_has_ended() -> None:
    process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    wait_for(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
    (gone,) = of_kind(Source().open(SourceContext(pids=(process.pid,))), ProcessGone)
    assert gone.reason is not None and "not collected" in gone.reason
    assert gone.exit_code == process.wait() == 3


def test_a_process_that_is_not_there() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    frames = list(Source().open(SourceContext(pids=(process.pid,))))
    assert [frame.pid for frame in of_kind(frames, ProcessGone)] == [process.pid]
    assert not of_kind(frames, ProcessFound)


def test_a_hostile_command_line_is_cleaned() -> None:
    name = "evil\x1b[2J\nname" + "x" * 100_000
    with subprocess.Popen([sys.executable, "-c", "input()", name], stdin=subprocess.PIPE) as process:
        (found,) = of_kind(Source().open(SourceContext(pids=(process.pid,))), ProcessFound)
        process.communicate(b"\n")
    assert "\x1b" not in found.command and "\n" not in found.command
    assert len(found.command) <= 4096


def test_all_generations_of_children() -> None:
    inner = "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=0); p.wait()"
    with subprocess.Popen([sys.executable, "-c", inner], stdin=subprocess.PIPE) as process:
        grandchild = wait_for(lambda: [p.pid for p in psutil.Process(process.pid).children()])
        assert descendants(process.pid) == grandchild
        assert grandchild[0] in descendants(os.getpid())
        process.communicate(b"\n")


def test_pressure_is_a_share_and_absent_where_the_kernel_has_none(tmp_path: Path) -> None:
    (tmp_path / "pressure").mkdir()
    (tmp_path / "pressure/io").write_text(
        "some avg10=12.50 avg60=1.00 avg300=0.10 total=123\nfull avg10=1.00 avg60=0.00 avg300=0.00 total=5\n"
    )
    (tmp_path / "pressure/cpu").write_text("")  # what a kernel with PSI switched off may give
    values = host_values(list(Source().open(SourceContext(options={"host.proc": str(tmp_path)}))))
    assert values["system.pressure.io"] == 0.125
    assert not {"system.pressure.cpu", "system.pressure.memory"} & values.keys()


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.mark.parametrize(
    ("files", "cores", "memory"),
    [
        ({"cg/cpu.max": "150000 100000\n", "cg/memory.max": "1073741824\n"}, 1.5, 1 << 30),
        ({"cg/job/cpu.max": "max 100000\n", "cg/cpu.max": "max 100000\n", "cg/memory.max": "max\n"}, None, None),
        ({"cg/job/cpu.max": "400000 100000\n", "cg/cpu.max": "200000 100000\n"}, 2.0, None),
        (
            {
                "cg/cpu/cpu.cfs_quota_us": "50000\n",
                "cg/cpu/cpu.cfs_period_us": "100000\n",
                "cg/memory/memory.limit_in_bytes": "9223372036854771712\n",
            },
            0.5,
            None,
        ),
        ({"cg/cpu/cpu.cfs_quota_us": "-1\n", "cg/cpu/cpu.cfs_period_us": "100000\n"}, None, None),
        ({}, None, None),
    ],
)
def test_limits_of_control_groups(
    tmp_path: Path, files: dict[str, str], cores: float | None, memory: int | None
) -> None:
    write(tmp_path, {"proc/self/cgroup": "0::/job\n", **files})
    assert cgroup_cores(tmp_path / "cg", tmp_path / "proc") == cores
    assert cgroup_memory(tmp_path / "cg", tmp_path / "proc") == memory


def test_cores_that_may_be_used_follow_the_control_group(tmp_path: Path) -> None:
    write(tmp_path, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"})
    options = {"host.proc": str(tmp_path / "proc"), "host.sys": str(tmp_path / "sys")}
    frames = list(Source().open(SourceContext(options=options)))
    assert host_values(frames)["system.cpu.count"] == 0.5
    assert of_kind(frames, DeviceFound)[0].attributes["cgroup_cores"] == "0.5"


def test_processes_with_a_framework_are_found_without_being_named(tmp_path: Path) -> None:
    """A library of that name is all that tells a framework from outside; it may be loaded long after the start."""
    library = tmp_path / "torch" / "lib" / "libtorch_python.so"
    library.parent.mkdir(parents=True)
    library.write_bytes(b"\0" * 4096)
    load = "import mmap, sys\nprint('ready', flush=True)\nsys.stdin.readline()\n"
    load += "file = open(sys.argv[1], 'rb')\nkept = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)\ninput()"
    lookout = Lookout()
    with subprocess.Popen(
        [sys.executable, "-c", load, str(library)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as job:
        try:
            assert job.stdin is not None and job.stdout is not None
            assert job.stdout.readline() == "ready\n"
            assert job.pid not in lookout.find()
            job.stdin.write("\n")
            job.stdin.flush()
            wait_for(lambda: job.pid in lookout.find(), 20, "found once the library is there")
            assert job.pid not in lookout.find()  # once
        finally:
            job.kill()
