"""What panes say, against sessions whose answers are known."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pytest
from tests.views.screens import Live, utc
from tests.views.session_frames import MS, T0, TRAIN_PID, gpu_session

from acceltop.profiler.clock import NS_PER_S
from acceltop.profiler.model import (
    DeviceFound,
    DeviceLost,
    Frame,
    KernelRow,
    KernelWindow,
    Note,
    ProcessFound,
    ProcessGone,
    Sample,
    Slices,
    StackWindow,
    Steps,
)
from acceltop.profiler.timeline import Timeline
from acceltop.views.facts.devices import conditions, device_facts, grid, history
from acceltop.views.facts.kernels import kernel_table, short_line
from acceltop.views.facts.notes import findings
from acceltop.views.facts.slices import MAX_DEPTH, Lane, alike, calls_within, lane_cells, nearest, slice_view
from acceltop.views.facts.stacks import stack_facts
from acceltop.views.facts.steps import find_step, nice_ceiling, overdue_since, quantiles, step_chart, step_facts
from acceltop.views.facts.trends import gpu_facts, trend, trend_metrics
from acceltop.views.moment import Playhead
from acceltop.views.scene import Scene
from acceltop.views.widgets.kernels import milliseconds_figure

GPU = "nvidia:GPU-1"
PID = 77


def scene_of(frames: Iterable[Frame]) -> Scene:
    timeline = Timeline()
    timeline.add_all(frames)
    scene = Scene(timeline, Live(), Playhead(timeline))
    scene.clock_ns = lambda: timeline.span[1] if timeline.span else 0
    return scene


def _gpu(*samples: Frame) -> Scene:
    return scene_of([DeviceFound(T0, GPU, "H100", "gpu", index=1, memory_bytes=80), *samples])


# --- devices


def test_the_best_measure_of_activity_is_taken() -> None:
    coarse = Sample(T0, "nvml", {"hw.gpu.utilization": 0.9}, GPU)
    fine = Sample(T0, "nvml", {"hw.gpu.sm.active": 0.4}, GPU)
    assert device_facts(_gpu(coarse))[0].activity == "hw.gpu.utilization"
    assert device_facts(_gpu(coarse, fine))[0].activity == "hw.gpu.sm.active"
    assert device_facts(_gpu())[0].activity is None


def test_a_lost_device_says_so_and_a_silent_one_since_when() -> None:
    reading = Sample(T0, "nvml", {"hw.gpu.utilization": 0.9}, GPU)
    scene = _gpu(reading)
    fact = device_facts(scene)[0]
    assert conditions(scene)[fact.id].text == "·"
    scene.clock_ns = lambda: T0 + 12 * NS_PER_S
    with utc():
        assert conditions(scene)[fact.id].text == "since 14:13:20"
        scene.timeline.add(DeviceLost(T0 + NS_PER_S, GPU, "fell off the bus"))
        assert conditions(scene)[fact.id].text == "✖ lost 14:13:21"
        assert [finding.text for finding in findings(scene)] == ["GPU 1 is lost since 14:13:21: fell off the bus"]


def test_what_throttles_is_told_and_idle_is_not() -> None:
    for word, said in (("thermal", "▼ thermal"), ("none", "·"), ("idle", "·")):
        scene = _gpu(Sample(T0, "nvml", {"hw.gpu.utilization": 0.9}, GPU, states={"throttle": word}))
        assert conditions(scene)[device_facts(scene)[0].id].text == said


def test_columns_of_a_history_keep_their_place_while_time_goes_on() -> None:
    for at in range(0, 100):
        t0, t1 = grid(T0 + at * NS_PER_S, 60, 60 * NS_PER_S)
        assert (t1 - t0, t1 % (2 * NS_PER_S)) == (60 * NS_PER_S, 0)
        assert t1 - 2 * NS_PER_S <= T0 + at * NS_PER_S < t1


def test_a_history_shows_what_was_read() -> None:
    scene = _gpu(*(Sample(T0 + s * NS_PER_S, "nvml", {"hw.gpu.utilization": s / 100}, GPU) for s in range(60)))
    values = history(scene, device_facts(scene)[0].keys["hw.gpu.utilization"], 60, 60 * NS_PER_S)
    assert values[-1] == pytest.approx(0.59)
    assert values[-31] == pytest.approx(0.29)


def test_the_trend_is_the_mean_of_all_gpus_without_the_cpu() -> None:
    scene = scene_of(gpu_session(30))
    shown = trend(scene, trend_metrics(scene)[0], 20)
    now = [scene.value("hw.gpu.sm.active", f"nvidia:GPU-{gpu}") or 0.0 for gpu in range(8)]
    assert shown.now == pytest.approx(sum(now) / 8)
    means = [history(scene, fact.keys["hw.gpu.sm.active"], 20, scene.head.history_ns)[-1] for fact in gpu_facts(scene)]
    assert shown.mean[-1] == pytest.approx(sum(means) / 8)
    assert shown.low[-1] <= min(means) < max(means) <= shown.high[-1]
    assert shown.devices == 8


def test_a_gpu_that_comes_later_joins_the_trend() -> None:
    metric, second = "hw.gpu.utilization", "nvidia:GPU-2"
    scene = _gpu(*[Sample(T0 + at * NS_PER_S, "nvml", {metric: 0.2}, GPU) for at in range(60)])
    assert trend(scene, metric, 20).mean[-2] == pytest.approx(0.2)
    scene.timeline.add(DeviceFound(T0, second, "H100", "gpu", index=2))
    for at in range(60, 120):
        scene.timeline.add(Sample(T0 + at * NS_PER_S, "nvml", {metric: 0.2}, GPU))
        scene.timeline.add(Sample(T0 + at * NS_PER_S, "nvml", {metric: 0.6}, second))
        shown = trend(scene, metric, 20)
    assert shown.mean[-2] == pytest.approx(0.4)


def test_the_band_of_a_trend_has_what_means_hide() -> None:
    spiky = (Sample(T0 + s * NS_PER_S, "nvml", {"hw.gpu.utilization": float(s % 10 == 5)}, GPU) for s in range(240))
    shown = trend(_gpu(*spiky), "hw.gpu.utilization", 20)
    assert (shown.low[10], shown.high[10]) == (0.0, 1.0)
    assert shown.mean[10] == pytest.approx(0.1, abs=0.05)


# --- steps


def _steps(*durations_ms: int, **phases_ms: tuple[int, ...]) -> Scene:
    phases = {name: tuple(ms * MS for ms in column) for name, column in phases_ms.items()}
    return scene_of(
        [ProcessFound(T0, PID, "python train.py"), Steps(T0, PID, 10, tuple(d * MS for d in durations_ms), phases)]
    )


def test_step_figures() -> None:
    facts = step_facts(_steps(10, 10, 10, 50, data=(1, 1, 1, 41)))
    assert facts is not None
    assert (facts.count, facts.last_index, facts.median, facts.slowest) == (4, 13, 10 * MS, 50 * MS)
    assert facts.phases == {"data": 11 * MS}
    assert facts.rate_per_s == pytest.approx(50)


@pytest.mark.parametrize("values", [[7], [5, 1], [9, 2, 2, 40, 3, 8, 1, 5]])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.98, 0.99, 1.0])
def test_quantiles_are_those_of_numpy(values: list[int], share: float) -> None:
    assert next(quantiles(np.array(values), share)) == pytest.approx(float(np.quantile(values, share)))


def test_a_job_that_has_stopped_stepping_is_told() -> None:
    scene = scene_of(gpu_session(20))
    (end,) = (frame.time_ns for frame in list(gpu_session(20))[-1:])
    assert overdue_since(scene) is None
    scene.clock_ns = lambda: end + 6 * NS_PER_S
    assert overdue_since(scene) == pytest.approx(end, abs=NS_PER_S)
    scene.head.toggle()  # what is looked back at may have gone on since
    assert overdue_since(scene) is None
    scene.head.toggle()
    scene.timeline.add(ProcessGone(end, TRAIN_PID, 0))
    assert overdue_since(scene) is None


def test_the_chart_shows_single_steps_and_the_slowest_of_groups_when_zoomed_out() -> None:
    scene = _steps(*([10] * 99 + [70]), forward=tuple([5] * 99 + [60]))
    one = step_chart(scene, 20)
    assert one is not None
    assert (one.group, len(one.columns), one.columns[-1]) == (1, 20, (60 * MS,))
    scene.head.zoom_by(-1)
    grouped = step_chart(scene, 20)
    assert grouped is not None
    assert grouped.group == 5
    assert max(grouped.columns) == (60 * MS,)


def test_steps_without_phases_are_one_part() -> None:
    chart = step_chart(_steps(10, 20), 20)
    assert chart is not None
    assert (chart.parts, chart.columns) == (("other",), [(10 * MS,), (20 * MS,)])


@pytest.mark.parametrize(("value", "ceiling"), [(271, 300), (1, 1), (0.21, 0.3), (0, 1), (math.nan, 1), (999, 1000)])
def test_scales_end_at_round_numbers(value: float, ceiling: float) -> None:
    assert nice_ceiling(value) == pytest.approx(ceiling)


def test_steps_are_found_from_where_one_is() -> None:
    scene = _steps(10, 20, 30)
    scene.head.seek(T0 + 10 * MS)
    assert find_step(scene, 1) == T0 + 30 * MS
    assert find_step(scene, 0) == T0 + 60 * MS
    assert find_step(scene, -1) is None


# --- kernels


def test_how_much_was_looked_at_is_told_of_the_whole_range_with_a_single_window_in_it_too() -> None:
    window = KernelWindow(T0, T0 + 20 * MS, PID, "torch", (_kernel("k"),), 20 * MS)
    scene = scene_of([ProcessFound(T0, PID, "x"), window, Sample(T0 + 2 * NS_PER_S, "host", {"system.cpu.count": 2})])
    table = kernel_table(scene)
    assert table is not None and table.coverage.ratio == pytest.approx(0.01)


def _kernel(name: str, **other: object) -> KernelRow:
    return KernelRow(name, "kernel", 10, 10 * MS, MS, MS, GPU, **other)  # type: ignore[arg-type]


@pytest.mark.parametrize(("ns", "text"), [(740, "<0.001"), (1310, "0.00131"), (18.2e6, "18.2"), (None, "–")])
def test_the_time_a_step_fits_its_column(ns: float | None, text: str) -> None:
    assert milliseconds_figure(ns) == text


@pytest.mark.parametrize(
    ("row", "bound"),
    [
        (_kernel("k", bytes=8 * 10**9, flops=10**10), "memory"),
        (_kernel("k", bytes=10**9, flops=8 * 10**12), "compute"),
        (_kernel("k", bytes=10**8, flops=10**9), "latency"),
        (_kernel("k", bytes=10**8), ""),  # what it computes isn't known: no word for why it is slow
        (_kernel("k"), ""),
        (_kernel("ncclDevKernel_AllReduce", origin="NCCL", bytes=10**9), "comm"),
        (KernelRow("Memcpy HtoD", "memcpy", 1, MS, MS, MS, GPU, bytes=10**6), "copy"),
    ],
)
def test_what_bounds_a_kernel(row: KernelRow, bound: str) -> None:
    device = DeviceFound(T0, GPU, "x", "gpu", peak_bytes_per_s=1e12, peak_flop_per_s={"bf16": 1e15})
    window = KernelWindow(T0, T0 + NS_PER_S, PID, "torch", (row,), NS_PER_S)
    table = kernel_table(scene_of([device, ProcessFound(T0, PID, "x"), window]))
    assert table is not None
    assert table.rows[0].bound == bound


def test_shares_of_makers_add_up() -> None:
    table = kernel_table(scene_of(gpu_session(10)))
    assert table is not None
    assert sum(share for _, share in table.makers) == pytest.approx(1.0)
    assert table.makers[0][0] == "FlashAttention"


def test_a_line_is_shown_without_its_folder() -> None:
    assert short_line("/home/ann/job/train.py:64 train") == "train.py:64 train"
    assert short_line("train.py:64") == "train.py:64"


# --- stacks


def test_lines_own_and_total_with_recursion_once() -> None:
    stacks = {"Main;a (f.py:1);b (f.py:2);a (f.py:1)": 3, "Main;a (f.py:1)": 2, "Other;c (g.py:1)": 1}
    window = StackWindow(
        T0, T0 + NS_PER_S, PID, "py-spy", 100, 6, stacks, {"Main;idle (f.py:9)": 5}, {"Main;a (f.py:1)": 2}
    )
    scene = scene_of([ProcessFound(T0, PID, "x"), window])
    facts = stack_facts(scene, idle=False)
    assert facts is not None
    assert facts.threads == {"Main": 5, "Other": 1}
    assert [(line.frame, line.own, line.total, line.gil) for line in facts.lines("Main")] == [
        ("a (f.py:1)", 5, 5, 2),
        ("b (f.py:2)", 0, 3, 0),
    ]
    shown = stack_facts(scene, idle=True)
    assert shown is not None
    assert shown.threads["Main"] == 10


# --- findings


def test_findings_come_once_and_the_worst_first() -> None:
    notes = [Note(T0 + n, "info", "a", "good to know") for n in range(3)] + [
        Note(T0, "error", "b", "broken", "mend it")
    ]
    found = findings(scene_of(notes))
    assert [(f.text, f.times, f.next_step) for f in found] == [("broken", 1, "mend it"), ("good to know", 3, "")]


def test_of_several_processes_each_is_named() -> None:
    notes = [Note(T0, "info", "agent.attached", "attached", source="agent", pid=pid) for pid in (PID, PID + 1)]
    assert [f.text for f in findings(scene_of(notes))] == [f"attached (process {pid})" for pid in (PID, PID + 1)]
    assert [f.text for f in findings(scene_of(notes[:1]))] == ["attached"]


def test_a_source_that_is_back_takes_its_complaint_back() -> None:
    late = Note(T0, "warning", "source.late", "nvml has not answered", source="nvml")
    back = Note(T0 + 1, "info", "source.back", "nvml answers again", source="nvml")
    assert [f.text for f in findings(scene_of([late]))] == ["nvml has not answered"]
    assert findings(scene_of([late, back])) == []


def test_who_is_attached_again_is_not_told_as_detached() -> None:
    codes = ("attached", "detached", "attached")
    notes = [Note(T0 + at, "info", f"agent.{code}", code, source="agent", pid=PID) for at, code in enumerate(codes)]
    assert [f.text for f in findings(scene_of(notes[:2]))] == ["detached", "attached"]
    assert [f.text for f in findings(scene_of(notes))] == ["attached"]


def test_the_end_of_a_process_is_told_with_its_code() -> None:
    entered = Note(T0, "info", "agent.attached", "attached", source="agent", pid=PID)

    def told(gone: ProcessGone, *notes: Note) -> list[str]:
        found = findings(scene_of([ProcessFound(T0, PID, "x"), *notes, gone]))
        return [f.text for f in found if f.source == "process"]

    for code, words in ((1, ", code 1"), (-9, ", signal 9"), (None, "")):
        (text,) = told(ProcessGone(T0, PID, code), entered)
        assert text.startswith(f"process {PID} exited at ")
        assert text.endswith(words)
    assert told(ProcessGone(T0, PID, None, "not collected yet"), entered)[0].endswith(" (not collected yet)")
    assert told(ProcessGone(T0, PID, 1))  # whose code is known was ours
    assert told(ProcessGone(T0, PID, None, "it ended")) == []  # one of the machine's many


# --- single calls


def _lane(*calls: tuple[int, int, int]) -> Lane:
    columns = np.array(calls, dtype=np.int64).reshape(-1, 3).T
    return Lane("stream 7", *columns)


def test_cells_have_the_longest_call_and_the_covered_part() -> None:
    cells = lane_cells(_lane((0, 0, 50), (1, 60, 20), (2, 250, 100)), 0, 400, 4)
    assert cells.name.tolist() == [0, -1, 2, -1]
    assert cells.covered.tolist() == pytest.approx([0.7, 0, 1.0, 0])


def test_a_long_call_fills_all_its_cells_also_when_it_began_before() -> None:
    lane = _lane((5, 0, 1000), (6, 1100, 10))
    assert lane_cells(lane, 0, 1000, 4).name.tolist() == [5, 5, 5, 5]
    assert lane_cells(lane, 500, 900, 4).name.tolist() == [5, 5, 5, 5]


def test_nothing_between_calls() -> None:
    assert lane_cells(_lane((0, 0, 10), (0, 900, 10)), 100, 800, 4).name.tolist() == [-1, -1, -1, -1]


def _window(*calls: tuple[str, int, int]) -> KernelWindow:
    """Calls of one thread: name, start and duration."""
    names = tuple(dict.fromkeys(name for name, _, _ in calls))
    slices = Slices(names, ("MainThread",), tuple(names.index(name) for name, _, _ in calls), (0,) * len(calls),
                    tuple(start for _, start, _ in calls), tuple(duration for _, _, duration in calls))  # fmt: skip
    return KernelWindow(T0, T0 + NS_PER_S, PID, "torch", (), NS_PER_S, slices=slices)


def _rows(window: KernelWindow) -> list[list[str]]:
    view = slice_view(scene_of([]), window)
    assert view is not None
    return [[view.names[name] for name in lane.name] for lane in view.lanes]


def test_calls_within_calls_are_in_lines_below_each_other() -> None:
    nested = _window(("mul", 60, 10), ("linear", 0, 50), ("addmm", 0, 40), ("mm", 5, 10), ("mm", 20, 10), ("t", 41, 2))
    assert _rows(nested) == [["linear", "mul"], ["addmm", "t"], ["mm", "mm"]]


def test_calls_one_after_another_are_in_one_line() -> None:
    assert _rows(_window(("a", 0, 10), ("b", 10, 10), ("c", 30, 1))) == [["a", "b", "c"]]


def test_what_is_nested_very_deep_is_a_part_of_what_it_lies_within() -> None:
    deep = [(f"f{depth:02}", depth, 1000 - 2 * depth) for depth in range(MAX_DEPTH + 3)]
    view = slice_view(scene_of([]), _window(*deep))
    assert view is not None
    assert [len(lane.name) for lane in view.lanes] == [1] * MAX_DEPTH
    found = {fact.name: fact.own_ns for fact in calls_within(scene_of([]), view, 0, 1000)}
    assert sum(found.values()) == 1000 and found[f"f{MAX_DEPTH - 1}"] == 1000 - 2 * (MAX_DEPTH - 1)


def test_calls_of_one_name_are_counted_through_all_depths() -> None:
    view = slice_view(scene_of([]), _window(("mul", 0, 50), ("mul", 10, 20), ("add", 60, 5)))
    assert view is not None
    assert alike(view, view.lanes[0], view.names.index("mul")) == (2, 70)


@pytest.mark.parametrize(("time_ns", "call"), [(0, 0), (20, 0), (60, 0), (80, 1), (105, 1), (900, 1)])
def test_the_call_nearest_to_a_time(time_ns: int, call: int) -> None:
    assert nearest(_lane((0, 10, 30), (1, 100, 10)), time_ns) == call


# --- the scene


def test_the_lowest_rank_is_shown_first() -> None:
    scene = scene_of(gpu_session(5))
    assert scene.focus_pid == TRAIN_PID
    assert len(scene.ranks()) == 8


def test_a_memo_is_kept_until_its_key_changes() -> None:
    scene = scene_of([])
    made: list[int] = []

    def make() -> int:
        made.append(1)
        return len(made)

    assert [scene.memo("x", key, make) for key in (1, 1, 2, 2)] == [1, 1, 2, 2]
