"""The OpenCL source on the platforms of this machine (PoCL), and on a driver in C that hangs, crashes or is absent."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from time import monotonic

import psutil
import pytest
from tests.fakes.nvml.build import compiler
from tests.waiting import wait_for

from acceltop.collectors.opencl import Source, queued_s
from acceltop.profiler.errors import Unavailable
from acceltop.profiler.model import DeviceFound, Frame
from acceltop.profiler.source import SourceContext

cl = pytest.importorskip("pyopencl", reason="OpenCL is an extra")
FAKE_ICD = Path(__file__).parents[1] / "fakes/opencl/fake_icd.c"


@pytest.fixture(scope="module")
def fake_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cc = compiler()
    if cc is None:
        pytest.skip("no C compiler for the fake driver")
    library = tmp_path_factory.mktemp("opencl") / "libfake_icd.so"
    subprocess.run([cc, "-shared", "-fPIC", "-Wall", "-Werror", "-o", library, FAKE_ICD], check=True, timeout=60)
    return library


@pytest.fixture
def fake_driver(fake_library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The only OpenCL driver is the one in C; its settings are environment variables."""
    (tmp_path / "fake.icd").write_text(f"{fake_library}\n")
    monkeypatch.setenv("OCL_ICD_VENDORS", str(tmp_path))
    return monkeypatch


def opened(**options: str) -> list[Frame]:
    return list(Source().open(SourceContext(options=options)))


def test_every_device_with_its_limits() -> None:
    try:
        platforms = cl.get_platforms()
    except cl.Error:
        pytest.skip("no OpenCL platform here")
    devices = [device for platform in platforms for device in platform.get_devices()]
    frames = [frame for frame in opened() if isinstance(frame, DeviceFound)]
    assert [frame.name for frame in frames] == [device.name for device in devices]
    assert len({frame.device for frame in frames}) == len(devices)
    for frame, device in zip(frames, devices, strict=True):
        assert frame.source == "opencl" and frame.device.startswith("opencl:")
        assert frame.memory_bytes == device.global_mem_size
        assert frame.attributes["compute_units"] == str(device.max_compute_units)
        assert frame.attributes["work_group"] == str(device.max_work_group_size)
        assert frame.attributes["clock_mhz"] == str(device.max_clock_frequency)
        assert frame.attributes["driver"] == device.driver_version
        assert (frame.kind == "cpu") == (device.type == cl.device_type.CPU)


def test_pocl_runs_on_the_cpu_and_has_no_pci_address() -> None:
    pocl = [f for f in opened() if isinstance(f, DeviceFound) and f.attributes["platform"].startswith("Portable")]
    if not pocl:
        pytest.skip("no PoCL here")
    assert (pocl[0].kind, pocl[0].pci) == ("cpu", None)
    assert "cl_khr_fp64" in pocl[0].attributes["extensions"].split()


@pytest.mark.parametrize(
    ("extensions", "pci"),
    [
        ("cl_khr_pci_bus_info cl_khr_fp16", "0002:65:03.1"),
        ("cl_nv_device_attribute_query", "0002:65:03.1"),
        ("cl_amd_device_attribute_query", "0000:65:03.1"),
        ("cl_khr_fp16", None),
    ],
)
def test_a_pci_address_from_each_vendors_extension(
    fake_driver: pytest.MonkeyPatch, extensions: str, pci: str | None
) -> None:
    fake_driver.setenv("FAKE_ICD_EXTENSIONS", extensions)
    (found,) = opened()
    assert isinstance(found, DeviceFound)
    assert (found.pci, found.device) == (pci, f"opencl:{pci or 0}")
    assert (found.kind, found.vendor, found.memory_bytes) == ("gpu", "Fake vendor", 16 << 30)
    assert found.name == "Fake\ufffd[31m GPU"  # its colours are not for our screen
    assert "max_allocation" not in found.attributes  # not told: absent


def test_a_driver_that_hangs_is_left_behind(fake_driver: pytest.MonkeyPatch) -> None:
    fake_driver.setenv("FAKE_ICD_FAULT", "hang")
    began = monotonic()
    with pytest.raises(Unavailable, match="not answered for 1 s"):
        opened(**{"opencl.time_limit_s": "1"})
    assert monotonic() - began < 20
    wait_for(lambda: not probes(), what="the hung process to be gone")


def test_what_waits_for_a_processor_is_not_what_hangs() -> None:
    only_one = {min(os.sched_getaffinity(0))}
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    sleeping = subprocess.Popen(["sleep", "60"])
    try:
        for process in spinning:
            os.sched_setaffinity(process.pid, only_one)
        wait_for(lambda: min(queued_s(process.pid) for process in spinning) > 0.1, what="both to have waited")
        assert queued_s(sleeping.pid) < 0.1
    finally:
        for process in (*spinning, sleeping):
            process.kill()
            process.wait()


def test_a_driver_that_crashes_takes_nothing_with_it(fake_driver: pytest.MonkeyPatch) -> None:
    fake_driver.setenv("FAKE_ICD_FAULT", "crash")
    with pytest.raises(Unavailable, match="crashed") as raised:
        opened()
    assert "clinfo" in raised.value.next_step


def test_a_wish_to_stop_ends_the_wait(fake_driver: pytest.MonkeyPatch) -> None:
    fake_driver.setenv("FAKE_ICD_FAULT", "hang")
    context = SourceContext()
    threading.Timer(0.5, context.stop.set).start()
    began = monotonic()
    with pytest.raises(Unavailable):
        Source().open(context)
    assert monotonic() - began < 20


def test_no_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCL_ICD_VENDORS", str(tmp_path))
    with pytest.raises(Unavailable, match="no platform") as raised:
        opened()
    assert "install" in raised.value.next_step


def test_without_the_binding_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyopencl.py").write_text("raise ImportError('not here')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(Unavailable) as raised:
        opened()
    assert "pip install pyopencl" in str(raised.value)


def test_noise_of_a_driver_on_stdout_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('driver version 1.0 loaded')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert subprocess.run([sys.executable, "-c", ""], capture_output=True).stdout  # it is loaded
    assert opened()


def probes() -> list[int]:
    """Children of ours that still ask OpenCL."""
    children = psutil.Process(os.getpid()).children()
    return [
        child.pid
        for child in children
        if child.status() != psutil.STATUS_ZOMBIE and "import pyopencl" in str(child.cmdline())
    ]
