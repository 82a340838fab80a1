from __future__ import annotations

import re
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.profiler.runs import T0, S, cpu_run, gpu_run, summed
from tests.profiler.strategies import frames

from acceltop.profiler.analysis.summary import Summary
from acceltop.profiler.cli import output
from acceltop.profiler.cli.report_text import render
from acceltop.profiler.model import (
    DeviceFound,
    Frame,
    Hello,
    KernelRow,
    KernelWindow,
    Note,
    ProcessFound,
    ProcessGone,
    Sample,
    Steps,
)
from acceltop.profiler.numbers import cells

WIDTHS = (80, 100, 120, 160)
_SGR = re.compile(r"\x1b\[\d+m")


@pytest.fixture(params=[cpu_run, gpu_run], ids=["cpu", "gpu"])
def document(request: pytest.FixtureRequest) -> dict[str, Any]:
    return summed(request.param()).document()


@pytest.fixture
def cpu() -> str:
    return render(summed(cpu_run()).document(), 100)


@pytest.fixture
def gpu() -> str:
    return render(summed(gpu_run()).document(), 160)


def line(text: str, *words: str) -> str:
    """The one line that has all `words`, its runs of blanks made one."""
    found = [" ".join(row.split()) for row in text.splitlines() if all(word in row for word in words)]
    assert len(found) == 1, found or text
    return found[0]


def test_it_begins_with_which_job_on_what(cpu: str) -> None:
    first, second = cpu.splitlines()[:2]
    assert first.split("  ")[:2] == [" acceltop 0.1.0", "laptop ▸ train.py pid 4711"]
    assert first.endswith("UTC · 15.0 s")
    assert second == " framework PyTorch 2.13   platform CPU · oneDNN   hardware AMD EPYC, 2 cores"


def test_steps_and_phases(cpu: str) -> None:
    assert line(cpu, "median ", "p99") == "median 18.0 ms p99 118 ms slowest 118 ms (step 49) rate 50.0 steps/s"
    assert line(cpu, " data ") == "data ██████ 15.0 % 3.00 ms"


def test_kernels_are_ranked_with_their_makers(cpu: str) -> None:
    assert line(cpu, "─ kernels").endswith("CPU ops, self time · 5.0 % of 12.0 s looked at, in 6 windows ─")
    assert (
        line(cpu, "convolution_backward") == "████████ 47.3 % convolution_backward ATen 120 1.42 ms 5.68 ms features.4"
    )
    assert line(cpu, "+ others") == "5.0 % + others"


def test_devices_say_what_was_measured_and_what_is_wrong(gpu: str, cpu: str) -> None:
    assert line(gpu, "gpu 0") == (
        "gpu 0 H100 80GB HBM3 ████████▋ 86.0 % SM active 61.2/80 GB 41.0 % 2.31/3.35 TB/s 648/700 W 64 °C"
    )
    assert line(gpu, "gpu 1").endswith("87 °C ▼ lost: GPU is lost")
    assert line(cpu, " cpu ", "psi") == "cpu EPYC █████████▎ 92.7 % CPU 7.40/24 GB cpu psi 12.0 %"


def test_the_rank_that_holds_the_others_back(gpu: str) -> None:
    assert "slowest rank 1: 260 ms, 10.0 ms over the median" in " ".join(gpu.split())


def test_roofline_columns_where_peaks_are_known(gpu: str, cpu: str) -> None:
    assert line(gpu, "nvjet").endswith("33.9 % 77.6 % compute mlp.up")
    assert "compute: of peak" in gpu
    assert "compute" not in cpu


def test_the_measurement_is_judged(cpu: str) -> None:
    said = " ".join(cpu[cpu.index("─ the measurement") :].split())
    assert "0.4 % slower (measured, budget 1.0 %); median step 18.3 ms in a window, 18.0 ms between" in said
    assert "2 frames and records dropped, 3 broken" in said


def test_how_the_process_ended(cpu: str) -> None:
    assert line(cpu, " 4711 ", "exit").endswith("18.0 ms 0.4 % ▼ exit code 3")


@pytest.mark.parametrize(
    ("code", "said"), [(-9, "▼ SIGKILL"), (-99, "▼ signal 99"), (0, "exit code 0"), (None, "gone")]
)
def test_every_end_has_its_word(code: int | None, said: str) -> None:
    summary = summed(cpu_run())
    summary.add(ProcessGone(T0 + 15 * S, 4711, code, "gone"))
    assert line(render(summary.document(), 100), " 4711 ", "18.0 ms").endswith(said)


def test_a_run_too_long_for_exact_quantiles_says_so() -> None:
    summary = Summary()
    summary.add(Steps(T0, 1, 0, (1_000_000,) * 25_000))
    assert "25 000 steps · quantiles within 0.5 %" in render(summary.document())


def test_how_little_was_looked_at_and_that_it_was_sampled() -> None:
    summary = Summary()
    row = KernelRow("jit_fn", "op", 10, S, 1, S, library="/tmp/torchinductor_ann/ab/c.so")
    summary.add(KernelWindow(T0, T0 + S, 1, "perf", (row,), S, sampled=True))
    text = render(summary.document())
    assert line(text, "─ kernels").endswith("sampled on the CPU · 100 % of 1.00 s looked at, in 1 window ─")
    assert "Inductor" in line(text, "jit_fn")


def test_in_a_pipe_names_lines_and_functions_are_whole() -> None:
    name, place = "aten::max_pool2d_with_indices_backward", "job/train.py:149 forward"
    row = KernelRow(name, "op", 2_000, S // 5, 1, S, location=place)
    window = KernelWindow(T0, T0 + S, 1, "torch", (row,), S, steps=10.0)
    summary = summed(iter([Steps(T0, 1, 0, (S // 10,) * 10), window]))
    text = render(summary.document(), output.width(StringIO()))
    assert line(text, "max_pool2d_with_indices_backward").endswith("train.py:149 forward")


def test_notes_come_with_their_next_step(cpu: str, gpu: str) -> None:
    assert line(cpu, "no NVIDIA driver") == "● no NVIDIA driver → acceltop doctor says more"
    assert line(gpu, "fell off") == "▲ GPU 1 fell off the bus → reset it: nvidia-smi -r"


@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_is_too_wide(document: dict[str, Any], width: int) -> None:
    lines = render(document, width).splitlines()
    assert max(map(cells, lines)) <= width
    assert not any(row != row.rstrip() for row in lines)


@pytest.mark.parametrize("width", WIDTHS)
def test_colour_changes_nothing_but_colour(document: dict[str, Any], width: int) -> None:
    coloured = render(document, width, colour=True)
    assert "\x1b[" in coloured
    stripped = "\n".join(row.rstrip() for row in _SGR.sub("", coloured).splitlines())
    assert stripped + "\n" == render(document, width)


def test_plain_ascii_keeps_its_columns(document: dict[str, Any]) -> None:
    plain = render(document, 120, ascii_only=True)
    assert plain.isascii()
    assert [len(row.rstrip()) for row in plain.splitlines()] == [
        cells(row) for row in render(document, 120).splitlines()
    ]


def test_nothing_recorded_says_so() -> None:
    text = render(Summary().document(), 80)
    for said in ("no device was read", "no training step was seen", "no process was attached"):
        assert said in text


def test_hostile_names_can_not_leave_their_line() -> None:
    evil = "\x1b[2J\x07\nrm -rf\u202e" + "漢" * 200
    summary = Summary()
    row = KernelRow(evil, "kernel", 1, 5, 5, 5, device=evil, op=evil, module=evil, location=evil, origin=evil)
    for frame in (
        Hello(T0, evil, tool_version=evil, cpu=evil, cloud=evil),
        DeviceFound(T0, evil, evil, evil, evil),
        ProcessFound(T0, 1, evil, framework=evil, layers={"framework": (evil,), evil: (evil,)}),
        KernelWindow(T0, T0 + S, 1, evil, (row,), S),
        Sample(T0, evil, {evil: 1.0}, evil, states={"throttle": evil}),
        Note(T0, evil, evil, evil, evil),
    ):
        summary.add(frame)
    for width in WIDTHS:
        text = render(summary.document(), width)
        assert not {"\x1b", "\x07", "\u202e"} & set(text)
        assert not any(row.startswith("rm") for row in text.splitlines())
        assert max(map(cells, text.splitlines())) <= width


@given(st.lists(frames(), max_size=12), st.sampled_from(WIDTHS), st.booleans())
def test_any_frames_give_a_report(given_frames: list[Frame], width: int, ascii_only: bool) -> None:
    text = render(summed(iter(given_frames)).document(), width, ascii_only=ascii_only)
    assert max(map(cells, text.splitlines())) <= width
