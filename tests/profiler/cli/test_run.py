"""`acceltop run`: the command keeps its streams, its signals and its exit code."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest
from tests.profiler.cli.program import acceltop, one_line, start
from tests.waiting import wait_for

COUNT = "import sys\nfor i in range(3): print('line', i)\nprint('to stderr', file=sys.stderr)\nsys.exit(7)"


def test_streams_and_exit_code_are_the_command_s(tmp_path: Path) -> None:
    trace = tmp_path / "x.mcap"
    result = acceltop("run", "-o", str(trace), "--only", "host", "--", sys.executable, "-c", COUNT)
    assert result.returncode == 7
    assert result.stdout == "line 0\nline 1\nline 2\n"
    assert result.stderr.startswith("to stderr\n") or "\nto stderr\n" in result.stderr
    assert "the command ended with code 7" in result.stderr
    assert acceltop("report", str(trace)).returncode == 0


def test_without_o_the_report_is_on_stderr() -> None:
    result = acceltop("run", "--only", "host", "--no-inject", "sh", "-c", "echo hello; sleep 1")
    assert (result.returncode, result.stdout) == (0, "hello\n")
    assert "─ devices ─" in result.stderr


def test_options_behind_the_command_are_the_command_s() -> None:
    result = acceltop("run", "--only", "host", sys.executable, "-c", "import sys; print(sys.argv[1:])", "--json", "-v")
    assert result.stdout == "['--json', '-v']\n"


def test_a_command_that_does_not_exist_is_code_3(tmp_path: Path) -> None:
    result = acceltop("run", "-o", str(tmp_path / "x.mcap"), "no-such-command-at-all")
    assert result.returncode == 3
    assert "no-such-command-at-all" in one_line(result)


def test_a_command_that_ends_at_once_was_too_quick_and_not_missing() -> None:
    result = acceltop("run", "--only", "agent", "true")
    assert result.returncode == 0
    assert "ended before it could be entered" in result.stderr and "there is no process" not in result.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, 137)])
def test_a_signal_that_ends_the_command_is_told_as_a_shell_does(number: signal.Signals, code: int) -> None:
    command = f"import os; os.kill(os.getpid(), {int(number)})"
    assert acceltop("run", "--only", "host", "--", sys.executable, "-c", command).returncode == code


def test_sigterm_is_handed_on_and_the_command_decides(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    command = (
        "import pathlib, signal, sys, threading\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(42))\n"
        f"pathlib.Path({str(ready)!r}).touch()\n"
        "threading.Event().wait(60)\n"
    )
    process = start("run", "--only", "host", "--", sys.executable, "-c", command)
    wait_for(ready.exists)
    process.send_signal(signal.SIGINT)  # from a terminal the command would have got this one itself
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 42, said


def test_a_failing_trace_does_not_end_the_command(tmp_path: Path) -> None:
    import subprocess

    from tests.profiler.cli.program import SCRIPT

    trace = tmp_path / "x.mcap"
    # The command lasts until the watching has failed, which it sees by a line on our common stderr file.
    log = tmp_path / "log"
    script = (
        "import pathlib, time\nend = time.monotonic() + 60\n"
        f"while 'unwatched' not in pathlib.Path({str(log)!r}).read_text() and time.monotonic() < end: time.sleep(0.1)\n"
        "print('done')\nraise SystemExit(5)\n"
    )
    command = (
        f"trap '' XFSZ; ulimit -f 5; exec {SCRIPT} run -o {trace} --only host --interval 100ms -- {sys.executable} -"
    )
    with log.open("w") as stderr:
        result = subprocess.run(
            ["bash", "-c", command], input=script, stdout=subprocess.PIPE, stderr=stderr, text=True, timeout=100
        )
    assert (result.returncode, result.stdout) == (5, "done\n")
    assert "the command goes on unwatched" in log.read_text()
