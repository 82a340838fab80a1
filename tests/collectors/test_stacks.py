"""py-spy's windows of real Python processes; a program in its place only where py-spy itself must misbehave."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.waiting import wait_for

from acceltop.collectors import stacks
from acceltop.profiler.errors import Unavailable
from acceltop.profiler.model import Note, StackWindow
from acceltop.profiler.source import SourceContext

JOB = """
import threading
def idle_worker():
    threading.Event().wait()
def spinning():
    while True:
        sum(range(1000))
threading.Thread(target=idle_worker, name="sleeper", daemon=True).start()
print("ready", flush=True)
spinning()
"""


@pytest.fixture
def job(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    script = tmp_path / "job.py"
    script.write_text(JOB)
    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.communicate()


def opened(pid: int, **options: str) -> stacks.Source:
    source = stacks.Source()
    named = {name.replace("_", ".", 1): value for name, value in options.items()}
    assert list(source.open(SourceContext(pids=(pid,), options=named))) == []
    return source


def program(folder: Path, body: str) -> str:
    path = folder / "fake-py-spy"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_names_the_line_that_is_busy_and_the_thread_that_waits(job: subprocess.Popen[str]) -> None:
    source = opened(job.pid)
    (window,) = source.poll()
    source.close()
    assert isinstance(window, StackWindow)
    assert window.samples > 50 and window.rate_hz == stacks.RATE_HZ
    top = max(window.stacks, key=lambda stack: window.stacks[stack])
    assert top.startswith("MainThread;") and "spinning (job.py:" in top
    assert all("idle_worker" not in stack for stack in window.stacks)
    (waiting,) = [count for stack, count in window.idle.items() if "idle_worker" in stack]
    assert waiting >= 15
    assert sum(n for stack, n in window.idle.items() if "spinning" in stack) < waiting / 2


def test_windows_are_few(job: subprocess.Popen[str]) -> None:
    source = opened(job.pid)
    assert len(list(source.poll())) == 1
    assert list(source.poll()) == []  # not due again yet
    source.close()


def test_screens_that_show_stacks_get_more_of_them(job: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "SEEN_S", 0.0)
    source, seen = stacks.Source(), threading.Event()
    assert list(source.open(SourceContext(pids=(job.pid,), stacks_seen=seen))) == []
    assert len(list(source.poll())) == 1
    assert list(source.poll()) == []
    seen.set()
    assert len(list(source.poll())) == 1
    seen.clear()
    assert list(source.poll()) == []
    source.close()


def test_a_process_that_is_not_python_is_told_of_once() -> None:
    sleeper = subprocess.Popen(["sleep", "60"])
    try:
        source = opened(sleeper.pid)
        (note,) = source.poll()
        assert isinstance(note, Note) and note.code == "stacks.failed" and "\n" not in note.text
        source._began_s = float("-inf")
        assert list(source.poll()) == []
        source.close()
    finally:
        sleeper.kill()
        sleeper.wait()


def test_a_process_that_ended_has_no_stacks_and_no_note(job: subprocess.Popen[str]) -> None:
    source = opened(job.pid)
    job.kill()
    job.wait()
    assert list(source.poll()) == []
    source.close()


def test_without_py_spy_or_without_a_process_it_says_what_to_do() -> None:
    with pytest.raises(Unavailable, match="pip install py-spy"):
        list(stacks.Source().open(SourceContext(pids=(1,), options={"stacks.program": "no-such-program"})))
    with pytest.raises(Unavailable, match="attach"):
        list(stacks.Source().open(SourceContext()))


def test_a_py_spy_that_hangs_is_killed(
    job: subprocess.Popen[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacks, "HANG_S", -1.5)
    mark = f"{600 + os.getpid()}.25"
    source = opened(job.pid, stacks_program=program(tmp_path, f"exec sleep {mark}"))
    (note,) = source.poll()
    assert isinstance(note, Note) and "did not finish" in note.text
    assert not [process for process in psutil.process_iter(["cmdline"]) if mark in (process.info["cmdline"] or ())]
    source.close()


def test_stop_ends_a_window_at_once(job: subprocess.Popen[str], tmp_path: Path) -> None:
    context = SourceContext(pids=(job.pid,), options={"stacks.program": program(tmp_path, "exec sleep 600")})
    source = stacks.Source()
    list(source.open(context))
    context.stop.set()
    began = monotonic()
    assert list(source.poll()) == []
    assert monotonic() - began < stacks.FIRST_WINDOW_S + stacks.HANG_S
    source.close()


def test_killed_in_a_window_it_leaves_nothing(job: subprocess.Popen[str], tmp_path: Path) -> None:
    code = f"""
from acceltop.collectors.stacks import Source
from acceltop.profiler.source import SourceContext
source = Source()
source.open(SourceContext(pids=({job.pid},)))
list(source.poll())
"""
    folder = tmp_path / "for_temporary_files"
    folder.mkdir()
    watcher = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(folder)})
    wait_for(lambda: psutil.Process(watcher.pid).children(), what="py-spy to be started")
    watcher.kill()
    watcher.wait()
    assert list(folder.iterdir()) == []


def test_permission_denied_names_the_next_step(job: subprocess.Popen[str], tmp_path: Path) -> None:
    denied = program(tmp_path, 'echo "Error: Permission Denied: Try running again with sudo"; exit 1')
    (note,) = opened(job.pid, stacks_program=denied).poll()
    assert isinstance(note, Note) and "Permission Denied" in note.text and "ptrace_scope" in note.next_step


def test_output_of_any_length_stays_bounded() -> None:
    many = "\n".join(f"thread (1): T;function_{i} (a.py:{i}) 2" for i in range(5000))
    result = stacks.folded(many)
    assert len(result) == stacks.MAX_STACKS + 1
    assert result["(other)"] == 2 * (5000 - stacks.MAX_STACKS)
    (name,) = stacks.folded("x" * 100_000 + " 3")
    assert len(name) <= stacks.MAX_STACK


@given(st.text())
def test_any_output_is_read_without_error_and_without_control_characters(text: str) -> None:
    for stack, count in stacks.folded(text).items():
        assert count >= 0
        assert "\x1b" not in stack and "\n" not in stack


def test_waiting_leaves_out_what_runs() -> None:
    everyone = {"Main;busy": 24, "Loader;wait": 25, "Main;rare": 1}
    assert stacks.waiting(everyone, {"Main;busy": 98}, 0.25) == {"Loader;wait": 25}


def test_the_agent_is_no_part_of_the_job() -> None:
    ours = "thread (7): thread (7);_run (<string>:38);Agent.run (<acceltop core>:102);Modules.load (<string>:65) 9"
    hooked = "thread (1): Main;train (a.py:1);marked (<acceltop torch_hooks>:80);backward (b.py:2) 3"
    plain = "thread (1): Main;train (a.py:1);backward (b.py:2) 4"
    assert stacks.folded("\n".join((ours, hooked, plain))) == {"Main;train (a.py:1);backward (b.py:2)": 7}
