"""The session with real threads and sources that do what sources do: answer, hang, break, come back."""

from __future__ import annotations

import select
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from shutil import make_archive
from statistics import median
from time import monotonic
from types import ModuleType

import pytest
from tests.waiting import wait_for

from acceltop.profiler import session as module
from acceltop.profiler.errors import AcceltopError, Unavailable, UsageError
from acceltop.profiler.model import DeviceFound, DeviceLost, Frame, Hello, Note, ProcessGone, Sample
from acceltop.profiler.session import GROUP, Session, installed, sources
from acceltop.profiler.source import SourceContext, Stop


class Counter:
    """A source that counts its readings; `on_poll` is what else it does in them."""

    name = "counter"
    deadline_s = 0.2

    def __init__(self, on_poll: Callable[[int], object] = lambda n: None, found: Iterable[Frame] = ()) -> None:
        self.polls = self.opens = self.closes = 0
        self.on_poll, self.found = on_poll, tuple(found)

    def open(self, context: SourceContext) -> Iterable[Frame]:
        self.opens += 1
        return self.found

    def poll(self) -> Iterable[Frame] | None:
        self.polls += 1
        self.on_poll(self.polls)
        return [Sample(self.polls, "counter", {"system.cpu.load_1m": float(self.polls)})]

    def close(self) -> None:
        self.closes += 1


class Collected(list[Frame]):
    def notes(self, code: str) -> list[Note]:
        return [frame for frame in self if isinstance(frame, Note) and frame.code == code]

    def samples(self) -> list[Sample]:
        return [frame for frame in self if isinstance(frame, Sample)]

    def devices(self) -> list[DeviceFound]:
        return [frame for frame in self if isinstance(frame, DeviceFound)]


@pytest.fixture
def seen() -> Collected:
    return Collected()


@pytest.fixture
def begin(seen: Collected) -> Iterator[Callable[..., Session]]:
    running: list[Session] = []

    def start(*sources: Counter, interval_s: float = 0.02) -> Session:
        loaders = {f"source{i}": (lambda source=source: source) for i, source in enumerate(sources)}
        session = Session(loaders, SourceContext(interval_s=interval_s), [seen.append])
        running.append(session)
        session.start()
        return session

    yield start
    for session in running:
        session.stop()


def test_hello_comes_first_and_readings_follow(begin: Callable[..., Session], seen: Collected) -> None:
    source = Counter()
    session = begin(source)
    wait_for(lambda: len(seen.samples()) >= 3)
    session.stop()
    assert isinstance(seen[0], Hello) and seen[0].host and seen[0].tool_version
    assert source.opens == source.closes == 1
    assert [sample.time_ns for sample in seen.samples()] == list(range(1, source.polls + 1))


@pytest.mark.parametrize("seen", [False, True])
def test_one_source_has_a_head_start(monkeypatch: pytest.MonkeyPatch, seen: bool) -> None:
    monkeypatch.setattr(module, "HEAD_START_S", 20 if seen else 0.1)
    first, other = Counter(), Counter()
    session = Session({"other": lambda: other, "first": lambda: first}, SourceContext(0.02), [], first="first")
    session.start()
    try:
        wait_for(lambda: first.polls)
        if seen:
            assert other.opens == 0
            session.seen.set()
        wait_for(lambda: other.opens)
    finally:
        session.stop()


def test_a_source_that_is_not_there_is_a_note_and_the_others_go_on(
    begin: Callable[..., Session], seen: Collected
) -> None:
    class Absent(Counter):
        def open(self, context: SourceContext) -> Iterable[Frame]:
            raise Unavailable("no driver", "install one")

    absent, present = Absent(), Counter()
    begin(absent, present)
    wait_for(lambda: len(seen.samples()) >= 3)
    (note,) = seen.notes("source.unavailable")
    assert (note.text, note.next_step, note.source) == ("no driver", "install one", "source0")
    wait_for(lambda: absent.closes == 1)
    assert absent.polls == 0


def test_a_source_without_readings_is_closed_and_asked_no_more(begin: Callable[..., Session]) -> None:
    class Silent(Counter):
        def poll(self) -> None:
            self.polls += 1

    silent, other = Silent(), Counter()
    session = begin(silent, other)
    wait_for(lambda: silent.closes == 1 and session.waiting_for(1) == [])
    assert silent.polls == silent.opens == 1 and not session.finished


def test_a_late_source_is_said_once_then_back_and_the_other_never_waits(
    begin: Callable[..., Session], seen: Collected
) -> None:
    answer = threading.Event()
    slow = Counter(lambda n: n == 1 and answer.wait(20))
    other = Counter()
    other.deadline_s = 60.0  # it may have to wait for the processor
    begin(slow, other)
    (late,) = wait_for(lambda: seen.notes("source.late"))
    assert late.source == "source0" and late.since_ns is not None and late.since_ns < late.time_ns
    before = other.polls
    wait_for(lambda: other.polls > before + 20)
    assert len(seen.notes("source.late")) == 1
    answer.set()
    (back,) = wait_for(lambda: seen.notes("source.back"))
    assert back.since_ns == late.since_ns


def test_stop_leaves_a_hung_source_behind_within_two_seconds(begin: Callable[..., Session]) -> None:
    answer = threading.Event()
    hung = Counter(lambda n: answer.wait(60))
    session = begin(hung)
    wait_for(lambda: hung.polls)
    began = monotonic()
    session.stop()
    assert monotonic() - began < module.STOP_S + 3  # it hangs for 60 s
    assert session.ended.is_set()
    answer.set()
    wait_for(lambda: hung.closes == 1)  # closes by itself once the driver answers


def test_a_broken_source_is_started_again_and_given_up_in_the_end(
    begin: Callable[..., Session], seen: Collected
) -> None:
    def broken(n: int) -> None:
        raise ZeroDivisionError("bad \x1b[31mreading")

    source = Counter(broken)
    session = begin(source)
    wait_for(lambda: session.finished)
    wait_for(lambda: len(seen.notes("source.error")) == module.RESTARTS + 1)
    assert source.opens == source.closes == module.RESTARTS + 1
    notes = seen.notes("source.error")
    assert "ZeroDivisionError: bad" in notes[0].text and "\x1b" not in notes[0].text
    assert [bool(note.next_step) for note in notes] == [False] * module.RESTARTS + [True]


def test_what_a_source_says_of_being_stopped_is_no_note(begin: Callable[..., Session], seen: Collected) -> None:
    class Waiting(Counter):
        def open(self, context: SourceContext) -> Iterable[Frame]:
            self.opens += 1
            context.stop.wait(20)
            raise Unavailable("no answer in time")

    source = Waiting()
    session = begin(source)
    wait_for(lambda: source.opens)
    session.stop()
    assert source.closes == 1
    assert not [frame for frame in seen if isinstance(frame, Note)]


def test_a_source_recovers_after_one_error(begin: Callable[..., Session], seen: Collected) -> None:
    def once(n: int) -> None:
        if n == 2:
            raise OSError("gone for a moment")

    begin(Counter(once))
    wait_for(lambda: len(seen.samples()) > 4)
    assert len(seen.notes("source.error")) == 1


def test_logging_that_another_thread_is_still_loading_breaks_no_source(
    begin: Callable[..., Session], seen: Collected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "logging", ModuleType("logging"))
    begin(Counter())
    wait_for(seen.samples)
    assert seen.notes("source.error") == []


def test_readings_keep_the_grid_and_do_not_pile_up() -> None:
    times: list[float] = []
    stall = threading.Event()

    def poll(n: int) -> None:
        times.append(monotonic())
        if n == 3:
            stall.wait(0.35)

    session = Session({"grid": lambda: Counter(poll)}, SourceContext(interval_s=0.1), [])
    session.start()
    wait_for(lambda: len(times) >= 8)
    session.stop()
    assert len(times) - 1 <= (times[-1] - times[0]) / 0.1 - 2  # those that were missed are not caught up with
    assert median(_off_grid(moment, 0.1) for moment in times[1:]) < 0.03  # one or the other may be late


def test_sources_read_one_right_after_the_other() -> None:
    times: dict[str, list[float]] = {"one": [], "two": [], "three": []}

    def source(name: str) -> Callable[[], Counter]:
        return lambda: Counter(lambda n: times[name].append((monotonic() + 0.02) % 0.1))

    session = Session({name: source(name) for name in times}, SourceContext(interval_s=0.1), [])
    session.start()
    wait_for(lambda: min(map(len, times.values())) >= 8)
    session.stop()
    usual = [median(moments[1:]) for moments in times.values()]
    assert usual == sorted(usual)
    assert usual[-1] - usual[0] < 0.05


@pytest.mark.parametrize("asked_first", [True, False])
def test_a_stop_can_be_waited_for_beside_files(asked_first: bool) -> None:
    stop = Stop()
    if asked_first:
        assert select.select([stop], (), (), 0)[0] == []
    stop.set()
    assert select.select([stop], (), (), 0)[0] == [stop]


def _off_grid(seconds: float, interval_s: float) -> float:
    return abs(seconds - round(seconds / interval_s) * interval_s)


def test_a_slow_sink_loses_the_oldest_and_the_loss_is_told() -> None:
    seen = Collected()
    gate = threading.Event()

    def slow(frame: Frame) -> None:
        gate.wait(20)
        seen.append(frame)

    source = Counter()
    session = Session({"fast": lambda: source}, SourceContext(interval_s=0.001), [slow], capacity=16)
    session.start()
    wait_for(lambda: session.dropped > 50)
    gate.set()
    wait_for(lambda: any("acceltop.frames.dropped" in sample.values for sample in seen.samples()))
    session.stop()
    last = [s for s in seen.samples() if "acceltop.frames.dropped" in s.values][-1]
    assert last.values["acceltop.frames.dropped"] == session.dropped > 50


def test_the_error_of_a_sink_ends_the_session_and_reaches_the_caller() -> None:
    def full(frame: Frame) -> None:
        raise AcceltopError("no space left on the disk", "free some")

    session = Session({"counter": Counter}, SourceContext(interval_s=0.02), [full])
    session.start()
    assert session.ended.wait(30)
    with pytest.raises(AcceltopError, match="no space left"):
        session.stop()


def test_ticks_come_on_the_sinks_thread() -> None:
    threads: set[str] = set()
    session = Session(
        {"counter": Counter},
        SourceContext(interval_s=0.02),
        [lambda frame: threads.add(threading.current_thread().name)],
        [lambda: threads.add(threading.current_thread().name)],
    )
    session.start()
    session.stop()
    assert threads == {"acceltop-sinks"}


GPU = DeviceFound(1, "nvidia:GPU-1", "H100", "gpu", source="nvml", pci="00000000:65:00.0")
CL = DeviceFound(2, "opencl:0000:65:00.0", "H100", "gpu", source="opencl", pci="0000:65:00.0")
OTHER = DeviceFound(2, "opencl:1", "PoCL", "cpu", source="opencl")


@pytest.mark.parametrize("order", [(GPU, CL, OTHER), (CL, OTHER, GPU)])
def test_twins_are_matched_by_their_pci_address_in_any_order(
    order: tuple[DeviceFound, ...], begin: Callable[..., Session], seen: Collected
) -> None:
    begin(Counter(found=order))
    wait_for(seen.samples)
    latest = {device.device: device for device in seen.devices()}
    assert latest[CL.device].same_as == GPU.device
    assert latest[GPU.device].same_as is None and latest[OTHER.device].same_as is None


def test_a_device_is_told_again_only_when_it_changed_or_came_back(
    begin: Callable[..., Session], seen: Collected
) -> None:
    grown = replace(GPU, memory_bytes=1 << 30)
    lost = DeviceLost(5, GPU.device, "fell off the bus")
    begin(Counter(found=(GPU, replace(GPU, time_ns=9), grown, lost, grown)))
    wait_for(seen.samples)
    assert [f for f in seen if isinstance(f, (DeviceFound, DeviceLost))] == [GPU, grown, lost, grown]


def test_the_end_of_a_process_is_told_once_and_again_with_its_exit_code(
    begin: Callable[..., Session], seen: Collected
) -> None:
    ends = [ProcessGone(1, 7), ProcessGone(2, 7), ProcessGone(3, 7, exit_code=1), ProcessGone(4, 7)]
    begin(Counter(found=ends))
    wait_for(seen.samples)
    assert [f for f in seen if isinstance(f, ProcessGone)] == [ends[0], ends[2]]


def test_the_installed_sources_and_a_name_that_is_none_of_them() -> None:
    assert {"host", "nvml", "opencl", "stacks", "agent"} <= set(installed())
    assert list(installed(["nvml", "host"], without=["nvml"])) == ["host"]
    with pytest.raises(UsageError, match="nvmll.*there are agent, host"):
        installed(["nvmll"])


@pytest.mark.parametrize("archived", [False, True])
def test_the_source_of_another_package_is_found(
    archived: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "packages"
    about = place / "more-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: more\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        f"[console_scripts]\nmore = a:b\n\n[{GROUP}]\nmore = more.tpu:Source\n\n[z]\nx = y:z\n"
    )
    if archived:
        place = Path(make_archive(str(tmp_path / "all"), "zip", place))
    monkeypatch.syspath_prepend(place)
    assert sources()["more"] == "more.tpu:Source"
    assert set(sources()) == {"host", "nvml", "opencl", "stacks", "agent", "more"}
