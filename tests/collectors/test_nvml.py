"""The NVML source in a process of its own, on the fake driver: what is read, and what each fault does to the rest."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from time import monotonic

import pytest
from tests.collectors.driven import Driven, by_device, of_kind
from tests.fakes.nvml.build import compiler, library
from tests.fakes.nvml.driver import FakeDriver
from tests.waiting import wait_for

from acceltop.profiler.metrics import METRICS
from acceltop.profiler.model import DeviceFound, DeviceLost, Frame, Note, ProcessFound, ProcessGone, Sample

pytestmark = pytest.mark.skipif(compiler() is None, reason="no C compiler for the fake driver")
GIB = 1 << 30
MIB = 1 << 20
DEADLINE_S = 0.4
HOST_NAMESPACE = "pid:[4026531836]"


@pytest.fixture(scope="module")
def current(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return library(tmp_path_factory.mktemp("nvml"))


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return library(tmp_path_factory.mktemp("nvml-old"), "OLD_DRIVER")


@pytest.fixture
def driver(current: Path, tmp_path: Path) -> FakeDriver:
    return FakeDriver(current, tmp_path)


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that waits for its end."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def nvml(
    driver: FakeDriver,
    options: Mapping[str, str] | None = None,
    pids: tuple[int, ...] = (),
    prefix: tuple[str, ...] = (),
) -> Driven:
    given = {"nvml.deadline_s": str(DEADLINE_S), **(options or {})}
    return Driven("acceltop.collectors.nvml", pids, given, driver.env, prefix)


def gpu(index: int) -> str:
    return f"nvidia:GPU-{index:08x}-0000-4000-8000-{0:012x}"


def mig(index: int, instance: int) -> str:
    return f"nvidia:MIG-{index:08x}-0000-4000-8000-{instance:012x}"


def poll_until(driven: Driven, condition: Callable[[list[Frame]], object]) -> list[Frame]:
    """The first reading for which `condition` holds."""

    def reading() -> list[Frame]:
        frames = driven.poll()
        return frames if condition(frames) else []

    return wait_for(reading, 20, "a reading")


def has(device: str, metric: str) -> Callable[[list[Frame]], bool]:
    return lambda frames: device in (found := by_device(frames)) and metric in found[device].values


def notes(frames: list[Frame], code: str) -> list[Note]:
    return [note for note in of_kind(frames, Note) if note.code == code]


def test_finds_every_gpu(driver: FakeDriver) -> None:
    with nvml(driver) as driven:
        found = of_kind(driven.opened, DeviceFound)
    assert [device.device for device in found] == [gpu(index) for index in range(8)]
    first = found[0]
    assert (first.name, first.vendor, first.kind, first.source) == ("NVIDIA H100 80GB HBM3", "NVIDIA", "gpu", "nvml")
    assert (first.index, first.pci, first.memory_bytes) == (0, "0000:10:00.0", 80 * GIB)
    assert first.peak_bytes_per_s == pytest.approx(3.352e12, rel=1e-3)  # HBM3 of an H100 SXM, as in its data sheet
    assert first.peak_flop_per_s["bf16"] == pytest.approx(989.4e12 * 1980 / 1830, rel=0.01)  # data sheet: at 1830 MHz
    expected = {"driver": "560.35.03", "cuda": "12.6", "compute_capability": "9.0", "activity": "GPM"}
    assert expected.items() <= first.attributes.items()
    assert first.attributes["pcie_generation_max"] == "5"


def test_reads_all_counters_in_si_units(driver: FakeDriver) -> None:
    with nvml(driver) as driven:
        first = by_device(driven.opened)[gpu(1)]
        sample = by_device(poll_until(driven, has(gpu(1), "hw.gpu.sm.active")))[gpu(1)]
    expected = {
        "hw.gpu.utilization": 0.79,
        "hw.gpu.memory.usage": 11 * GIB,
        "hw.gpu.memory.limit": 80 * GIB,
        "hw.power": 451,
        "hw.power.limit": 700,
        "hw.temperature": 61,
        "hw.temperature.memory": 71,
        "hw.temperature.limit": 89,
        "hw.gpu.clock.sm": 1.98e9,
        "hw.gpu.clock.memory": 2.619e9,
        "hw.errors.ecc.corrected": 3,
        "hw.errors.ecc.uncorrected": 0,
        "hw.gpu.pcie.generation": 5,
        "hw.gpu.pcie.width": 16,
        "hw.gpu.pcie.limit": 63.015e9,
        "hw.gpu.nvlink.limit": 16 * 26.562e9,  # two of the 18 links are down
        "hw.gpu.encoder.utilization": 0.05,
    }
    values = {**first.values, **sample.values}
    assert {name: values[name] for name in expected} == pytest.approx(expected, rel=1e-4)
    assert first.states == {"performance_state": "P0", "throttle": "none"}
    assert sample.states["throttle"] == "none"
    assert values.keys() <= METRICS.keys()
    assert "hw.fan.speed_ratio" not in values  # it has none: absent, not 0
    assert "hw.power.limit" not in sample.values  # what hardly ever changes is read, and told, every few seconds


def test_gpm_gives_shares_and_bytes_the_right_way_round(driver: FakeDriver) -> None:
    with nvml(driver) as driven:
        values = by_device(poll_until(driven, has(gpu(1), "hw.gpu.sm.active")))[gpu(1)].values
    expected = {
        "hw.gpu.sm.active": 0.79,
        "hw.gpu.sm.occupancy": 0.49,
        "hw.gpu.tensor.active": 0.59,
        "hw.gpu.fp32.active": 0.29,
        "hw.gpu.dram.active": 0.69,
        "hw.gpu.dram.bandwidth": 0.69 * 2619e6 * 5120 / 8 * 2,
        "hw.gpu.pcie.transmit": 1000 * MIB,
        "hw.gpu.pcie.receive": 2000 * MIB,
        "hw.gpu.nvlink.receive": 3000 * MIB,
        "hw.gpu.nvlink.transmit": 4000 * MIB,
    }
    assert {name: values[name] for name in expected} == pytest.approx(expected)
    assert "hw.gpu.fp64.active" not in values  # refused by the driver, one metric alone
    assert "hw.gpu.dram.busy_hint" not in values


def test_without_gpm_there_is_the_hint_and_links_come_from_counters(driver: FakeDriver) -> None:
    driver.set(no_gpm="all", gpus=1)
    with nvml(driver) as driven:
        (found,) = of_kind(driven.opened, DeviceFound)
        driven.poll()
        began = monotonic()
        wait_for(lambda: monotonic() > began + 1.5)  # rates over a time that is long against a reading
        values = by_device(driven.poll())[gpu(0)].values
    assert found.attributes["activity"] == "kernel resident"
    assert (values["hw.gpu.utilization"], values["hw.gpu.dram.busy_hint"]) == (0.8, 0.4)
    assert not {"hw.gpu.sm.active", "hw.gpu.dram.active", "hw.gpu.dram.bandwidth"} & values.keys()
    assert values["hw.gpu.pcie.transmit"] == pytest.approx(1e9, rel=0.25)
    assert values["hw.gpu.pcie.receive"] == pytest.approx(3e9, rel=0.25)
    assert values["hw.gpu.nvlink.transmit"] == pytest.approx(4e6 * 1024, rel=0.25)
    assert values["hw.gpu.nvlink.receive"] == pytest.approx(2e6 * 1024, rel=0.25)


def test_an_unsupported_field_is_asked_once_and_slow_calls_never(driver: FakeDriver) -> None:
    driver.set(gpus=2)
    driver.log()
    with nvml(driver) as driven:
        for _ in range(3):
            driven.poll()
    calls = Counter(driver.calls())
    assert calls[1, "nvmlDeviceGetFanSpeed"] == 1
    assert calls[1, "nvmlDeviceGetPowerUsage"] == 4
    assert not calls[1, "nvmlDeviceGetPcieThroughput"]


def test_a_lost_gpu_is_said_once_and_found_again(driver: FakeDriver) -> None:
    with nvml(driver) as driven:
        driver.set(lost=2)
        frames = driven.poll()
        again = driven.poll()
        driver.set(lost="")
        back = driven.poll()
    assert [(lost.device, lost.reason) for lost in of_kind(frames, DeviceLost)] == [(gpu(2), "it fell off the bus")]
    assert by_device(frames).keys() == {gpu(index) for index in range(8) if index != 2}
    assert not of_kind(again, DeviceLost)
    assert len(by_device(again)) == 7
    assert [found.device for found in of_kind(back, DeviceFound)] == [gpu(2)]
    assert gpu(2) in by_device(back)


def test_a_hung_gpu_is_late_alone_and_comes_back(driver: FakeDriver) -> None:
    with nvml(driver) as driven:
        driver.log()
        driver.set(hung=2)
        began = monotonic()
        frames = driven.poll()
        assert DEADLINE_S <= monotonic() - began < DEADLINE_S + 10
        (late,) = notes(frames, "nvml.gpu_late")
        assert (late.level, late.device) == ("warning", gpu(2))
        assert late.since_ns is not None and late.since_ns < late.time_ns
        assert by_device(frames).keys() == {gpu(index) for index in range(8) if index != 2}

        took, more = [], []
        for _ in range(3):
            began = monotonic()
            more.append(driven.poll())
            took.append(monotonic() - began)
        assert min(took) < DEADLINE_S  # it is not waited for again
        assert not any(notes(frames, "nvml.gpu_late") for frames in more)
        assert sum(index == 2 for index, _ in driver.calls()) == 1  # never a second call while one is out

        driver.set(hung="")
        frames = poll_until(driven, lambda frames: gpu(2) in by_device(frames))
        assert [note.level for note in notes(frames, "nvml.gpu_late")] == ["info"]


def test_close_does_not_wait_for_a_hung_gpu_nor_does_the_process(driver: FakeDriver) -> None:
    with nvml(driver) as driven:
        driver.set(hung="all")
        frames = driven.poll()
        began = monotonic()
        driven.close()
        assert driven.end() == 0
        assert monotonic() - began < 20  # it hangs for ever
    assert len(notes(frames, "nvml.gpu_late")) == 8


def test_a_gpu_that_hangs_from_the_start_does_not_hide_the_others(driver: FakeDriver) -> None:
    driver.set(hung=0)
    with nvml(driver) as driven:
        assert len(of_kind(driven.opened, DeviceFound)) == 7
        (late,) = notes(driven.opened, "nvml.gpu_late")
        assert late.device is None and "GPU 0" in late.text
        driver.set(hung="")
        frames = poll_until(driven, lambda frames: of_kind(frames, DeviceFound))
        assert [found.device for found in of_kind(frames, DeviceFound)] == [gpu(0)]


def test_what_may_not_be_read_is_left_out_and_said_once(driver: FakeDriver) -> None:
    driver.set(denied=1, closed=3, gpus=4)
    with nvml(driver) as driven:
        opened, frames = driven.opened, driven.poll()
    assert {note.device for note in notes(opened, "nvml.field_failed")} == {gpu(1)}
    assert "Permission" in notes(opened, "nvml.field_failed")[0].text
    (closed,) = notes(opened, "nvml.gpu_unreadable")
    assert "GPU 3" in closed.text and "Permission" in closed.text
    assert not of_kind(frames, Note)
    samples = by_device(frames)
    assert samples.keys() == {gpu(0), gpu(1), gpu(2)}
    assert "hw.power" not in samples[gpu(1)].values and samples[gpu(1)].values["hw.gpu.clock.sm"] == 1.98e9
    assert "hw.gpu.memory.unowned" not in samples[gpu(1)].values  # unknown who owns it: not "nobody"
    assert samples[gpu(0)].values["hw.power"] == 450


def test_an_old_driver_gives_what_it_has(old: Path, tmp_path: Path, child: subprocess.Popen[bytes]) -> None:
    driver = FakeDriver(old, tmp_path)
    driver.set(gpus=1, no_gpm="all", hot=0, pids=child.pid)
    with nvml(driver) as driven:
        frames = driven.poll()
    sample = by_device(frames)[gpu(0)]
    assert sample.values["hw.gpu.memory.usage"] == 11 * GIB  # version 1 counts the driver's own part too
    assert sample.states["throttle"] == "thermal"
    assert sample.values["hw.gpu.clock.sm"] == 1.2e9
    (process,) = [sample for sample in of_kind(driven.opened, Sample) if sample.pid is not None]
    assert (process.pid, process.values["process.gpu.memory.usage"]) == (child.pid, 4 * GIB)


def test_mig_tells_of_the_instances_and_no_utilization_of_the_whole(driver: FakeDriver) -> None:
    driver.set(mig=0, gpus=1, pids=os.getpid())
    with nvml(driver) as driven:
        whole, *instances = of_kind(driven.opened, DeviceFound)
        users = [(sample.device, sample.pid) for sample in of_kind(driven.opened, Sample) if sample.pid is not None]
        samples = by_device(poll_until(driven, has(mig(0, 1), "hw.gpu.sm.active")))
    assert whole.attributes["mig"] == "on"
    assert [found.device for found in instances] == [mig(0, 1), mig(0, 2)]
    assert {found.attributes["mig_parent"] for found in instances} == {gpu(0)}
    assert {found.memory_bytes for found in instances} == {40 * GIB}
    assert not {"hw.gpu.utilization", "hw.gpu.sm.active"} & samples[gpu(0)].values.keys()
    assert users == [(mig(0, 1), os.getpid())]  # not once more on the whole
    assert samples[mig(0, 2)].values["hw.gpu.sm.active"] == pytest.approx(0.8)
    assert "hw.power" in samples[gpu(0)].values and "hw.power" not in samples[mig(0, 1)].values


def test_a_gpu_on_the_hosts_memory_shows_the_hosts(driver: FakeDriver) -> None:
    driver.set(no_memory=0, gpus=1)
    with nvml(driver) as driven:
        (found,) = of_kind(driven.opened, DeviceFound)
        values = by_device(driven.poll())[gpu(0)].values
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert found.attributes["memory"] == "shared with the host"
    assert found.memory_bytes == pytest.approx(total, rel=0.01)
    assert 0 < values["hw.gpu.memory.usage"] < values["hw.gpu.memory.limit"]


def test_processes_are_introduced_measured_and_end(driver: FakeDriver, child: subprocess.Popen[bytes]) -> None:
    driver.set(gpus=2, pids=f"{os.getpid()},{child.pid}", weird=0)
    with nvml(driver) as driven:
        found = {frame.pid: frame for frame in of_kind(driven.opened, ProcessFound)}
        frames = driven.opened
        child.kill()
        gone = poll_until(driven, lambda frames: of_kind(frames, ProcessGone))
        after = driven.poll()
    assert found.keys() == {os.getpid(), child.pid}
    assert "input()" in found[child.pid].command
    samples = {sample.pid: sample for sample in of_kind(frames, Sample) if sample.pid is not None}
    assert samples[child.pid].device == gpu(1)
    assert samples[child.pid].values == {"process.gpu.memory.usage": 4 * GIB, "process.gpu.sm.utilization": 0.74}
    assert samples[os.getpid()].values == {"process.gpu.memory.usage": 4 * GIB}  # 37100 % is no share
    assert by_device(frames)[gpu(1)].values["hw.gpu.memory.unowned"] == 7 * GIB
    assert [frame.pid for frame in of_kind(gone, ProcessGone)] == [child.pid]
    assert not of_kind(after, ProcessGone)


def test_the_watched_process_is_left_to_the_host_source(driver: FakeDriver) -> None:
    driver.set(gpus=1, pids=os.getpid())
    with nvml(driver, pids=(os.getpid(),)) as driven:
        frames = driven.opened
    assert not of_kind(frames, ProcessFound)
    assert os.getpid() in [sample.pid for sample in of_kind(frames, Sample)]


@pytest.mark.parametrize(
    ("name", "shown"), [("evil\x1b[2J\u202e GPU", "evil\ufffd[2J\ufffd GPU"), ("not \udcff UTF-8", "NVIDIA GPU")]
)
def test_a_hostile_name_harms_nobody(driver: FakeDriver, name: str, shown: str) -> None:
    driver.set(gpus=1, name=name)
    with nvml(driver) as driven:
        (found,) = of_kind(driven.opened, DeviceFound)
        assert gpu(0) in by_device(driven.poll())
    assert found.name == shown


def test_says_when_another_reads_the_same_counters(driver: FakeDriver, tmp_path: Path) -> None:
    driver.set(gpus=1)
    proc = process_tree(tmp_path / "proc", HOST_NAMESPACE)
    for pid, name in ((11, "bash"), (12, "nv-hostengine")):
        (proc / str(pid)).mkdir()
        (proc / str(pid) / "comm").write_text(f"{name}\n")
    with nvml(driver, {"nvml.proc": str(proc)}) as driven:
        (note,) = notes(driven.opened, "nvml.dcgm")
    assert "nv-hostengine" in note.text


def process_tree(root: Path, namespace: str) -> Path:
    """A /proc in which we live in `namespace`."""
    (root / "self/ns").mkdir(parents=True)
    (root / "self/ns/pid").symlink_to(namespace)
    return root


def test_host_pids_mean_nothing_in_a_container(driver: FakeDriver, tmp_path: Path) -> None:
    driver.set(gpus=1, pids=os.getpid())
    proc = process_tree(tmp_path / "proc", "pid:[4026539999]")
    with nvml(driver, {"nvml.proc": str(proc)}) as driven:
        frames = driven.opened + driven.poll()
    (note,) = notes(frames, "nvml.other_pid_namespace")
    assert f"host pid {os.getpid()}" in note.text and note.device == gpu(0)
    assert not [sample for sample in of_kind(frames, Sample) if sample.pid is not None]
    assert by_device(driven.opened)[gpu(0)].values["hw.gpu.memory.unowned"] == 6 * GIB  # owned, if by somebody unknown


def test_a_real_pid_namespace(driver: FakeDriver) -> None:
    inside = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
    if shutil.which("unshare") is None or subprocess.run([*inside, "true"], capture_output=True).returncode:
        pytest.skip("no pid namespace may be made here")
    driver.set(gpus=1, pids=f"1,{os.getpid()}")
    with nvml(driver, prefix=inside) as driven:
        frames = driven.opened
    (note,) = notes(frames, "nvml.other_pid_namespace")
    assert f"host pid 1, {os.getpid()}" in note.text  # 1 is another process there than here
    assert not of_kind(frames, ProcessFound)


def test_host_pids_are_mapped_where_the_hosts_proc_is_mounted(driver: FakeDriver, tmp_path: Path) -> None:
    driver.set(gpus=1, pids="4001,4002")
    namespace = "pid:[4026539999]"
    proc = process_tree(tmp_path / "proc", namespace)
    for pid, where in ((4001, namespace), (4002, HOST_NAMESPACE)):
        (tmp_path / f"host/{pid}/ns").mkdir(parents=True)
        (tmp_path / f"host/{pid}/ns/pid").symlink_to(where)
        (tmp_path / f"host/{pid}/status").write_text(f"Name:\tpython\nNSpid:\t{pid}\t{os.getpid()}\n")
    with nvml(driver, {"nvml.proc": str(proc), "nvml.host_proc": str(tmp_path / "host")}) as driven:
        frames = driven.opened
    assert [sample.pid for sample in of_kind(frames, Sample) if sample.pid is not None] == [os.getpid()]
    assert "host pid 4002" in notes(frames, "nvml.other_pid_namespace")[0].text


def sleeping(sysfs: Path, address: str, status: str) -> None:
    """Writes the runtime power state of one PCI device into a recorded tree."""
    for folder in (sysfs / "bus/pci/drivers/nvidia" / address, sysfs / "bus/pci/devices" / address):
        (folder / "power").mkdir(parents=True, exist_ok=True)
        (folder / "power/control").write_text("auto\n")
        (folder / "power/runtime_status").write_text(f"{status}\n")


def test_a_sleeping_laptop_gpu_is_not_woken(driver: FakeDriver, tmp_path: Path) -> None:
    driver.set(gpus=1)
    driver.log()
    sleeping(tmp_path / "sys", "0000:10:00.0", "suspended")
    with nvml(driver, {"nvml.sysfs": str(tmp_path / "sys")}) as driven:
        assert [note.code for note in of_kind(driven.opened, Note)] == ["nvml.asleep"]
        assert driven.poll() == []
        assert driver.calls() == []
        sleeping(tmp_path / "sys", "0000:10:00.0", "active")
        assert gpu(0) in by_device(driven.poll())
        sleeping(tmp_path / "sys", "0000:10:00.0", "suspended")
        assert [note.code for note in of_kind(driven.poll(), Note)] == ["nvml.asleep"]
        assert driven.poll() == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"init": 9}, "not loaded"),
        ({"init": 18}, "updated while in use"),
        ({"init": 999}, "NVML can't start"),
        ({"gpus": 0}, "no NVIDIA GPU"),
    ],
)
def test_says_why_there_is_nothing(driver: FakeDriver, settings: dict[str, int], words: str) -> None:
    driver.set(**settings)
    with nvml(driver) as driven:
        (note,) = of_kind(driven.opened, Note)
        assert note.code == "unavailable" and words in note.text and note.next_step
        driven.close()
        assert driven.end() == 0


def test_no_driver_at_all(tmp_path: Path) -> None:
    with Driven("acceltop.collectors.nvml", env={"LD_LIBRARY_PATH": str(tmp_path)}) as driven:
        (note,) = of_kind(driven.opened, Note)
    assert "no NVIDIA driver" in note.text and "install the driver" in note.next_step


def test_a_library_by_its_path(current: Path, tmp_path: Path) -> None:
    path = str(current / "libnvidia-ml.so.1")
    with Driven("acceltop.collectors.nvml", options={"nvml.library": path}) as driven:
        assert len(of_kind(driven.opened, DeviceFound)) == 8
    with Driven("acceltop.collectors.nvml", options={"nvml.library": str(tmp_path / "none.so")}) as driven:
        assert "can't load" in of_kind(driven.opened, Note)[0].text
