"""`run` and `report` on another machine: the command's streams and exit code are its own, the trace stays there."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.profiler.cli.program import acceltop, one_line, start
from tests.remote.alive import ended
from tests.remote.sshd import Server, needs_sshd, serve
from tests.waiting import wait_for

from acceltop.profiler.model import ProcessGone, Sample
from acceltop.profiler.trace.reader import TraceReader

pytestmark = needs_sshd
PYTHON = "/usr/bin/python3"
COUNT = "import sys\nfor i in range(3): print('line', i)\nprint('to stderr', file=sys.stderr)\nsys.exit(7)"
WAIT = (
    "import os, pathlib, sys, threading\n"
    "pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))\n"
    "threading.Event().wait(60)"
)
PLAIN = ("run", "--only", "host", "--no-inject")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("sshd")) as running:
        yield running


def _ssh(server: Server, *words: str) -> subprocess.CompletedProcess[str]:
    return acceltop("ssh", *server.words, "127.0.0.1", *words, timeout_s=120)


def _waiting(server: Server, tmp_path: Path) -> tuple[subprocess.Popen[str], int]:
    """A command there that would wait for long: acceltop, and its pid."""
    ready = tmp_path / "pid"
    viewer = start("ssh", *server.words, "127.0.0.1", *PLAIN, "--", PYTHON, "-c", WAIT, str(ready))
    wait_for(lambda: ready.exists() and bool(ready.read_text()), 30, "the command to run")
    return viewer, int(ready.read_text())


def test_streams_and_exit_code_are_the_command_s_and_the_trace_is_here(server: Server, tmp_path: Path) -> None:
    trace = tmp_path / "x.mcap"
    result = _ssh(server, *PLAIN, "-o", str(trace), "--", PYTHON, "-c", COUNT)
    assert result.returncode == 7, result.stderr
    assert result.stdout == "line 0\nline 1\nline 2\n"
    assert "to stderr" in result.stderr.splitlines() and "the command ended with code 7" in result.stderr
    frames = list(TraceReader(str(trace)).frames())
    assert any(isinstance(frame, ProcessGone) for frame in frames)
    assert any(isinstance(frame, Sample) for frame in frames)


def test_words_are_data_output_is_whole_and_the_report_is_on_stderr(server: Server) -> None:
    hostile = ["$(touch pwned)", "; false", "a b\n", "--json", "'\"`"]
    code = "import sys; print(sys.argv[1:]); print('x' * 3_000_000)"
    result = _ssh(server, *PLAIN, PYTHON, "-c", code, *hostile)
    assert result.returncode == 0, result.stderr
    said, much = result.stdout.splitlines()
    assert said == str(hostile) and much == "x" * 3_000_000
    assert "─ devices ─" in result.stderr
    assert not list(server.home.glob("**/pwned"))


def test_a_command_that_is_not_there_and_none_at_all(server: Server, tmp_path: Path) -> None:
    result = _ssh(server, *PLAIN, "no-such-command-at-all")
    assert result.returncode == 3 and "no-such-command-at-all" in one_line(result)
    assert _ssh(server, "run").returncode == 2
    several = acceltop("ssh", *server.words, "127.0.0.1,localhost", *PLAIN, "true")
    assert several.returncode == 2 and "one machine" in one_line(several)


def test_ctrl_c_ends_the_command_there(server: Server, tmp_path: Path) -> None:
    viewer, pid = _waiting(server, tmp_path)
    viewer.send_signal(signal.SIGINT)
    _, said = viewer.communicate(timeout=60)
    assert viewer.returncode == 128 + signal.SIGTERM and "the command ended by SIGTERM" in said, said
    wait_for(lambda: ended(pid))


def test_the_command_ends_with_the_link(server: Server, tmp_path: Path) -> None:
    viewer, pid = _waiting(server, tmp_path)
    viewer.kill()
    viewer.communicate()
    wait_for(lambda: ended(pid), 20)


def test_report_of_a_trace_that_lies_there(server: Server) -> None:
    trace = server.home / "a b.mcap"
    made = acceltop("record", "--only", "host", "--duration", "2s", "-o", str(trace))
    assert made.returncode == 0, made.stderr
    ours = json.loads(acceltop("report", str(trace), "--json").stdout)
    result = _ssh(server, "report", "~/a b.mcap", "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == ours
    assert "─ devices ─" in _ssh(server, "report", str(trace)).stdout


@pytest.mark.parametrize(
    ("path", "said"), [("none.mcap", "No such file"), ("/etc", "is no file"), ("/dev/zero", "no file")]
)
def test_a_file_that_is_none_is_code_4(server: Server, path: str, said: str) -> None:
    result = _ssh(server, "report", path)
    assert result.returncode == 4
    assert said in one_line(result)
