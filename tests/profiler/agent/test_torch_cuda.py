"""Windows of a job on a GPU, from kineto's records: what is a kernel, what launched it, how far behind the GPU is."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from tests.profiler.agent.kineto_records import MicrosecondRecord, OldestRecord, OldRecord, Record

from acceltop.profiler.agent.budget import LONGEST_BEHIND_S, Plan
from acceltop.profiler.agent.torch_events import Window
from acceltop.profiler.agent.torch_probe import uuid_name
from acceltop.profiler.agent.torch_reach import reach
from acceltop.profiler.agent.torch_rows import Key, OpRows, Phases, Places, kernel_rows, slices, walk
from acceltop.profiler.analysis.origin import origin

MS = 1_000_000
BACKWARD = "autograd::engine::evaluate_function: MmBackward0"


def no_rest() -> None:
    """Nobody waits for us."""


def read(records: list[Record]) -> Window:
    window = Window(no_rest)
    window.read(records)
    return window


def launch(number: int, at: int, op: int, thread: int = 1) -> Record:
    return Record("cuda_runtime", "cudaLaunchKernel", at, at + 4, number, thread, op)


# Part of a step, in the form of torch 2.13 on an H100. The numbers of ops and those of launches are two sequences.
STEP = [
    Record("user_annotation", "Optimizer.step#AdamW.step", 700, 900, 9),
    Record("gpu_user_annotation", "Optimizer.step#AdamW.step", 1500, 1600, 9, place=7),
    Record("cpu_op", "aten::linear", 100, 200, 1),
    Record("cpu_op", "aten::addmm", 110, 190, 2),
    launch(501, 150, op=2),
    Record("kernel", "nvjet_tst_128x256_64x4_2x1_v_bz_coopA_bias_TNN", 1000, 1100, 501, place=7, op=2),
    Record("cpu_op", "aten::scaled_dot_product_attention", 210, 300, 3),
    Record("cpu_op", "aten::_flash_attention_forward", 215, 295, 4),
    launch(502, 250, op=4),
    Record("kernel", "void pytorch_flash::flash_fwd_kernel<Flash_fwd_traits<64>>", 1100, 1150, 502, place=7, op=4),
    Record("cpu_op", BACKWARD, 400, 600, 5, place=2),
    Record("cpu_op", "aten::mm", 420, 500, 6, place=2),
    launch(503, 450, op=6, thread=2),
    Record("kernel", "void cutlass::Kernel2<cutlass_80_tensorop_bf16>", 1200, 1280, 503, place=7, op=6),
    Record("user_annotation", "nccl:all_reduce", 510, 580, 7, place=2),
    Record("gpu_user_annotation", "nccl:all_reduce", 1300, 1400, 7, place=20),
    Record("cpu_op", "c10d::allreduce_", 515, 575, 8, place=2),
    Record("cuda_runtime", "cudaLaunchKernelExC", 540, 545, 504, 2, 8),
    Record(
        "kernel", "ncclDevKernel_AllReduce_Sum_bf16_RING_LL(ncclDevKernelArgsStorage<4096ul>)", 1300, 1400, 504, 20, 8
    ),
    Record("cpu_op", "aten::_foreach_add_", 710, 800, 10),
    Record("cuda_driver", "cuLaunchKernelEx", 720, 724, 505, 1, 10),
    Record("kernel", "triton_poi_fused_add_mul_0", 1500, 1600, 505, place=7, op=10),
    Record("cuda_runtime", "cudaMemcpyAsync", 910, 915, 506),
    Record("gpu_memcpy", "Memcpy DtoH (Device -> Pageable)", 1700, 1703, 506, 7, metadata={"bytes": 4, "stream": 7}),
    Record("cuda_runtime", "cudaMemsetAsync", 920, 925, 507),
    Record("gpu_memset", "Memset (Device)", 1710, 1711, 507, 7, metadata={"bytes": 4096}),
    Record("cuda_runtime", "cudaDeviceSynchronize", 930, 1720, 508),
    Record("overhead", "Buffer Flush", 940, 990, device=-1),
    Record("kernel", "void at::native::reduce_kernel<512, 1>", 0, 0, 509, place=7),
]
WORK = {"kernel", "gpu_memcpy", "gpu_memset"}


@pytest.fixture(params=[Record, OldRecord, OldestRecord], ids=["torch 2.13", "2.5", "2.4"])
def window(request: pytest.FixtureRequest) -> Window:
    return read([request.param(**vars(record)) for record in STEP])


def rows(window: Window) -> dict[str, dict[str, object]]:
    launchers: dict[int, Key] = {}
    ops = OpRows(Places(), [], [], launchers)
    for node in walk(window.ops, Phases(1, [(50, 350, "forward")]), no_rest):
        ops.add(node)
    return {row["name"]: row for row in kernel_rows(window, launchers, "gpu:{}".format, Places())}


def test_kernels_copies_and_nothing_else_count(window: Window) -> None:
    taken = sum(record.end - record.start for record in STEP if record.kind in WORK)
    assert sum(kernel[1] for kernel in window.kernels) == taken
    assert len(window.kernels) == 7 and window.invalid == 1
    assert {op[3] for op in window.ops} == {r.text for r in STEP if r.kind in ("cpu_op", "user_annotation")}


@pytest.mark.parametrize("kind", [Record, OldRecord, OldestRecord], ids=["torch 2.13", "2.5", "2.4"])
def test_a_kernel_that_no_op_launched_counts(kind: type[Record]) -> None:
    launched = [launch(501, 20, op=0), Record("kernel", "triton_by_hand", 100, 150, 501, place=7)]
    block = [
        Record("user_annotation", "block", 10, 90, 1),
        Record("gpu_user_annotation", "block", 100, 150, 1, place=7),
    ]
    assert [kernel[2] for kernel in read([kind(**vars(record)) for record in (*launched, *block)]).kernels] == [
        "triton_by_hand"
    ]


def test_a_kernel_is_told_with_the_framework_op_its_phase_and_its_stream(window: Window) -> None:
    by_maker = {origin(name): row for name, row in rows(window).items()}
    told = {maker: (row.get("op"), row.get("phase"), row["stream"]) for maker, row in by_maker.items()}
    assert told == {
        "cuBLAS": ("aten::linear", "forward", 7),
        "FlashAttention": ("aten::scaled_dot_product_attention", "forward", 7),
        "CUTLASS": ("aten::mm", "backward", 7),
        "NCCL": ("c10d::allreduce_", "communication", 20),
        "Triton": ("aten::_foreach_add_", "optimizer", 7),
        "CUDA runtime": (None, None, 7),
    }


def test_times_in_microseconds_are_read_too() -> None:
    window = read([MicrosecondRecord("cpu_op", "aten::mm", 5_000_000, 5_123_000)])
    assert [op[:4] for op in window.ops] == [(1, 5_000_000, -5_123_000, "aten::mm")]


@pytest.mark.parametrize(("kind", "sizes"), [(OldRecord, [4, 4096]), (OldestRecord, [None, None])])
def test_copies_have_their_bytes_where_torch_tells(kind: type[Record], sizes: list[int | None]) -> None:
    found = rows(read([kind(**vars(record)) for record in STEP]))
    assert found["Memcpy DtoH (Device -> Pageable)"]["kind"] == "memcpy"
    assert [row.get("bytes") for row in found.values()][-2:] == sizes


GRID: dict[str, int | list[int]] = {
    "grid": [132, 1, 1],
    "block": [384, 1, 1],
    "registers per thread": 168,
    "shared memory": 214016,
}


def gemm(start: int, end: int, op: int, **metadata: int | list[int]) -> Record:
    return Record("kernel", "gemm", start, end, start, 7, op, metadata=metadata)


def test_the_longest_call_of_a_kernel_tells_how_it_was_launched() -> None:
    """In the row of the op that made this call: those of others may be launched otherwise."""
    small: dict[str, int | list[int]] = dict(GRID, grid=[8, 8, 1])
    ops = [Record("cpu_op", "aten::linear", 10, 20, 1), Record("cpu_op", "aten::mm", 30, 40, 2)]
    calls = [gemm(100, 150, 1, **small), gemm(200, 290, 2, **GRID, **{"est. achieved occupancy %": 19})]
    window = read([*ops, *calls, gemm(300, 390, 1, **small)])
    by_op: dict[int, Key] = {1: ("aten::linear", "aten::linear", None), 2: ("aten::mm", "aten::mm", None)}
    linear, mm = kernel_rows(window, by_op, "gpu:{}".format, Places())
    assert "launch" not in linear
    assert mm["launch"] == {
        **{"grid": [132, 1, 1], "block": [384, 1, 1], "registers_per_thread": 168, "shared_memory_bytes": 214016},
        "occupancy": 0.19,
    }


@pytest.mark.parametrize("told", [{}, {"est. achieved occupancy %": -100}, {"grid": "4", "block": [1.5]}])
def test_what_is_not_told_of_a_launch_is_absent(told: dict[str, int | list[int]]) -> None:
    (row,) = kernel_rows(read([gemm(100, 150, 0, **told)]), {}, "gpu:{}".format, Places())
    assert "launch" not in row


def test_each_stream_of_each_device_has_a_lane() -> None:
    kernels = [Record("kernel", "gemm", 10 * at, 10 * at + 5, at, place=7, device=at % 2) for at in (1, 2)]
    found = slices(read(kernels), 0, str)
    assert found is not None and found["lanes"] == ["GPU 0, stream 7", "GPU 1, stream 7"]


def test_devices_are_called_as_the_management_library_does() -> None:
    whole = SimpleNamespace(name="NVIDIA H100 80GB HBM3", uuid="9e3ab5f1-0000-0000-0000-000000000001")
    part = SimpleNamespace(name="NVIDIA H100 80GB HBM3 MIG 1g.10gb", uuid="5c89e93c-0000-0000-0000-000000000002")
    assert uuid_name(whole) == "nvidia:GPU-9e3ab5f1-0000-0000-0000-000000000001"
    assert uuid_name(part) == "nvidia:MIG-5c89e93c-0000-0000-0000-000000000002"


# ------------------------------------------------------------------ how far the device is behind
def kernel(number: int, start: int, end: int, stream: int = 7) -> Record:
    return Record("kernel", "gemm", start, end, number, stream)


def test_what_still_waited_for_the_device_is_beyond_reach() -> None:
    seen = read([launch(1, 10, 0), launch(2, 20, 0), launch(3, 30, 0), kernel(1, 40, 60), kernel(2, 60, 95)])
    assert reach(seen, 100) == (34, 60 - 24)  # the third launch was over at 34


def test_a_window_is_seen_whole_when_the_device_has_done_all() -> None:
    assert reach(read([launch(1, 10, 0), kernel(1, 40, 60)]), 100) == (100, 26)
    assert reach(read([]), 100) == (100, 0)


def test_a_launch_whose_kernel_got_lost_is_not_taken_for_one_that_waits() -> None:
    assert reach(read([launch(1, 10, 0), launch(2, 20, 0), kernel(2, 25, 60)]), 100) == (100, 1)


def test_a_stream_that_runs_ahead_does_not_hide_that_another_is_behind() -> None:
    ahead = [launch(number, 10 * number, 0) for number in range(1, 6)]
    seen = read([*ahead, kernel(1, 20, 90), kernel(5, 55, 56, stream=8)])
    assert reach(seen, 100)[0] == 24


def test_without_a_single_kernel_the_next_window_is_much_longer() -> None:
    until, behind = reach(read([launch(1, 10, 0), launch(2, 20, 0)]), 100)
    assert until == 100 and behind > 2 * 86


class Job:
    """A thread that launches as fast as it can, at most `DEPTH` kernels ahead of its device, and may wait for it at the
    end of each step."""

    DEPTH, CALL = 200, 10_000
    STEP = ("gemm", 900_000), ("dgrad", 1_100_000), ("dgrad", 700_000), ("adam", 300_000)

    def __init__(self, steps: int, waits: bool) -> None:
        self.launched: list[tuple[str, int, int, int]] = []  # name, launch, begin, end
        self._waits: list[tuple[int, int]] = []
        now = free = MS
        for _ in range(steps):
            for name, took in self.STEP * 15:
                if len(self.launched) >= self.DEPTH:
                    now = max(now, self.launched[-self.DEPTH][2])
                begin = max(now + 3000, free)
                free = begin + took
                self.launched.append((name, now, begin, free))
                now += self.CALL
            if waits:
                self._waits.append((now, free))
                now = free
        self.end = now

    def back_in_python(self, at: int) -> int:
        """A window opens and closes only there."""
        wait = bisect_right(self._waits, (at, self.end)) - 1
        return max(at, self._waits[wait][1]) if wait >= 0 else at

    def records(self, opened: int, closed: int) -> Iterator[Record]:
        """As kineto gives them: launched in the window, and ended in it."""
        first = bisect_left(self.launched, opened, key=lambda call: call[1])
        for number, (name, at, begin, end) in enumerate(self.launched[first:], first + 1):
            if at >= closed:
                return
            yield Record("cpu_op", "aten::mm", at, at + 8000, number)
            yield Record("cuda_runtime", "cudaLaunchKernel", at + 2000, at + 7000, number)
            if end <= closed:
                yield Record("kernel", name, begin, end, number, place=7)


@pytest.mark.parametrize("waits", [False, True], ids=["never waits", "waits at the end of a step"])
def test_kernels_have_their_true_share_however_far_the_device_is_behind(waits: bool) -> None:
    """It runs 150 ms behind where the thread does not wait: longer than any window would be."""
    job, dice = Job(2000, waits), random.Random(3)
    plan = Plan(0.01, dice.uniform)
    took: Counter[str] = Counter()
    profiled, now = 0, job.back_in_python(20 * MS)
    while (closed := job.back_in_python(now + int(plan.window_s() * 1e9))) < job.end:
        window = read(list(job.records(now, closed)))
        until, behind = reach(window, closed)
        if window.kernels:
            profiled += until - now
        took.update({name: sum(k[1] for k in window.kernels if k[2] == name) for name in ("gemm", "dgrad", "adam")})
        plan.learn(window.events, (closed - now) / 1e9, 0.0015 + 4e-6 * window.events, behind / 1e9)
        now = job.back_in_python(closed + int(plan.period_s() * 1e9))
    assert [took[name] / took.total() for name in ("gemm", "dgrad", "adam")] == pytest.approx([0.3, 0.6, 0.1], abs=0.03)
    assert took.total() / profiled == pytest.approx(1.0, abs=0.07)  # the device is never idle
    assert plan.window_s() <= LONGEST_BEHIND_S
