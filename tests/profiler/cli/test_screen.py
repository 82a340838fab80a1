"""On a terminal a verb opens the screens; with --text, --json or --duration it never does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.profiler.cli.program import acceltop, python
from tests.profiler.cli.terminal import Terminal

ALTERNATE = "\x1b[?1049h"  # what a full-screen program says first


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(*arguments: str) -> Terminal:
        opened.append(Terminal(*arguments))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trace") / "host.mcap"
    assert acceltop("record", "-o", str(path), "--only", "host", "--duration", "2s").returncode == 0
    return path


def test_without_a_verb_the_screens_open_and_q_ends_them(terminal: Callable[..., Terminal]) -> None:
    screen = terminal("--only", "host")
    screen.read_until(ALTERNATE)
    screen.read_until("devices")
    screen.press("q")
    assert screen.exit_code() == 0


def test_attach_opens_them_on_the_process_and_leaves_it_running(terminal: Callable[..., Terminal]) -> None:
    with python() as job:
        screen = terminal("attach", str(job.pid), "--only", "host")
        screen.read_until(f"pid {job.pid}")
        screen.press("q")
        assert screen.exit_code() == 0
        assert job.poll() is None


def test_replay_opens_them_on_a_trace(terminal: Callable[..., Terminal], trace: Path) -> None:
    screen = terminal("replay", str(trace), "--theme", "light")
    screen.read_until("replay")
    screen.press("q")
    assert screen.exit_code() == 0


@pytest.mark.parametrize("option", ["--text", "--json"])
def test_report_and_data_stay_plain_on_a_terminal(option: str, terminal: Callable[..., Terminal], trace: Path) -> None:
    screen = terminal("replay", str(trace), option)
    assert screen.exit_code() == 0
    assert ALTERNATE.encode() not in screen.seen
    assert b"devices" in screen.seen


def test_a_fixed_time_means_a_report(terminal: Callable[..., Terminal]) -> None:
    with python() as job:
        screen = terminal("attach", str(job.pid), "--only", "host", "--duration", "1s")
        assert screen.exit_code(30) == 0
    assert ALTERNATE.encode() not in screen.seen
    assert b"\x1b[" in screen.seen  # in colour, since this is a terminal


def test_no_color_is_obeyed(terminal: Callable[..., Terminal], trace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    screen = terminal("report", str(trace))
    assert screen.exit_code() == 0
    assert b"\x1b[" not in screen.seen


def test_what_can_not_be_replayed_is_one_line(terminal: Callable[..., Terminal], tmp_path: Path) -> None:
    (tmp_path / "no.mcap").write_text("no trace at all, whatever its name says\n" * 20)
    screen = terminal("replay", str(tmp_path / "no.mcap"))
    assert screen.exit_code() == 4
    assert b"Traceback" not in screen.seen
