"""The arithmetic of one window: nesting, self time, cut ops, rows that add up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from acceltop.profiler.agent.torch_events import MOST_ROWS, Op, Places, busy, op_rows, walk


def op(name: str, start: int, end: int, thread: int = 1, cut: bool = False) -> Op:
    annotation = name.startswith(("Optimizer.", "enumerate(DataLoader)"))
    return Op(name, start, end, thread, cut, 0, annotation)


def rows(ops: list[Op], looks: list[tuple[int, int, str]] | None = None) -> dict[str, dict[str, object]]:
    return {str(row["name"]): row for row in op_rows(walk(ops), Places(), looks or [])}


def test_self_time_and_the_framework_op() -> None:
    found = rows([op("aten::conv2d", 0, 100), op("aten::mkldnn_convolution", 10, 90), op("aten::empty", 20, 30)])
    assert found["aten::conv2d"]["total_ns"] == 20
    assert found["aten::mkldnn_convolution"]["total_ns"] == 70
    assert found["aten::empty"]["op"] == "aten::conv2d" and "op" not in found["aten::conv2d"]


def test_phase_and_node_of_a_backward_op() -> None:
    node = op("autograd::engine::evaluate_function: MmBackward0", 0, 100)
    found = rows([node, op("aten::mm", 10, 90)])
    assert found["aten::mm"]["phase"] == "backward" and found["aten::mm"]["op"] == "MmBackward0"


def test_annotations_are_no_rows_but_tell_the_phase() -> None:
    found = rows([op("Optimizer.step#SGD.step", 0, 100), op("aten::add_", 10, 20)])
    assert list(found) == ["aten::add_"] and found["aten::add_"]["phase"] == "optimizer"


def test_a_cut_op_counts_twice_and_is_no_minimum() -> None:
    """Its other half was running, unseen, when some window opened."""
    found = rows([op("aten::sort", 0, 50), op("aten::sort", 60, 70, cut=True)])
    assert found["aten::sort"]["total_ns"] == 70 and found["aten::sort"]["calls"] == 2
    assert found["aten::sort"]["min_ns"] == 50


def test_threads_do_not_nest() -> None:
    found = rows([op("aten::mm", 0, 100, thread=1), op("aten::add", 10, 20, thread=2)])
    assert found["aten::mm"]["total_ns"] == 100 and found["aten::add"]["total_ns"] == 10


def test_a_look_while_an_op_runs_gives_its_line() -> None:
    ops = [op("aten::mm", 0, 100), op("aten::add", 110, 120)]
    found = rows(ops, [(50, 1, "train.py:12 step"), (55, 2, "other.py:1 thread")])
    assert found["aten::mm"]["location"] == "train.py:12 step" and "location" not in found["aten::add"]


def test_what_does_not_fit_is_one_row() -> None:
    many = [op(f"aten::op{number}", number * 10, number * 10 + 1 + number % 7) for number in range(3 * MOST_ROWS)]
    found = op_rows(walk(many), Places(), [])
    assert len(found) == MOST_ROWS + 1 and found[-1]["name"] == "(other)"
    assert sum(row["total_ns"] for row in found) == sum(o.end - o.start for o in many)


def test_busy_bridges_the_python_between_two_ops() -> None:
    walked = walk([op("a", 0, 1_000_000), op("b", 1_200_000, 2_000_000), op("c", 9_000_000, 9_500_000)])
    assert busy(walked, 1) == [(0, 2_000_000), (9_000_000, 9_500_000)]


@st.composite
def nested(draw: st.DrawFn, depth: int = 0, begin: int = 0) -> list[Op]:
    """Ops that nest properly, as a thread's do."""
    found: list[Op] = []
    at = begin
    for _ in range(draw(st.integers(0, 3))):
        inside = draw(nested(depth + 1, at + 1)) if depth < 3 else []
        end = max([at + 2, *(o.end + 1 for o in inside)])
        found += [op(f"aten::{draw(st.sampled_from('abc'))}", at, end), *inside]
        at = end + draw(st.integers(0, 2))
    return found


@given(nested())
def test_self_times_add_up_to_the_time_in_ops(ops: list[Op]) -> None:
    covered = {moment for o in ops for moment in range(o.start, o.end)}
    assert sum(row["total_ns"] for row in op_rows(walk(ops), Places(), [])) == len(covered)
