"""Wrong words and impossible wishes: one line with cause and next step, the right exit code, never a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from tests.profiler.cli.program import SCRIPT, acceltop, one_line, python, start
from tests.waiting import wait_for

from acceltop.profiler.trace.records import MAGIC

USAGE = [
    (["frobnicate"], "no verb 'frobnicate': there are attach"),
    (["repot"], "did you mean report?"),
    (["4711"], "acceltop attach 4711"),
    (["a\x1b[31m\nb"], "no verb"),
    (["attach"], "no process is named"),
    (["attach", "train.py"], "'train.py' is no PID: to look for a name: -n train.py"),
    (["attach", "-1"], "-1"),
    (["attach", "1", "-n", "x"], "both a PID and -n"),
    (["attach", "--tree"], "--tree needs a process"),
    (["attach", "1", "--text", "--json"], "not allowed with"),
    (["attach", "1", "--interval", "1ms"], "'1ms' is not between 100ms and 60s"),
    (["attach", "1", "--interval", "soon"], "'soon' is not a duration"),
    (["attach", "1", "--duration", "0s"], "'0s' is not a duration"),
    (["attach", "1", "--duration", "-3s"], "--duration"),
    (["attach", "1", "--budget", "lots"], "'lots' is not a share"),
    (["attach", "1", "--budget", "101%"], "'101%' is not a share"),
    (["attach", "1", "--method", "magic"], "magic"),
    (["attach", "1", "--only"], "--only"),
    (["record"], "--output"),
    (["record", "-o", "x.mcap", "--only", "nvmll"], "no source is called 'nvmll'"),
    (["report"], "FILE"),
    (["report", "a", "b"], "unrecognized arguments: b"),
    (["run"], "no command is given"),
    (["run", "-o", "-", "--", "true"], "stdout belongs to the command"),
    (["--no-such-option"], "--no-such-option"),
]


@pytest.mark.parametrize(("words", "says"), USAGE, ids=[" ".join(words) for words, _ in USAGE])
def test_wrong_usage_is_code_2(words: list[str], says: str, tmp_path: Path) -> None:
    result = acceltop(*words, cwd=tmp_path)
    assert result.returncode == 2
    assert says in one_line(result)
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_no_such_process_is_code_3() -> None:
    for verb in (["attach", "4194304"], ["doctor", "4194304"], ["record", "4194304", "-o", "-"]):
        result = acceltop(*verb)
        assert result.returncode == 3
        assert "no process 4194304" in one_line(result)


def test_a_name_that_nobody_has_is_code_3() -> None:
    result = acceltop("attach", "-n", "no-such-training-job.py")
    assert result.returncode == 3
    assert "no Python process's command line holds" in one_line(result)


def test_a_process_that_is_not_python_is_code_3() -> None:
    sleeper = subprocess.Popen(["sleep", "60"])
    try:
        result = acceltop("attach", str(sleeper.pid))
    finally:
        sleeper.kill()
        sleeper.wait()
    assert result.returncode == 3
    assert "is not a Python process" in one_line(result)


def test_a_stopped_and_a_dead_process_are_code_3() -> None:
    with python() as job:
        job.send_signal(signal.SIGSTOP)
        wait_for(lambda: Path(f"/proc/{job.pid}/stat").read_text().split()[2] == "T")
        stopped = acceltop("attach", str(job.pid))
        job.kill()
        wait_for(lambda: Path(f"/proc/{job.pid}/stat").read_text().split()[2] == "Z")
        dead = acceltop("attach", str(job.pid))
    assert (stopped.returncode, dead.returncode) == (3, 3)
    assert "is stopped" in one_line(stopped)
    assert "zombie" in one_line(dead)


def test_a_trace_that_is_not_there_or_not_a_trace_is_code_4(tmp_path: Path) -> None:
    (tmp_path / "empty.mcap").touch()
    (tmp_path / "text.mcap").write_text("this is not a trace\n" * 100)
    for verb in ("report", "replay", "repair"):
        for name in ("missing.mcap", "empty.mcap", "text.mcap"):
            result = acceltop(verb, name, cwd=tmp_path)
            assert result.returncode == 4, (verb, name, result.stderr)
            assert name in one_line(result)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (b"", b"nothing came"),
        (b"no frame\n", b"a frame is left out"),
        (b"\xff" * 100, b"a frame is left out"),
        (MAGIC, b"MCAP can't be read from a pipe"),
    ],
)
def test_what_is_no_stream_of_frames_is_code_4(what: bytes, said: bytes) -> None:
    result = subprocess.run([SCRIPT, "report", "-"], input=what, capture_output=True, timeout=60)
    assert (result.returncode, result.stdout, result.stderr.count(b"\n")) == (4, b"", 1)
    assert said in result.stderr


def test_an_output_that_cannot_be_written_is_code_1_and_starts_nothing(tmp_path: Path) -> None:
    for verb in (["record", "-o"], ["run", "-o"]):
        words = [*verb, "no/such/folder/x.mcap"] + (["--", "touch", "started"] if verb[0] == "run" else [])
        result = acceltop(*words, cwd=tmp_path)
        assert result.returncode == 1
        assert "no/such/folder/x.mcap" in one_line(result)
    assert list(tmp_path.iterdir()) == []
    log = acceltop("snapshot", "--log-file", "no/such/folder/log", cwd=tmp_path)
    assert log.returncode == 1
    assert "no/such/folder/log" in one_line(log)


def test_a_full_disk_behind_stdout_is_code_1() -> None:
    with open("/dev/full", "w") as full:
        for words in (["snapshot", "--json"], ["record", "-o", "-", "--duration", "2s"]):
            result = subprocess.run([SCRIPT, *words], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
            assert result.returncode == 1
            assert "No space left on device" in result.stderr
            assert "Traceback" not in result.stderr


def test_a_reader_that_has_read_enough_is_no_error() -> None:
    process = start("record", "-o", "-", "--duration", "20s", "--interval", "100ms")
    assert process.stdout is not None and process.stderr is not None
    assert '"kind":"Hello"' in process.stdout.readline()
    process.stdout.close()
    assert process.wait(30) == 0
    said = process.stderr.read()
    process.stderr.close()
    assert "Traceback" not in said and "Broken" not in said


def test_ctrl_c_in_a_verb_that_only_looks_is_130() -> None:
    process = start("doctor")
    wait_for(lambda: os.path.exists(f"/proc/{process.pid}/task") and len(os.listdir(f"/proc/{process.pid}/task")) > 2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said
