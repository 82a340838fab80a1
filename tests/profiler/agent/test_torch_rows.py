"""The arithmetic of one window: nesting, self time, cut ops, rows that add up."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acceltop.profiler.agent.steps import Span
from acceltop.profiler.agent.torch_events import Op, Window
from acceltop.profiler.agent.torch_probe import user_line
from acceltop.profiler.agent.torch_rows import (
    MOST_ROWS,
    Key,
    Look,
    OpRows,
    Phases,
    Places,
    busy,
    kernel_rows,
    slices,
    walk,
)


def op(name: str, start: int, end: int, thread: int = 1, cut: bool = False) -> Op:
    annotation = name.startswith(("Optimizer.", "enumerate(DataLoader)"))
    return thread, start, -end, name, cut, start, annotation


def no_rest() -> None:
    """Nobody waits for us."""


def op_rows(
    ops: list[Op], looks: Sequence[Look] = (), spans: Sequence[Span] = (), backwards: Sequence[Look] = ()
) -> list[dict[str, Any]]:
    """`spans` of the thread 1."""
    phases = Phases(1, spans)
    found = OpRows(Places(), list(looks), phases.calls(backwards))
    for node in walk(sorted(ops), phases, no_rest):
        found.add(node)
    return found.frames()


def rows(ops: list[Op], looks: Sequence[Look] = ()) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in op_rows(ops, looks)}


def test_self_time_and_the_framework_op() -> None:
    found = rows([op("aten::conv2d", 0, 100), op("aten::mkldnn_convolution", 10, 90), op("aten::empty", 20, 30)])
    assert found["aten::conv2d"]["total_ns"] == 20
    assert found["aten::mkldnn_convolution"]["total_ns"] == 70
    assert found["aten::empty"]["op"] == "aten::conv2d" and "op" not in found["aten::conv2d"]


def test_phase_and_node_of_a_backward_op() -> None:
    node = op("autograd::engine::evaluate_function: MmBackward0", 0, 100)
    found = rows([node, op("aten::mm", 10, 90)])
    assert found["aten::mm"]["phase"] == "backward" and found["aten::mm"]["op"] == "MmBackward0"


def test_a_collective_is_communication_also_where_backward_starts_it() -> None:
    node = op("autograd::engine::evaluate_function: MmBackward0", 0, 100)
    found = rows([node, op("gloo:all_reduce", 10, 90), op("aten::copy_", 20, 30)])
    assert {name: row["phase"] for name, row in found.items()} == {
        node[3]: "backward",
        "gloo:all_reduce": "communication",
        "aten::copy_": "communication",
    }


def test_annotations_are_no_rows_but_tell_the_phase() -> None:
    found = rows([op("Optimizer.step#SGD.step", 0, 100), op("aten::add_", 10, 20)])
    assert list(found) == ["aten::add_"] and found["aten::add_"]["phase"] == "optimizer"


def test_the_phase_of_what_no_annotation_tells_is_what_the_hooks_have_marked() -> None:
    """As of forward work, and of an optimizer whose own annotation began before the window."""
    whole_step = (1, 100, -900, "step", False, 0, True)  # as record_function has it: beyond any one phase
    known = [op("aten::mul_", 20, 30), op("aten::linear", 110, 200), op("aten::addmm", 120, 190)]
    unknown = [op("aten::clip", 400, 410), op("aten::item", 295, 305), op("aten::copy_", 120, 130, thread=2)]
    spans = [(10, 50, "optimizer"), (100, 300, "forward")]
    assert {row["name"]: row.get("phase") for row in op_rows([whole_step, *known, *unknown], spans=spans)} == {
        **{"aten::mul_": "optimizer", "aten::linear": "forward", "aten::addmm": "forward"},
        **{"aten::clip": None, "aten::item": None, "aten::copy_": None},
    }


def test_a_cut_op_counts_twice_and_is_no_minimum() -> None:
    """Its other half was running, unseen, when some window opened."""
    found = rows([op("aten::sort", 0, 50), op("aten::sort", 60, 70, cut=True)])
    assert found["aten::sort"]["total_ns"] == 70 and found["aten::sort"]["calls"] == 2
    assert found["aten::sort"]["min_ns"] == 50


def test_threads_do_not_nest() -> None:
    found = rows([op("aten::mm", 0, 100, thread=1), op("aten::add", 10, 20, thread=2)])
    assert found["aten::mm"]["total_ns"] == 100 and found["aten::add"]["total_ns"] == 10


@pytest.mark.parametrize(
    ("module", "file"),
    [
        ("torch._inductor.runtime.compile_tasks.c47nt", "/cache/47/c47nt.py"),  # what torch.compile wrote
        ("torch.nn.modules.linear", "/env/lib/python3.11/site-packages/torch/nn/modules/linear.py"),
        ("json.decoder", json.__file__),
    ],
)
def test_the_line_is_one_that_somebody_wrote(module: str, file: str) -> None:
    names: dict[str, Any] = {"__name__": module}
    exec(compile("def call(inner): return inner()", file, "exec"), names)
    assert str(names["call"](lambda: user_line(sys._getframe(1)))).startswith(__file__)


def test_a_look_while_an_op_runs_gives_its_line() -> None:
    ops = [op("aten::mm", 0, 100), op("aten::add", 110, 120)]
    found = rows(ops, [(50, 1, "train.py:12 step"), (55, 2, "other.py:1 thread")])
    assert found["aten::mm"]["location"] == "train.py:12 step" and "location" not in found["aten::add"]


def test_what_backward_does_has_the_line_that_called_it() -> None:
    ops = [op("aten::before", 0, 90), op("aten::mm", 110, 120), op("aten::add_", 180, 190), op("aten::after", 210, 220)]
    ops += [op("aten::copy_", 110, 120, thread=2), op("aten::mul", 310, 320)]
    spans = [(0, 95, "forward"), (100, 200, "backward"), (205, 300, "optimizer")]
    called = [(101, 1, "train.py:9 step"), (206, 1, "train.py:7 closure"), (301, 1, "train.py:9 step")]
    found = op_rows(ops, [(185, 1, "own.py:3 backward")], spans, called)
    assert {row["name"]: row["location"] for row in found if "location" in row} == {
        "aten::mm": "train.py:9 step",
        "aten::add_": "own.py:3 backward",  # what was seen is nearer
    }


def test_what_two_lines_call_has_neither() -> None:
    ops, spans = [op("aten::mm", 10, 20), op("aten::mm", 60, 70)], [(0, 50, "backward"), (55, 99, "backward")]
    assert "location" in op_rows(ops, spans=spans, backwards=[(1, 1, "gan.py:8 step")])[0]
    assert "location" not in op_rows(ops, spans=spans, backwards=[(1, 1, "gan.py:8 step"), (56, 1, "gan.py:9 step")])[0]


def test_what_does_not_fit_is_one_row() -> None:
    many = [op(f"aten::op{number}", number * 10, number * 10 + 1 + number % 7) for number in range(3 * MOST_ROWS)]
    found = op_rows(many)
    assert len(found) == MOST_ROWS + 1 and found[-1]["name"] == "(other)"
    assert sum(row["total_ns"] for row in found) == sum(-o[2] - o[1] for o in many)


def test_busy_bridges_the_python_between_two_ops() -> None:
    ops = [op("a", 0, 1_000_000), op("inside", 10, 20), op("b", 1_200_000, 2_000_000), op("c", 9_000_000, 9_500_000)]
    assert busy(sorted([*ops, op("d", 0, 9_000_000, thread=2)]), 1) == [(0, 2_000_000), (9_000_000, 9_500_000)]


def test_kernels_are_told_with_the_op_that_launched_them() -> None:
    launchers: dict[int, Key] = {5: ("aten::mm", "aten::linear", "backward")}
    window = Window(no_rest)
    window.kernels = [(100, 30, "gemm", "kernel", 0, 7, 5, None, 1), (140, 50, "gemm", "kernel", 0, 7, 5, None, 2)]
    window.kernels.append((200, 9, "Memcpy HtoD", "memcpy", 0, 8, 99, 4096, 3))
    gemm, memcpy = kernel_rows(window, launchers, "gpu:{}".format, Places())
    assert gemm == {
        **{"name": "gemm", "kind": "kernel", "device": "gpu:0", "stream": 7, "op": "aten::linear"},
        **{"phase": "backward", "calls": 2, "total_ns": 80, "min_ns": 30, "max_ns": 50},
    }
    assert memcpy["bytes"] == 4096 and "op" not in memcpy


def test_slices_are_the_longest_calls_in_the_order_of_their_start() -> None:
    window = Window(no_rest)
    window.ops = [op("b", 100, 130), op("a", 140, 150), op("b", 160, 161, thread=2)]
    assert slices(window, 100, "thread {}".format) == {
        **{"names": ["a", "b"], "name": [1, 0, 1], "lanes": ["thread 1", "thread 2"], "lane": [0, 0, 1]},
        **{"start_ns": [0, 40, 60], "duration_ns": [30, 10, 1]},
    }


def test_a_window_leaves_the_garbage_collector_nothing_to_follow() -> None:
    """What it follows by the thousand makes it look through the whole heap of the job, again and again."""
    gc.collect()
    ops = [op("aten::mm", at, at + 9) for at in range(0, 90_000, 10)]
    gc.collect()
    assert not any(map(gc.is_tracked, ops))
    gc.disable()
    try:
        followed = len(gc.get_objects())
        assert len(rows(ops)) == 1
        assert len(gc.get_objects()) < followed + 100
    finally:
        gc.enable()


@st.composite
def nested(draw: st.DrawFn, depth: int = 0, begin: int = 0) -> list[Op]:
    """Ops that nest properly, as a thread's do."""
    found: list[Op] = []
    at = begin
    for _ in range(draw(st.integers(0, 3))):
        inside = draw(nested(depth + 1, at + 1)) if depth < 3 else []
        end = max([at + 2, *(1 - o[2] for o in inside)])
        found += [op(f"aten::{draw(st.sampled_from('abc'))}", at, end), *inside]
        at = end + draw(st.integers(0, 2))
    return found


@given(nested())
def test_self_times_add_up_to_the_time_in_ops(ops: list[Op]) -> None:
    covered = {moment for o in ops for moment in range(o[1], -o[2])}
    assert sum(row["total_ns"] for row in op_rows(ops)) == len(covered)
