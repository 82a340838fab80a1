"""The real screens in a real terminal, over this machine's own counters and over a trace."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.program.screen import ENOUGH_S, restored
from tests.views.session_frames import gpu_session
from tests.views.terminal import terminal

from acceltop.profiler.trace.reader import TraceReader
from acceltop.profiler.trace.writer import TraceWriter

WATCH = """
from acceltop.profiler.source import SourceContext
from acceltop.views.run import watch
watch(SourceContext(interval_s=0.2), only=("host",))
"""


LATE = """
from textual.events import Resize
from textual.geometry import Size
from acceltop.profiler.timeline import Timeline
from acceltop.views.app import AcceltopApp
def shrink():
    app.post_message(Resize(Size(70, 20), Size(70, 20)))
    app.set_timer(0.5, lambda: app.notify(f"has {app.size.width} columns"))
app = AcceltopApp(Timeline())
app.starts.append(lambda: app.set_timer(0.2, shrink))
app.run()
"""


def _replay(path: Path) -> str:
    return f"from acceltop.views.run import replay\nreplay({str(path)!r})"


def _trace(path: Path, seconds: int = 120) -> Path:
    with TraceWriter(path) as writer:
        for frame in gpu_session(seconds):
            writer.write(frame)
    return path


def test_live_counters_of_this_machine_and_a_quick_end(tmp_path: Path) -> None:
    with terminal(WATCH, HOME=str(tmp_path)) as screen:
        text = screen.wait(lambda text: "%" in text and "─ processes" in text)
        assert text.splitlines()[0].startswith(" acceltop")
        screen.send("q")
        code, seconds = screen.ended()
    assert code == 0
    assert seconds < ENOUGH_S
    assert restored(screen.written)


def test_resizing_at_any_moment(tmp_path: Path) -> None:
    with terminal(WATCH, HOME=str(tmp_path)) as screen:
        screen.wait(lambda text: " cpu " in text)
        for columns, rows in ((160, 48), (60, 16), (200, 50)):
            screen.resize(columns, rows)
            screen.wait(lambda text, columns=columns: any(  # type: ignore[misc]
                len(line) > columns - 6 for line in text.splitlines()) and "q quit" in text)  # fmt: skip
        screen.resize(40, 10)
        screen.wait(lambda text: "needs 60×16, has 40×10" in text)
        screen.resize(100, 30)
        screen.wait(lambda text: " cpu " in text)
        screen.send("q")
        assert screen.ended()[0] == 0


def test_a_size_that_comes_late_is_not_believed(tmp_path: Path) -> None:
    with terminal(LATE, HOME=str(tmp_path), COLUMNS="90", LINES="20") as screen:
        screen.wait(lambda text: "has 100 columns" in text)


def test_recording_what_is_on_the_screen(tmp_path: Path) -> None:
    code = f"import os\nos.chdir({str(tmp_path)!r})\n{WATCH}"
    with terminal(code, columns=140, HOME=str(tmp_path)) as screen:
        screen.wait(lambda text: " cpu " in text)
        screen.send("\x1b")  # out of the picker, where letters filter
        screen.wait(lambda text: "─ 2 kernels" in text)
        screen.send("r")
        screen.wait(lambda text: "● rec" in text and " kB" in text)
        screen.send("q")
        assert screen.ended()[0] == 0
    (path,) = tmp_path.glob("acceltop-*.mcap")
    with TraceReader(path) as reader:
        kinds = {type(frame).__name__ for frame in reader.frames()}
    assert {"Hello", "DeviceFound", "Sample"} <= kinds


def test_a_recording_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    code = f"import os\nos.mkdir({str(tmp_path / 'gone')!r}); os.chdir({str(tmp_path / 'gone')!r})\n{WATCH}"
    with terminal(code, columns=140, HOME=str(tmp_path)) as screen:
        screen.wait(lambda text: " cpu " in text)
        screen.send("\x1b")
        screen.wait(lambda text: "─ 2 kernels" in text)
        (tmp_path / "gone").rmdir()
        screen.send("r")
        screen.wait(lambda text: "▲" in text and "● rec" not in text)
        screen.send("q")
        assert screen.ended()[0] == 0


def test_a_trace_looks_like_the_live_job_did(tmp_path: Path) -> None:
    with terminal(_replay(_trace(tmp_path / "job.mcap")), columns=160, rows=48, HOME=str(tmp_path)) as screen:
        screen.wait(lambda text: "triton_red_fused_native" in text and "GPU 6 is thermally throttled" in text)
        text = screen.wait(lambda text: "train.py pid 41233  8 ranks  step 17 9" in text)
        assert "▮▮ replay ×1" in text
        screen.send("\x1b[H")  # home
        screen.wait(lambda text: "00:00:00" in text.splitlines()[-2])
        screen.send(" ")
        screen.wait(lambda text: "▶ replay ×1" in text and "00:00:01" in text.splitlines()[-2])
        screen.send("3")
        screen.wait(lambda text: "─ 3 steps" in text)
        screen.send("q")
        assert screen.ended()[0] == 0


@pytest.mark.parametrize("content", [b"", b"not a trace at all"])
def test_what_is_no_trace_never_opens_a_screen(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.mcap"
    path.write_bytes(content)
    code = f"from acceltop.profiler.errors import TraceError\ntry:\n {_replay(path).replace(chr(10), chr(10) + ' ')}\n"
    code += "except TraceError as error:\n print(error)"
    with terminal(code, columns=200, HOME=str(tmp_path)) as screen:
        assert screen.ended()[0] == 0
    assert b"x.mcap" in screen.written
    assert b"\x1b[?1049h" not in screen.written
