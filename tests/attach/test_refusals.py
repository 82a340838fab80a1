"""Every process that can't be entered: one line with the cause and the next step, and it is left as it was."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.attach.processes import ask, python, running, state
from tests.attach.test_inject import LOOP
from tests.waiting import wait_for

from acceltop.profiler.attach import access
from acceltop.profiler.attach.inject import inject
from acceltop.profiler.attach.target import attachable, inspect
from acceltop.profiler.errors import Exit, TargetError

# argv: the path, the PID. Prints how it was refused.
ATTACH = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from acceltop.profiler.attach.inject import inject
from acceltop.profiler.attach.target import attachable, inspect
from acceltop.profiler.errors import TargetError
print(attachable(inspect(int(sys.argv[2]))))
try:
    inject(int(sys.argv[2]), "pass")
except TargetError as error:
    print(error)
"""
TRACER = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from acceltop.profiler.attach.ptrace import Thread
thread = Thread(int(sys.argv[2]))
ready()
sys.stdin.readline()
"""
PATH = json.dumps([entry for entry in sys.path if entry])
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start processes of other users")


def refused(pid: int) -> str:
    """The line, which `attachable` knows beforehand."""
    with pytest.raises(TargetError) as caught:
        inject(pid, "pass")
    line = str(caught.value)
    assert "\n" not in line and caught.value.next_step
    assert caught.value.exit_code == Exit.NO_TARGET
    assert attachable(inspect(pid)) == line
    return line


@contextmanager
def program(*command: str, name: str) -> Iterator[int]:
    process = subprocess.Popen(command)
    try:
        wait_for(lambda: name in Path(f"/proc/{process.pid}/comm").read_text())
        yield process.pid
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("pid", [2**22 + 7, 0, -1, 10**30])
def test_no_such_process(pid: int) -> None:
    with pytest.raises(TargetError, match="there is no process"):
        inject(pid, "pass")


def test_a_thread() -> None:
    code = "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\nready()"
    with running(code) as process:
        thread = max(int(name) for name in os.listdir(f"/proc/{process.pid}/task"))
        with pytest.raises(TargetError, match=f"thread of process {process.pid}: attach to {process.pid}"):
            inject(thread, "pass")


def test_zombie() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    wait_for(lambda: state(process.pid) == "Z")
    assert "has ended (a zombie)" in refused(process.pid)
    process.wait()


def test_stopped(tmp_path: Path) -> None:
    with running(LOOP) as process:
        os.kill(process.pid, signal.SIGSTOP)
        wait_for(lambda: state(process.pid) == "T")
        assert f"is stopped: continue it with `kill -CONT {process.pid}`" in refused(process.pid)
        assert state(process.pid) == "T"
        os.kill(process.pid, signal.SIGCONT)
        ask(process.pid, tmp_path)


def test_traced_already(tmp_path: Path) -> None:
    with running(LOOP) as process:
        with running(TRACER, PATH, str(process.pid)) as other:
            assert f"traced by process {other.pid} (" in refused(process.pid)
        wait_for(lambda: inspect(process.pid).tracer_pid == 0)
        ask(process.pid, tmp_path)


def test_a_tool_that_leaves_at_once_is_waited_for(tmp_path: Path) -> None:
    """As two of us do who attach in the same moment."""
    with running(LOOP) as process, running(TRACER, PATH, str(process.pid)) as other:
        assert inspect(process.pid).tracer_pid == other.pid
        leaves = threading.Timer(0.3, other.terminate)
        leaves.start()
        ask(process.pid, tmp_path)
        leaves.join()


def test_not_python() -> None:
    with program("sleep", "60", name="sleep") as pid:
        assert "(sleep 60) is not a Python process" in refused(pid)


@needs_root
def test_one_of_the_kernels_own() -> None:
    if not Path("/proc/2/comm").exists() or Path("/proc/2/comm").read_text() != "kthreadd\n":
        pytest.skip("processes of the kernel are not seen from this container")
    assert "one of the kernel's own" in refused(2)


def test_too_old() -> None:
    old = python(7) or pytest.skip("no Python 3.7 on this machine")
    with running(LOOP, program=old) as process:
        assert "runs Python 3.7, older than acceltop can enter" in refused(process.pid)


def test_without_symbols(tmp_path: Path) -> None:
    """A static, stripped interpreter: the name of one, and none of its functions."""
    compiler = shutil.which("cc") or pytest.skip("no C compiler on this machine")
    source, built = tmp_path / "main.c", tmp_path / "python3.12"
    source.write_text("#include <unistd.h>\nint main(void) { for (;;) pause(); }\n")
    for option in ("-static", "-s"):
        subprocess.run([compiler, option, "-o", str(built), str(source)], check=True)
        with program(str(built), name="python3.12") as pid:
            line = refused(pid)
            assert "does not export Py_AddPendingCall (static or stripped)" in line
            assert line.count("does not export") <= 2  # ptrace and gdb, not more


@needs_root
def test_another_users_process() -> None:
    with running(LOOP) as process:
        child = os.fork()
        if child == 0:
            os.setgid(65534)
            os.setuid(65534)
            try:
                inject(process.pid, "pass")
            except TargetError as error:
                os._exit(0 if f"process {process.pid} belongs to root" in str(error) and "sudo" in str(error) else 1)
            os._exit(2)
        assert os.waitpid(child, 0)[1] == 0


@needs_root
def test_without_the_capability() -> None:
    """As in a container that was started with the usual capabilities."""
    setpriv = shutil.which("setpriv") or pytest.skip("no setpriv on this machine")
    with running(LOOP) as process:
        command = [setpriv, "--bounding-set", "-sys_ptrace", "--inh-caps", "-sys_ptrace", sys.executable, "-c", ATTACH]
        done = subprocess.run([*command, PATH, str(process.pid)], capture_output=True, text=True)
        lines = done.stdout.splitlines()
        assert len(lines) == 2 and lines[0] == lines[1], done
        assert "--cap-add=SYS_PTRACE" in lines[0] and "securityContext" in lines[0]


@needs_root
def test_the_same_without_root_and_without_the_capability(tmp_path: Path) -> None:
    """An ordinary user attaches to an own process: nothing is missing."""
    setpriv = shutil.which("setpriv") or pytest.skip("no setpriv on this machine")
    ids = [
        setpriv,
        "--reuid",
        "65534",
        "--regid",
        "65534",
        "--clear-groups",
        "--bounding-set",
        "-all",
        "--inh-caps",
        "-all",
    ]
    python_for_all = "/usr/bin/python3"
    code = "import time\nprint('ready', flush=True)\nwhile True: time.sleep(0.1)"
    if not os.access(python_for_all, os.X_OK):
        pytest.skip("no Python that every user may start")
    target = subprocess.Popen([*ids, python_for_all, "-c", code], stdout=subprocess.PIPE)
    try:
        assert target.stdout and target.stdout.readline() == b"ready\n"
        ask(target.pid, _open_folder(tmp_path))
    finally:
        target.kill()
        target.communicate()


def test_what_yama_asks_for() -> None:
    for scope in (1, 2):
        error = access.scope_error(scope)
        assert f"ptrace_scope is {scope}" in error.cause
        assert "sudo sysctl kernel.yama.ptrace_scope=0" in error.next_step
        assert ("PR_SET_PTRACER" in error.next_step) == (scope == 1)
    assert "until the next boot" in access.scope_error(3).cause


def _open_folder(folder: Path) -> Path:
    """A folder in which another user may write."""
    for inner in (folder, *folder.parents):
        if inner == Path(tempfile.gettempdir()):
            break
        inner.chmod(0o777)
    return folder
