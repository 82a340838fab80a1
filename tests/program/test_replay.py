"""A recording of a real job, gone through by keys."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.jobs import job, record
from tests.program.screen import acceltop, clock, matches, quits, shell, shows, shows_kernels

from acceltop.profiler.codec import encode
from acceltop.profiler.trace.reader import TraceReader

pytestmark = [pytest.mark.torch, pytest.mark.slow]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few seconds of a job, through `acceltop record`."""
    pytest.importorskip("torch")
    path = tmp_path_factory.mktemp("trace") / "job.mcap"
    with job("transformer") as training:
        record(path, "record", str(training.pid), enough={"Steps": 5, "KernelWindow": 3, "StackWindow": 1})
    return path


def test_a_recording_has_the_screens_of_the_job(recorded: Path, tmp_path: Path) -> None:
    with acceltop("replay", str(recorded), home=tmp_path, columns=160, rows=48) as screen:
        shows_kernels(screen, "▮▮ replay ×1", "─ trends", "transformer")
        screen.send("\x1b[H")  # home
        shows(screen, "00:00:00")
        screen.send("\x1b[C" * 2)  # right: at least a second each
        shows(screen, "00:00:02")
        screen.send("]")
        shows(screen, "replay ×2")
        screen.send(" ")
        shows(screen, "▶ replay ×2")
        screen.wait(lambda seen: "▮▮ replay" in seen)  # it plays to the end
        assert clock(screen) > 2
        screen.send("3")
        matches(screen, r"step \d[\d.]* [mµ]s  p99")
        screen.send("5")
        shows(screen, "─ 5 stacks", "transformer.py")
        screen.send("s")  # the slowest step, which is somewhere before the end
        shows(screen, "‖")
        assert "r record" not in screen.text
        quits(screen, "replay")


def test_another_size_and_theme(recorded: Path, tmp_path: Path) -> None:
    with acceltop("replay", str(recorded), "--theme", "light", home=tmp_path, columns=80, rows=24) as screen:
        shows_kernels(screen, "replay")
        screen.send("2")
        shows(screen, "─ 2 kernels")
        quits(screen, "replay, 80×24")


def test_frames_through_a_pipe_are_live_and_the_keys_come_from_the_terminal(tmp_path: Path) -> None:
    with shell("acceltop record -o - --only host --interval 200ms | acceltop replay -", tmp_path) as screen:
        shows(screen, "● live", " devices ─", "cpu")
        screen.send(" ")
        shows(screen, "paused")
        assert "r record" not in screen.text
        assert "recording 0" not in screen.written.decode()  # what is in front of the pipe leaves the screen alone
        quits(screen, "from a pipe")


def test_a_pipe_that_ended_is_a_recording(recorded: Path, tmp_path: Path) -> None:
    lines = tmp_path / "job.jsonl"
    with TraceReader(recorded) as reader:
        lines.write_text("".join(f"{encode(frame)}\n" for frame in reader.frames()))
    with shell(f"cat {lines} | acceltop replay -", tmp_path) as screen:
        shows_kernels(screen, "▮▮ replay ×1", "transformer")
        screen.send("\x1b[H")  # home
        shows(screen, "‖ 00:00:00")
        screen.send(" ")
        shows(screen, "▶ replay ×1")
        quits(screen, "a pipe that ended")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("acceltop replay - < /dev/null", "stdin holds no frames that can be read: nothing came"),
        ("acceltop replay -", "nothing is piped into it: acceltop record PID -o - | acceltop replay -"),
    ],
)
def test_what_is_no_stream_of_frames_is_said_in_one_line(line: str, said: str, tmp_path: Path) -> None:
    with shell(line, tmp_path) as screen:
        code, _ = screen.ended(30)
        assert code != 0
        assert f"acceltop: {said}" in screen.text.replace("\n", "")
