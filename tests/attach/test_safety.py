"""Whatever dies, and whenever: the target goes on, is not stopped, and gets its sums right."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from tests.attach.processes import ask, descriptors, finish, leftovers, running, state, tracer
from tests.attach.test_inject import AVX, LOOP
from tests.waiting import wait_for

from acceltop.profiler.attach import elf, plan, proc, slot
from acceltop.profiler.attach.inject import inject
from acceltop.profiler.attach.target import inspect
from acceltop.profiler.errors import TargetError

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64", reason="the tracer is written for x86-64")

# A tracer that makes the real call and kills itself before or after one of its steps. argv: plan, step, when.
TRACER = """
import json, os, signal, sys, time
sys.path[:] = json.loads(sys.argv[4])
from acceltop.profiler.attach import call, ptrace, slot
plan = slot.from_json(json.loads(sys.argv[1]))
step, when = sys.argv[2:4]
real = getattr(ptrace.Thread, step)
def deadly(self, *arguments):
    if when == "before": os.kill(os.getpid(), signal.SIGKILL)
    real(self, *arguments)
    os.kill(os.getpid(), signal.SIGKILL)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
memory = os.open(f"/proc/{plan.pid}/mem", os.O_RDWR)
caller = call.Caller(plan, memory, b"pass", lambda line: False)
setattr(ptrace.Thread, step, deadly)
result = caller.queue(time.monotonic() + 5, lambda: False)
print(json.dumps(result))
os._exit(0)
"""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", ["interrupt", "registers", "extended", "set_registers", "go_on"])
def test_tracer_killed_at_every_step(step: str, when: str, tmp_path: Path) -> None:
    pytest.importorskip("numpy")
    with running(AVX) as process:
        assert _trace(plan.make(inspect(process.pid)), step, when).returncode == -signal.SIGKILL
        wait_for(lambda: tracer(process.pid) == 0 and state(process.pid) in "RS")
        ask(process.pid, tmp_path)
        assert finish(process) == "1\n"
        assert process.returncode == 0


@pytest.mark.parametrize("function", ["pause", "nothing is mapped there"])
def test_a_call_that_does_not_come_back_is_taken_back(function: str, tmp_path: Path) -> None:
    """It waits for ever (as for a lock that its own thread holds), or faults (as in an interpreter that is gone)."""
    pytest.importorskip("numpy")
    with running("import ctypes\npause = ctypes.CDLL(None).pause\n" + AVX) as process:
        made = plan.make(inspect(process.pid))
        made.functions["Py_AddPendingCall"] = _libc_function(process.pid, function) if function == "pause" else 16
        ended = _trace(made, "poll", "never")
        assert b"starting or exiting" in ended.stderr or b"did not take the call" in ended.stderr, ended.stderr
        assert ended.returncode == 1
        assert tracer(process.pid) == 0 and state(process.pid) in "RS"
        ask(process.pid, tmp_path)
        assert finish(process) == "1\n"


def test_helper_killed_at_random(tmp_path: Path) -> None:
    pytest.importorskip("numpy")
    with running(AVX) as process:
        dice = random.Random(20)
        for _ in range(20):
            _inject_and_kill(process.pid, dice.random() * 0.15)
            wait_for(lambda: tracer(process.pid) == 0 and state(process.pid) in "RS")
        ask(process.pid, tmp_path)
        assert finish(process) == "1\n"
        assert process.returncode == 0


def test_caller_killed_at_random(tmp_path: Path) -> None:
    """kill -9 of the program that attaches: its helper ends too, and nothing is left of either."""
    pytest.importorskip("numpy")
    code = "import sys\nfrom acceltop.profiler.attach.inject import inject\ninject(int(sys.argv[1]), 'pass')"
    dice = random.Random(21)
    with running(AVX) as process:
        for _ in range(20):
            caller = subprocess.Popen([sys.executable, "-c", code, str(process.pid)], stderr=subprocess.DEVNULL)
            threading.Event().wait(dice.random() * 0.5)  # the moment is what is random here
            caller.kill()
            caller.wait()
        wait_for(lambda: tracer(process.pid) == 0 and state(process.pid) in "RS")
        wait_for(lambda: not _helpers(process.pid), what="the helpers to end")
        ask(process.pid, tmp_path)
        wait_for(lambda: not leftovers(process.pid), what="the files to go")
        assert finish(process) == "1\n"


def test_target_killed_at_random() -> None:
    dice = random.Random(22)
    for _ in range(20):
        with running(LOOP) as process:
            timer = threading.Timer(dice.random() * 0.3, process.kill)
            timer.start()
            try:
                inject(process.pid, "pass").discard()
            except TargetError as error:
                assert "\n" not in str(error) and error.next_step
            finally:
                timer.join()


def test_nothing_stays_open_here(tmp_path: Path) -> None:
    with running(LOOP) as process:
        ask(process.pid, tmp_path)
        before = descriptors(os.getpid())
        for _ in range(5):
            ask(process.pid, tmp_path)
        process.kill()
        process.wait()
        with pytest.raises(TargetError):
            inject(process.pid, "pass")
        assert descriptors(os.getpid()) == before


def test_while_the_interpreter_shuts_down() -> None:
    """Too late to run anything: it says so, and the process ends as it would have."""
    code = """
import ctypes, os, sys
class Last:
    def __del__(self, write=os.write, read=os.read):
        write(1, b"tearing down\\n")
        read(0, 1)
sys.modules["last"] = Last()
ready()
"""
    with running(code) as process:
        assert process.stdout and process.stdout.readline() == "tearing down\n"
        try:
            inject(process.pid, "raise SystemExit(9)", timeout_s=1).discard()
        except TargetError as error:
            assert "starting or exiting" in error.cause
        process.communicate("\n\n", timeout=60)
        assert process.returncode == 0


def _trace(made: slot.Plan, step: str, when: str) -> subprocess.CompletedProcess[bytes]:
    code = TRACER if when != "never" else TRACER.replace("setattr(ptrace", "0 and setattr(ptrace")
    path = json.dumps([entry for entry in sys.path if entry])
    return subprocess.run([sys.executable, "-c", code, json.dumps(made), step, when, path], capture_output=True)


def _libc_function(pid: int, name: str) -> int:
    mappings = list(proc.maps(pid))
    path = next(m.path for m in mappings if "/libc.so" in m.path or "/libc-" in m.path)
    with open(path, "rb") as file:
        return elf.Image(file, path, mappings).functions([name])[name]


def _inject_and_kill(pid: int, after_s: float) -> None:
    """SIGKILL for the helper, `after_s` later than it was there."""
    result: list[object] = []

    def attempt() -> None:
        try:
            injection = inject(pid, "pass")
            result.append(injection)
            injection.discard()
        except TargetError as error:
            result.append(error)

    thread = threading.Thread(target=attempt)
    thread.start()
    helper = wait_for(lambda: _helpers(os.getpid()) or result)[0]
    if isinstance(helper, int):
        threading.Event().wait(after_s)  # the moment is what is random here
        with suppress(ProcessLookupError):  # it was faster
            os.kill(helper, signal.SIGKILL)
    thread.join()
    assert result


def _helpers(pid: int) -> list[int]:
    """The helpers that `pid` started or that trace it."""
    found = []
    for other in proc.pids():
        try:
            if "attach.helper" in " ".join(proc.arguments(other)) and (
                proc.stat(other).parent == pid or tracer(pid) == other
            ):
                found.append(other)
        except OSError:
            continue
    return found
