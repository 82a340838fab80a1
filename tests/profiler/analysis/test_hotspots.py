from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acceltop.profiler.analysis.hotspots import DEVICE, HOST, OTHER, OTHER_NAME, SAMPLED, Hotspots
from acceltop.profiler.model import KernelRow, KernelWindow, Launch

S = 1_000_000_000


def row(name: str, total_ns: int, calls: int = 1, kind: str = "kernel", **more: object) -> KernelRow:
    return KernelRow(name, kind, calls, total_ns, total_ns // calls, total_ns // calls, **more)  # type: ignore[arg-type]


def window(*rows: KernelRow, at: int = 0, pid: int = 1, **more: object) -> KernelWindow:
    said = {"profiled_ns": S // 10, "source": "torch", **more}
    return KernelWindow(t0_ns=at, t1_ns=at + 2 * S, pid=pid, rows=rows, **said)  # type: ignore[arg-type]


def test_the_same_kernel_in_two_windows_is_one_row() -> None:
    first = row("gemm", 300, calls=3, device="nvidia:0", bytes=600, flops=900)
    second = KernelRow("gemm", "kernel", 1, 500, 500, 500, device="nvidia:0")
    gemm, norm = Hotspots().add_all([window(first, row("norm", 200)), window(second, at=2 * S)]).ranked()
    assert (gemm.name, gemm.calls, gemm.total_ns, gemm.min_ns, gemm.max_ns) == ("gemm", 4, 800, 100, 500)
    assert (gemm.share, norm.share) == (0.8, 0.2)
    assert gemm.mean_ns == 200
    assert gemm.device == "nvidia:0"


def test_rates_count_only_the_calls_whose_bytes_are_known() -> None:
    counted, uncounted = row("copy", 2 * S, bytes=10_000), row("copy", 5 * S)
    (copy,) = Hotspots().add_all([window(counted), window(uncounted)]).ranked()
    assert copy.bytes_per_s == 5_000
    assert copy.flop_per_s is None


def test_time_a_step() -> None:
    hotspots = Hotspots().add_all([window(row("gemm", 900), steps=2.5), window(row("gemm", 300), steps=0.5)])
    assert hotspots.ranked()[0].per_step_ns == pytest.approx(400)
    assert Hotspots().add_all([window(row("gemm", 900))]).ranked()[0].per_step_ns is None


def test_windows_without_steps_do_not_spoil_the_time_a_step() -> None:
    gemm = row("gemm", 900, calls=6)
    (kernel,) = Hotspots().add_all([window(gemm, steps=3.0), window(gemm)]).ranked()
    assert kernel.per_step_ns == pytest.approx(300)
    assert kernel.calls_per_step == pytest.approx(2)


def test_the_place_that_took_most_time_is_named() -> None:
    rows = [row("gemm", 10, module="mlp.up", stream=7), row("gemm", 90, module="mlp.down", stream=8)]
    (gemm,) = Hotspots().add_all([window(*rows)]).ranked()
    assert (gemm.module, gemm.modules, gemm.stream) == ("mlp.down", 2, 8)


def test_what_is_told_of_a_place_belongs_to_the_phase_that_is_told() -> None:
    rows = [row("add", 60, phase="optimizer", op="AdamW"), row("add", 40, phase="data", location="train.py:29")]
    (add,) = Hotspots().add_all([window(*rows)]).ranked()
    assert (add.phase, add.op, add.location) == ("optimizer", "AdamW", None)


def test_the_launch_is_that_of_the_longest_call_that_tells_one() -> None:
    small, large = Launch(grid=(8, 8, 1)), Launch(grid=(132, 1, 1))
    rows = [row("gemm", 900, launch=large), row("gemm", 100, launch=small), row("gemm", 2000)]
    for order in (rows, rows[::-1]):
        (gemm,) = Hotspots().add_all([window(*order)]).ranked()
        assert gemm.launch == large


def test_a_kernel_called_from_everywhere_still_knows_its_main_place() -> None:
    rows = [row("gemm", 10_000, module="head"), *(row("gemm", n % 7 + 1, module=f"layer{n}") for n in range(1000))]
    (gemm,) = Hotspots().add_all([window(*rows)]).ranked()
    assert gemm.module == "head"
    assert gemm.modules <= 64


def test_ops_and_the_kernels_they_launched_are_never_added_up() -> None:
    hotspots = Hotspots().add_all([window(row("gemm", 800), row("aten::mm", 100, kind="op"))])
    assert hotspots.group == DEVICE
    assert [kernel.name for kernel in hotspots.ranked()] == ["gemm"]
    assert [(op.name, op.share) for op in hotspots.ranked(HOST)] == [("aten::mm", 1.0)]


def test_samples_are_their_own_group() -> None:
    windows = [window(row("gemm", 800)), window(row("jit_x", 100), sampled=True, source="perf", profiled_ns=2 * S)]
    hotspots = Hotspots().add_all(windows)
    assert [kernel.name for kernel in hotspots.ranked(SAMPLED)] == ["jit_x"]
    assert hotspots.coverage().ratio == pytest.approx(0.05)
    assert hotspots.coverage(SAMPLED).ratio == 1.0


def test_coverage_is_of_the_time_between_first_and_last_window() -> None:
    short = [window(row("a", 1), at=at * S, events=10, invalid=1, dropped=2) for at in (0, 2, 4)]
    coverage = Hotspots().add_all(short).coverage()
    assert (coverage.span_ns, coverage.windows, coverage.events) == (6 * S, 3, 30)
    assert (coverage.invalid, coverage.dropped) == (3, 6)
    assert coverage.ratio == pytest.approx(0.05)
    assert Hotspots().coverage().ratio is None


def test_windows_stand_for_the_time_after_the_last_one_too() -> None:
    hotspots = Hotspots().add_all([window(row("a", 1), at=2 * S)])
    assert hotspots.coverage().ratio == pytest.approx(0.05)
    assert hotspots.coverage(end_of=lambda pid: 12 * S).ratio == pytest.approx(0.01)


def test_origin_is_the_sources_word_or_else_the_names() -> None:
    hotspots = Hotspots().add_all([window(row("nvjet_tst_64x8", 2), row("my_kernel", 1, origin="my library"))])
    assert [kernel.origin for kernel in hotspots.ranked()] == ["cuBLAS", "my library"]


def test_rows_can_be_picked() -> None:
    hotspots = Hotspots(keep=lambda row: row.device == "b")
    hotspots.add(window(row("x", 1, device="a"), row("y", 1, device="b")))
    assert [kernel.name for kernel in hotspots.ranked()] == ["y"]


def test_more_rows_than_fit_go_into_other_and_nothing_is_lost() -> None:
    hotspots = Hotspots(max_rows=10)
    hotspots.add_all(window(*(row(f"k{n}", n + 1) for n in range(start, start + 7))) for start in range(0, 70, 7))
    ranked = hotspots.ranked()
    assert len(ranked) == 11
    assert (ranked[-1].name, ranked[-1].kind) == (OTHER_NAME, OTHER)
    assert [kernel.name for kernel in ranked[:3]] == ["k69", "k68", "k67"]
    assert sum(kernel.total_ns for kernel in ranked) == sum(range(1, 71))
    assert hotspots.folded() == 60


def test_the_rest_that_a_source_folded_is_not_a_kernel() -> None:
    ranked = Hotspots().add_all([window(row("gemm", 2), row(OTHER_NAME, 5), row("norm", 3))]).ranked()
    assert [(kernel.name, kernel.total_ns) for kernel in ranked] == [("norm", 3), ("gemm", 2), (OTHER_NAME, 5)]
    assert ranked[-1].origin is None


rows_of = st.lists(
    st.builds(row, st.sampled_from("abcdefgh"), st.integers(0, 10**12), st.integers(1, 1000)), min_size=1, max_size=30
)


@given(st.lists(rows_of, min_size=1, max_size=5), st.integers(1, 6))
def test_shares_add_up_to_one(batches: list[list[KernelRow]], max_rows: int) -> None:
    hotspots = Hotspots(max_rows).add_all(window(*rows) for rows in batches)
    ranked = hotspots.ranked()
    assert sum(kernel.total_ns for kernel in ranked) == hotspots.total_ns()
    assert sum(kernel.share for kernel in ranked) == pytest.approx(1.0 if hotspots.total_ns() else 0.0)
    assert sum(kernel.calls for kernel in ranked) == sum(row.calls for rows in batches for row in rows)
    assert all(kernel.min_ns <= kernel.mean_ns + 1 <= kernel.max_ns + 2 for kernel in ranked)


def test_nothing_seen() -> None:
    assert Hotspots().ranked() == []
    assert Hotspots().group is None
