"""An opened kernel: its place under the roof, what would help, and the line that calls it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.views.screens import Hands, on_screen, press, text_of
from tests.views.session_frames import T0, gpu_session
from tests.views.test_facts import GPU, PID, scene_of
from tests.waiting import wait_for

from acceltop.profiler.clock import NS_PER_S, now_ns
from acceltop.profiler.model import DeviceFound, Frame, Hello, KernelRow, KernelWindow, ProcessFound, Steps
from acceltop.views.app import AcceltopApp
from acceltop.views.draw.glyphs import FULL
from acceltop.views.draw.roofline import Mark, Plot, Roof
from acceltop.views.facts.advice import advice
from acceltop.views.facts.kernels import kernel_table
from acceltop.views.facts.source import Source, read_lines, source
from acceltop.views.scene import Scene

MS = 1_000_000
SOURCE = "".join(f"line {at}\n" for at in range(1, 8))


# --- advice


def _advised(row: KernelRow) -> list[str]:
    device = DeviceFound(T0, GPU, "x", "gpu", peak_bytes_per_s=1e12, peak_flop_per_s={"bf16": 1e15})
    window = KernelWindow(T0, T0 + NS_PER_S, PID, "torch", (row,), NS_PER_S, steps=2.0)
    scene = scene_of([device, ProcessFound(T0, PID, "x"), window, Steps(T0, PID, 0, (100 * MS, 100 * MS))])
    table = kernel_table(scene)
    assert table is not None
    return [f"{one.text} → {one.next_step}" for one in advice(scene, table.rows[0])]


def _row(name: str = "k", calls: int = 10, longest_ns: int = MS, **other: object) -> KernelRow:
    return KernelRow(name, "kernel", calls, 10 * MS, MS, longest_ns, GPU, **other)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (_row(bytes=8 * 10**9, flops=10**10, origin="ATen"), "Memory bounds it: 800 GB/s, 80.0 %"),
        (_row(bytes=10**9, flops=8 * 10**12), "Arithmetic bounds it: 800 TFLOP/s, 80.0 %"),
        (_row(bytes=10**8, flops=10**9), "Neither peak is near: 1.0 % of memory's peak"),
        (_row(), "How near it is to a peak is not known"),
        (_row(origin="NCCL"), "Between ranks"),
        (KernelRow("Memcpy HtoD (Pageable -> Device)", "memcpy", 1, MS, MS, MS, GPU, bytes=10**6), "not pinned"),
    ],
)
def test_the_reason_comes_from_its_figures(row: KernelRow, words: str) -> None:
    assert words in _advised(row)[0]


def test_there_is_no_more_to_win_than_it_takes() -> None:
    assert _advised(_row())[-1].startswith("There is at most 5.00 ms a step to win, 5.0 % of the median step")


def test_many_short_calls_are_launches_and_uneven_ones_are_told() -> None:
    short = _advised(_row(calls=10_000))
    assert any(text.startswith("5 000 calls a step of 1.00 µs each") for text in short)
    assert not any("launching" in text for text in _advised(_row()))
    assert any("the longest took 9.00 ms" in text for text in _advised(_row(longest_ns=9 * MS)))


# --- roofline


def _plot(own: Mark, *others: Mark) -> list[str]:
    return [line.text for line in Plot(Roof(1e15, 1e12), own, others, 60, 20, FULL).lines()]


def _place(lines: list[str], glyph: str) -> tuple[int, int]:
    """Column and row."""
    return next((line.index(glyph), y) for y, line in enumerate(lines) if glyph in line)


def test_nearer_to_the_peak_is_higher_and_more_arithmetic_is_further_right() -> None:
    slow, fast = _plot(Mark(1, 1e12)), _plot(Mark(1, 1e13))
    assert _place(slow, "◆")[1] - _place(fast, "◆")[1] == 5  # a quarter of four decades
    assert _place(_plot(Mark(100, 1e13)), "◆")[0] > _place(fast, "◆")[0]


def test_a_kernel_at_the_roof_stands_on_it_and_peaks_are_named() -> None:
    lines = _plot(Mark(10_000, 1e15, "this one"), Mark(1, 1e12))
    assert _place(lines, "◆")[1] == 0
    assert "●" in "".join(lines)
    text = "\n".join(lines)
    assert "1.00 PFLOP/s" in text
    assert "1.00 TB/s" in text


# --- source


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "train.py"
    path.write_text(SOURCE)
    os.utime(path, ns=(T0, T0))
    return path


def _started(host: str = os.uname().nodename, container: str | None = None) -> Iterator[Frame]:
    yield Hello(T0, host)
    yield ProcessFound(T0, PID, "python train.py", start_ns=T0 + NS_PER_S, container=container)


def _found(scene: Scene, place: str) -> Source:
    """Once it has been read."""
    wait_for(lambda: getattr(source(scene, place, 1), "problem", None) != "reading it", 5, "it has been read")
    found = source(scene, place, 1)
    assert found is not None
    return found


def test_lines_around_the_place(script: Path) -> None:
    scene = scene_of(_started())
    assert _found(scene, f"{script}:4 step") == Source(4, ((3, "line 3"), (4, "line 4"), (5, "line 5")))
    assert _found(scene, f"{script}:1").lines == ((1, "line 1"), (2, "line 2"))
    assert _found(scene, f"{script}:99").problem == "it has no such line"


def test_a_file_that_has_changed_is_not_what_runs(script: Path) -> None:
    os.utime(script)
    assert _found(scene_of(_started()), f"{script}:4").problem == "it has changed since the job began"


def test_only_files_of_the_machine_that_was_measured_are_read(script: Path) -> None:
    place = f"{script}:4 step"
    assert "not here" in _found(scene_of(_started("elsewhere")), place).problem
    assert "not known" in _found(scene_of(_started(container="docker")), place).problem
    assert "not known" in _found(scene_of(_started()), "train.py:4 step").problem
    assert source(scene_of(_started()), None, 1) is None


def test_what_is_no_source_file_is_left_alone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    assert read_lines(str(tmp_path / "pipe.py"), now_ns()) == "it is no source file"
    assert "can't be read" in str(read_lines(str(tmp_path / "none.py"), now_ns()))
    assert read_lines(str(tmp_path), now_ns()) == "it is no source file"


def test_control_characters_of_a_file_stay_in_it(tmp_path: Path) -> None:
    path = tmp_path / "evil.py"
    path.write_text("x = '\x1b[2J'\n")
    os.utime(path, ns=(T0, T0))
    (line,) = _found(scene_of(_started()), f"{path}:1").lines
    assert "\x1b" not in line[1]


# --- the page


def _placed(script: Path) -> Iterator[Frame]:
    """A session of this machine in which all kernels are called from line 4 of the script."""
    for frame in gpu_session(20):
        if isinstance(frame, KernelWindow):
            yield replace(frame, rows=tuple(replace(row, location=f"{script}:4 step") for row in frame.rows))
        elif isinstance(frame, Hello):
            yield replace(frame, host=os.uname().nodename)
        elif isinstance(frame, ProcessFound):
            yield replace(frame, start_ns=T0)
        else:
            yield frame


async def _opened(app: AcceltopApp, pilot: Hands) -> str:
    """The page of the third kernel, once its source has been read."""
    await press(app, pilot, "2", "down", "down", "enter")
    for _ in range(100):
        app.redraw()
        await pilot.pause(0.02)
        if "line 4" in text_of(app):
            break
    return text_of(app)


def test_the_page_has_all_of_it(script: Path) -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        text = await _opened(app, pilot)
        assert "▶      4  line 4" in text
        for part in ("─ roofline ─", "◆ this one", "─ how long it takes ─", "─ what would make it faster ─"):
            assert part in text
        assert "Memory bounds it: 2.88 TB/s" in text
        assert "96.0 a step" in text

    on_screen(test, _placed(script), size=(160, 48))


def test_where_charts_have_no_room_the_line_takes_what_is_left(script: Path) -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        text = await _opened(app, pilot)
        assert "▶      4  line 4" in text
        assert "─ what would make it faster ─" in text

    on_screen(test, _placed(script), size=(80, 24))
