"""The Timeline answers what went in, in bounded memory, and says nothing where nothing is known."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.profiler.strategies import frames

from acceltop.profiler.history import subjects
from acceltop.profiler.history.levels import FINE_NS, RAW_CAPACITY, Buckets
from acceltop.profiler.history.merge import OTHER
from acceltop.profiler.history.store import MAX_NOTES, MAX_SLICES, Limits, StepKey
from acceltop.profiler.metrics import METRICS
from acceltop.profiler.model import (
    Cost,
    DeviceFound,
    DeviceLost,
    Frame,
    Hello,
    KernelRow,
    KernelWindow,
    Launch,
    MemoryStats,
    Note,
    ProcessFound,
    ProcessGone,
    Sample,
    Slices,
    StackWindow,
    Steps,
)
from acceltop.profiler.timeline import Key, Timeline

S = 1_000_000_000
T0 = 1_700_000_000 * S
GPU = "nvidia:GPU-1"
POWER = Key("hw.power", GPU)


def power(second: float, watt: float) -> Sample:
    return Sample(T0 + int(second * S), "nvml", {"hw.power": watt}, device=GPU)


def window(second: int, *rows: KernelRow, **more: Any) -> KernelWindow:
    t = T0 + second * S
    return KernelWindow(t, t + 2 * S, 7, "torch", rows, S // 10, **more)


def row(name: str, total: int, **more: Any) -> KernelRow:
    return KernelRow(name, "kernel", 2, total, total // 2, total // 2, GPU, **more)


@settings(deadline=None)
@given(st.lists(frames(), max_size=12))
def test_no_frame_breaks_it(some: list[Frame]) -> None:
    timeline = Timeline()
    timeline.add_all(some)
    assert timeline.version + timeline.rejected == len(some)
    for key in list(timeline.keys()):
        timeline.series(key, T0, T0 + 60 * S, 30)
        timeline.latest(*key, at_ns=T0)
    for frame in some:
        pid = getattr(frame, "pid", None) or 0
        timeline.step_bands(pid, T0, T0 + 60 * S, 30)
        timeline.steps(pid)
        timeline.windows(pid, -(2**63), 2**63)
        timeline.stacks(pid, -(2**63), 2**63)


def test_versions_count_by_kind() -> None:
    timeline = Timeline()
    timeline.add_all([power(0, 1), power(1, 1), Note(T0, "info", "a", "b")])
    assert (timeline.versions["Sample"], timeline.versions["Note"], timeline.versions["Steps"]) == (2, 1, 0)
    assert timeline.span == (T0, T0 + S)


# --- series


def test_a_series_by_the_second() -> None:
    timeline = Timeline()
    timeline.add_all(power(second, 100.0 + second) for second in range(60))
    band = timeline.series(POWER, T0, T0 + 60 * S, 60)
    assert band.mean.tolist() == [100.0 + second for second in range(60)]
    assert band.low.tolist() == band.high.tolist() == band.mean.tolist()
    assert band.times[0] == T0 + S // 2


def test_points_hold_until_the_next_but_not_for_ever() -> None:
    timeline = Timeline()
    timeline.add_all(power(second, 1.0) for second in range(10))
    timeline.add_all(power(second, 2.0) for second in range(30, 40))
    band = timeline.series(POWER, T0 - 10 * S, T0 + 60 * S, 140)  # two points a second
    known = ~np.isnan(band.mean)
    assert not known[:20].any()
    assert known[20:42].all()
    assert not known[46:80].any()  # from 2.5 s after the last reading
    assert known[80:102].all()
    assert not known[106:].any()


def test_bins_tell_low_mean_and_high() -> None:
    timeline = Timeline()
    timeline.add_all(power(second, float(second % 10)) for second in range(100))
    band = timeline.series(POWER, T0, T0 + 100 * S, 10)
    assert set(band.low) == {0.0} and set(band.high) == {9.0} and set(band.mean) == {4.5}


def test_old_readings_become_levels() -> None:
    timeline = Timeline()
    day = 24 * 3600
    timeline.add_all(power(second, float(second)) for second in range(0, day, 2))
    assert timeline.values[POWER].raw.trimmed
    band = timeline.series(POWER, T0, T0 + day * S, 24)
    assert not np.isnan(band.mean).any()
    hours = [(hour + 0.5) * 3600 for hour in range(24)]
    assert np.allclose(band.mean, hours, atol=200)
    assert (band.low <= band.mean).all() and (band.mean <= band.high).all()
    assert band.high[-1] == day - 2
    recent = timeline.series(POWER, T0 + (day - 60) * S, T0 + day * S, 30)
    assert recent.mean.tolist() == [float(second) for second in range(day - 60, day, 2)]


def test_a_part_is_told_as_it_is_in_the_whole() -> None:
    """Only the rows of a range are looked at."""
    timeline = Timeline(Limits(raw=600))
    timeline.add_all(power(second + 0.5, float(second % 977)) for second in range(0, 8 * 3600, 2))
    whole = timeline.series(POWER, T0, T0 + 8 * 3600 * S, 8 * 60)
    for minute in (0, 100, 8 * 60 - 30):  # the last one reaches from the levels into the readings themselves
        part = timeline.series(POWER, T0 + minute * 60 * S, T0 + (minute + 30) * 60 * S, 30)
        for told, known in zip(part, whole, strict=True):
            assert told.tolist() == known[minute : minute + 30].tolist()
        last = timeline.latest("hw.power", GPU, at_ns=int(part.times[-1]))
        assert last is not None and part.low[-1] <= last.value <= part.high[-1]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5000), st.floats(-1e6, 1e6)), min_size=1, max_size=60), st.integers(1, 50))
def test_no_reading_is_lost_in_bins(readings: list[tuple[int, float]], points: int) -> None:
    """Also with clocks that go back."""
    timeline = Timeline()
    timeline.add_all(power(second, value) for second, value in readings)
    band = timeline.series(POWER, T0, T0 + 5000 * S, points)
    values = [value for _, value in readings]
    assert np.nanmin(band.low) == min(values)
    assert np.nanmax(band.high) == max(values)


def test_nothing_known_is_nan() -> None:
    band = Timeline().series(POWER, T0, T0 + S, 5)
    assert len(band.times) == 5 and np.isnan(band.mean).all()


def test_latest_and_latest_at() -> None:
    timeline = Timeline()
    timeline.add_all(power(second, float(second)) for second in range(10))
    newest = timeline.latest("hw.power", GPU)
    then = timeline.latest("hw.power", GPU, at_ns=T0 + 3 * S + 5)
    assert newest is not None and (newest.time_ns, newest.value, newest.source) == (T0 + 9 * S, 9.0, "nvml")
    assert then is not None and (then.time_ns, then.value) == (T0 + 3 * S, 3.0)
    assert timeline.latest("hw.power", GPU, at_ns=T0 - 1) is None
    assert timeline.latest("hw.power") is None


def test_subjects_of_a_series_are_apart() -> None:
    timeline = Timeline()
    for device, pid in ((None, None), (GPU, None), (None, 1), (GPU, 1)):
        timeline.add(Sample(T0, "x", {"hw.power": float(len(timeline.values))}, device, pid))
    assert [timeline.latest(*key).value for key in list(timeline.keys())] == [0.0, 1.0, 2.0, 3.0]  # type: ignore[union-attr]


# --- devices, processes, notes


def test_a_device_that_two_collectors_know_is_one() -> None:
    timeline = Timeline()
    timeline.add(DeviceFound(T0, "opencl:0", "H100", "gpu", same_as=GPU, attributes={"compute units": "132"}))
    timeline.add(DeviceFound(T0, GPU, "NVIDIA H100", "gpu", memory_bytes=80, attributes={"driver": "550"}))
    timeline.add(Sample(T0, "opencl", {"hw.gpu.clock.sm": 1.0}, device="opencl:0"))
    assert list(timeline.devices) == [GPU]
    found = timeline.devices[GPU].found
    assert (found.name, found.memory_bytes) == ("NVIDIA H100", 80)
    assert found.attributes == {"compute units": "132", "driver": "550"}
    clock = timeline.latest("hw.gpu.clock.sm", GPU)
    assert clock is not None and clock == timeline.latest("hw.gpu.clock.sm", "opencl:0")


def test_a_lost_device_comes_back_with_its_readings() -> None:
    timeline = Timeline()
    timeline.add_all([DeviceFound(T0, GPU, "H100", "gpu"), power(0, 1), DeviceLost(T0 + S, GPU, "hung")])
    assert timeline.devices[GPU].lost is not None
    timeline.add(power(2, 1))
    assert timeline.devices[GPU].lost is None and timeline.devices[GPU].last_ns == T0 + 2 * S


def test_what_is_learned_of_a_process_adds_up() -> None:
    timeline = Timeline()
    timeline.add(ProcessFound(T0, 7, "python a.py", user="ada"))
    timeline.add(ProcessFound(T0 + S, 7, "python a.py", framework="torch", layers={"framework": ("PyTorch 2.13",)}))
    found = timeline.processes[7].found
    assert (found.user, found.framework) == ("ada", "torch")
    timeline.add(ProcessGone(T0 + 2 * S, 7, -9))
    gone = timeline.processes[7].gone
    assert gone is not None and gone.exit_code == -9
    timeline.add(ProcessFound(T0 + 3 * S, 7, "bash"))
    assert timeline.processes[7].found.user is None and timeline.processes[7].gone is None


def test_a_word_is_that_of_the_moment_that_is_looked_at() -> None:
    timeline = Timeline()
    for at, word in enumerate(("none", "power", "power", "none")):
        timeline.add(Sample(T0 + at * S, "nvml", {}, device=GPU, states={"throttle": word}))
    told = [timeline.word("throttle", GPU, at_ns=T0 + at * S) for at in (-1, 0, 1, 2, 3, 9)]
    assert told == [None, "none", "power", "power", "none", "none"]


def test_words_memory_and_cost() -> None:
    timeline = Timeline()
    timeline.add(Sample(T0, "nvml", {}, device=GPU, states={"throttle": "power"}))
    timeline.add(MemoryStats(T0, 7, "torch", 100, 200, device=GPU))
    timeline.add(Cost(T0, 7, 0.004, True))
    assert timeline.word("throttle", GPU) == "power" and timeline.word("pstate", GPU) is None
    assert timeline.memory(7)[0].reserved == 200
    cost, latest = timeline.cost(7), timeline.latest("acceltop.cost", pid=7)
    assert cost is not None and latest is not None and cost.ratio == latest.value
    assert timeline.latest("process.allocator.peak", GPU, 7) is None
    assert {key.metric for key in list(timeline.keys())} <= set(METRICS)


def test_notes_of_a_range() -> None:
    timeline = Timeline()
    timeline.add_all(Note(T0 + second * S, "info", "x", str(second)) for second in range(MAX_NOTES + 10))
    assert len(timeline.notes()) == MAX_NOTES
    assert [note.text for note in timeline.notes(T0 + 20 * S, T0 + 22 * S)] == ["20", "21", "22"]


def test_there_are_never_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subjects, "MAX_SUBJECTS", 50)
    timeline = Timeline()
    for number in range(100):
        timeline.add(DeviceFound(T0, f"d{number}", "x", "gpu"))
        timeline.add(ProcessFound(T0, number, "x"))
        timeline.add(Hello(T0, f"h{number}"))
        timeline.add(Sample(T0, "x", {"hw.power": 1.0}, device=f"d{number}", states={"a": "b"}))
        timeline.add(Steps(T0, number, 0, (1,)))
        timeline.add(KernelWindow(T0, T0, number, "x", (), 1))
    assert timeline.rejected == 6 * 50
    assert len(timeline.devices) == len(timeline.processes) == len(timeline.hosts) == 50


# --- steps


def test_steps_one_by_one() -> None:
    timeline = Timeline()
    timeline.add(Steps(T0, 7, 10, (S, 2 * S), {"data": (5, 6)}, (False, True)))
    timeline.add(Steps(T0 + 3 * S, 7, 12, (S,)))
    steps = timeline.steps(7)
    assert steps.index.tolist() == [10, 11, 12]
    assert steps.start_ns.tolist() == [T0, T0 + S, T0 + 3 * S]
    assert steps.duration_ns.tolist() == [S, 2 * S, S]
    assert steps.profiled.tolist() == [0, 1, 0]
    assert steps.phases["data"].tolist() == [5, 6, -1]
    assert timeline.steps(7, T0 + S, T0 + 4 * S).index.tolist() == [11, 12]
    assert timeline.steps(7, T0, T0 + 4 * S - 1).index.tolist() == [10, 11]  # the last one still goes on
    assert timeline.steps(8).index.tolist() == []


def test_columns_of_another_length_do_no_harm() -> None:
    timeline = Timeline()
    timeline.add(Steps(T0, 7, 0, (1, 1), {"data": (5,), "forward": (1, 2, 3, 4), "invented": (9, 9)}, (True,) * 9))
    timeline.add(Steps(T0, 7, 2**63 - 1, (1, 1)))  # no room for its second index
    steps = timeline.steps(7)
    assert timeline.rejected == 1
    assert steps.phases["data"].tolist() == [5, -1] and steps.phases["forward"].tolist() == [1, 2]


@pytest.mark.parametrize("span_s", [60, 600, 86_400])
def test_bands_of_steps(span_s: int) -> None:
    timeline = Timeline(Limits(steps=10_000))
    t = T0
    for batch in range(2000):
        duration = S // 100 * (1 + batch % 3)
        timeline.add(Steps(t, 7, batch * 50, (duration,) * 50, {"data": (duration // 2,) * 50}))
        t += 50 * duration
    bands = timeline.step_bands(7, t - min(span_s * S, t - T0), t, 40)
    assert set(bands) == {"", "data"}
    whole = bands[""]
    assert np.nanmin(whole.low) == S // 100 and np.nanmax(whole.high) == 3 * S // 100
    assert np.allclose(bands["data"].mean, whole.mean / 2, equal_nan=True)
    assert np.isnan(whole.mean).sum() <= 1


# --- windows


def test_windows_of_a_range_come_whole() -> None:
    timeline = Timeline()
    timeline.add_all(window(second, row("gemm", 1000)) for second in range(0, 20, 2))
    found = [w.t0_ns for w in timeline.windows(7, T0 + 5 * S, T0 + 9 * S)]
    assert found == [T0 + 4 * S, T0 + 6 * S]  # the one that was still open at the end is not known then
    assert timeline.windows(8, T0, T0 + S) == []


def test_a_sum_counts_before_its_end() -> None:
    timeline = Timeline()
    timeline.load_summary([window(0, row("gemm", 1000)), power(0, 5.0)])
    timeline.add(window(1, row("gemm", 1000)))
    assert [w.t0_ns for w in timeline.windows(7, T0, T0 + S)] == [T0]
    assert [w.t0_ns for w in timeline.windows(7, T0, T0 + 3 * S)] == [T0, T0 + S]


def test_sums_are_kept_however_old() -> None:
    timeline = Timeline(Limits(kernels=10, kernel_rows=20, tiers=((60 * S, 5), (300 * S, 5))))
    count = 3000
    for number in range(count):
        rows = [row("gemm", 1000), *(row(f"k{number * 7 + n}", 10 + n, bytes=3) for n in range(5))]
        timeline.add(window(2 * number, *rows, steps=2.0, events=12, dropped=1, phases={"data": 5}))
    kept = timeline.windows(7, 0, 2**62)
    assert len(kept) == 10 + 5 + 1 + 5 + 1 + 1
    assert all(a.t0_ns <= b.t0_ns for a, b in pairwise(kept))
    assert all(len(w.rows) <= 21 for w in kept)
    total = sum(r.total_ns for w in kept for r in w.rows)
    assert total == count * (1000 + 10 + 11 + 12 + 13 + 14)
    assert sum(r.calls for w in kept for r in w.rows) == count * 12
    assert sum(r.total_ns for w in kept for r in w.rows if r.name == "gemm") == count * 1000
    sums = [(w.profiled_ns, w.windows, w.steps, w.events, w.dropped, w.phases["data"]) for w in kept]
    assert np.array(sums).sum(0).tolist() == [count * S // 10, count, 2 * count, 12 * count, count, 5 * count]


def test_what_is_unknown_of_a_part_is_unknown_of_the_sum() -> None:
    timeline = Timeline(Limits(kernels=0))
    timeline.add(window(0, row("a", 10, bytes=5, flops=7), row("b", 10, bytes=5), steps=1.0))
    timeline.add(window(2, row("a", 20, bytes=6, flops=None), row("b", 30, bytes=6), steps=None))
    (merged,) = timeline.windows(7, T0, T0 + 9 * S)
    a, b = merged.rows
    assert (a.bytes, a.flops, a.min_ns, a.max_ns) == (11, None, 5, 10)
    assert (b.bytes, b.flops, merged.steps) == (11, None, None)


def test_the_launch_of_the_longest_call_stays() -> None:
    launches = [Launch(grid=(8,)), Launch(grid=(132, 1, 1)), None]
    timeline = Timeline(Limits(kernels=0))
    timeline.add_all(window(2 * at, row("a", ns, launch=launches[at])) for at, ns in enumerate((10, 30, 20)))
    (merged,) = timeline.windows(7, T0, T0 + 9 * S)
    assert merged.rows[0].launch == launches[1]


def test_small_rows_become_other() -> None:
    timeline = Timeline(Limits(kernels=0, kernel_rows=3))
    timeline.add(window(0, *(row(f"k{n}", 100 - n) for n in range(40))))
    (merged,) = timeline.windows(7, T0, T0 + 9 * S)
    assert [r.name for r in merged.rows] == ["k0", "k1", "k2", OTHER]
    assert sum(r.total_ns for r in merged.rows) == sum(100 - n for n in range(40))


def test_slices_of_old_windows_are_let_go() -> None:
    timeline = Timeline()
    size = MAX_SLICES // 4
    column = (0,) * size
    slices = Slices(("k",), ("stream 7",), column, column, column, column)
    timeline.add_all(window(2 * number, row("k", 1), slices=slices) for number in range(10))
    kept = [w.slices is not None for w in timeline.windows(7, 0, 2**62)]
    assert kept == [False] * 6 + [True] * 4


def test_stacks_add_up() -> None:
    timeline = Timeline(Limits(stacks=3, stack_rows=5))
    for number in range(100):
        stacks = {"main;train": 8, f"main;once_{number}": 2}
        timeline.add(StackWindow(T0 + number * S, T0 + (number + 1) * S, 7, "py-spy", 100.0, 10, stacks, gil=stacks))
    kept = timeline.stacks(7, 0, 2**62)
    assert sum(w.samples for w in kept) == 1000
    assert sum(count for w in kept for count in w.stacks.values()) == 1000
    assert sum(w.stacks["main;train"] for w in kept) == 800
    assert max(len(w.gil) for w in kept) <= 6


# --- bounds


def test_full_rings_take_no_other_memory() -> None:
    """Where hundreds of arrays move, the holes that they leave add up."""
    timeline = Timeline(Limits(raw=600, fine=300))
    timeline.add_all(power(second, 1.0) for second in range(4000))
    series = timeline.values[POWER]

    def places() -> list[int]:
        return [column.buffer_info()[0] for column in (*series.raw.arrays, *series.fine.rows.arrays)]

    full = places()
    timeline.add_all(power(second, 1.0) for second in range(4000, 8000))
    assert places() == full


def life(pid: int, hour: int, seconds: int = 1) -> list[Frame]:
    t0 = T0 + hour * 3600 * S
    t1 = t0 + seconds * S
    return [
        ProcessFound(t0, pid, "python"),
        Sample(t0, "host", {"process.cpu.utilization": 0.5}, pid=pid, states={"a": "b"}),
        Steps(t0, pid, 0, (S,)),
        KernelWindow(t0, t1, pid, "torch", (), 1),
        StackWindow(t0, t1, pid, "py-spy", 100.0, 1, {"main": 1}),
        MemoryStats(t0, pid, "agent", allocated=1),
        Cost(t0, pid, 0.01, True),
        ProcessGone(t1, pid),
    ]


def test_processes_that_ended_long_ago_are_forgotten() -> None:
    timeline = Timeline(Limits(ended=2))
    timeline.add_all(life(1, 0))
    series = timeline.series_count
    for pid in (2, 3, 4):
        timeline.add_all(life(pid, pid - 1))
        assert pid in timeline.processes
    assert set(timeline.processes) == {3, 4} == {key.pid for key in timeline.values}
    assert timeline.word("a", None, 1) is None and not timeline.memory(1) and timeline.cost(1) is None
    assert not timeline.step_bands(1, T0, T0 + S, 1) and not len(timeline.steps(1).index)
    assert not timeline.windows(1, 0, T0 + S) and not timeline.stacks(1, 0, T0 + S)
    assert timeline.series_count == 4 * series


def test_a_number_that_is_in_use_again_is_no_ended_process() -> None:
    timeline = Timeline(Limits(ended=1))
    timeline.add_all([*life(1, 0), ProcessFound(T0 + 9 * S, 1, "bash"), *life(2, 4), *life(3, 8)])
    assert set(timeline.processes) == {1, 3}


def test_the_ranks_of_a_job_that_ended_stay_together() -> None:
    timeline = Timeline(Limits(ended=2))
    timeline.add_all(frame for pid in range(8) for frame in life(pid, 0, 4000 + pid))
    assert len(timeline.processes) == 8


def test_memory_is_flat_once_the_rings_are_full() -> None:
    timeline = Timeline(Limits(steps=2000, kernels=5, kernel_rows=20, stacks=5, tiers=((60 * S, 5),)))

    def hours(first: int, last: int) -> None:
        for second in range(first * 3600, last * 3600, 5):
            timeline.add(power(second, float(second)))
            timeline.add(window(second, row("gemm", second), row(f"k{second}", 1)))
            timeline.add(Steps(T0 + second * S, 7, second, (S // 10,) * 10))

    hours(0, 8)
    tracemalloc.start()
    hours(8, 9)
    before, _ = tracemalloc.get_traced_memory()
    hours(9, 14)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 400_000
    assert len(timeline.values[POWER].raw) <= RAW_CAPACITY * 5 // 4 + 1


def test_detail_of_a_range_over_the_whole() -> None:
    timeline = Timeline()
    timeline.load_level(POWER, FINE_NS, Buckets([], [], [], [], []))
    assert timeline.latest(*POWER) is None
    timeline.load_level(POWER, FINE_NS, Buckets([T0], [1.0], [30.0], [5.0], [10]))
    timeline.load_level(StepKey(7, ""), FINE_NS, Buckets([T0], [1.0], [30.0], [5.0], [10]))
    assert timeline.latest(*POWER) == (T0, 3.0, "")
    assert timeline.step_bands(7, T0, T0 + 10 * S, 1)[""].mean.tolist() == [3.0]
    timeline.add_all(window(0, row("gemm", 1000)) for _ in range(3))
    detail = timeline.new_detail()
    detail.add_all([power(100, 5.0), power(101, 7.0), window(100, row("gemm", 1))])
    timeline.show_detail(detail, (T0 + 100 * S, T0 + 110 * S))
    assert timeline.series(POWER, T0 + 100 * S, T0 + 102 * S, 2).mean.tolist() == [5.0, 7.0]
    assert len(timeline.windows(7, T0 + 100 * S, T0 + 110 * S)) == 1
    assert len(timeline.windows(7, T0, T0 + 110 * S)) == 3  # the range is not all in detail: sums
    assert timeline.versions["Sample"] == 2
