"""Code gets into real processes, wherever their main thread stands, and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from tests.attach.processes import (
    MINORS,
    Answer,
    ask,
    descriptors,
    finish,
    leftovers,
    python_or_skip,
    running,
    state,
    tracer,
)
from tests.waiting import wait_for

from acceltop.profiler.attach import plan, proc
from acceltop.profiler.attach.inject import inject
from acceltop.profiler.attach.slot import DATA_SIZE
from acceltop.profiler.attach.target import inspect
from acceltop.profiler.errors import TargetError, UsageError

LOOP = "ready()\nwhile True: sum(range(1000))"
WAITS = {
    "loop": LOOP,
    "join": "import threading, time\nt = threading.Thread(target=time.sleep, args=(60,), daemon=True)\nt.start()\n"
    "ready()\nt.join()",
    "simple queue": "import queue, threading, time\n"
    "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\nready()\nqueue.SimpleQueue().get()",
    "event": "import threading\nready()\nthreading.Event().wait()",
    "queue": "import queue\nready()\nqueue.Queue().get()",
    "timed": "import queue\nready()\nqueue.Queue().get(timeout=60)",
    "sleep": "import time\nready()\nwhile True: time.sleep(0.2)",
}
# Wide registers are always in use. The same sum again and again until a line can be read; prints the different results.
AVX = """
import hashlib, select, sys
import numpy as np
a = np.random.default_rng(7).random((256, 256), dtype=np.float32)
def total():
    x = a.copy()
    for _ in range(20):
        x = np.tanh(a @ x / 64) + np.sqrt(np.abs(x)) * 0.5
    return hashlib.sha256(x.tobytes()).hexdigest()
results = {total()}
ready()
while not select.select([sys.stdin], [], [], 0)[0]:
    results.add(total())
print(len(results))
"""


IN_MAIN = "__import__('_thread').get_ident() == __import__('threading').main_thread().ident"


@pytest.mark.parametrize("minor", MINORS)
@pytest.mark.parametrize("wait", WAITS)
def test_runs_wherever_the_main_thread_stands(minor: int, wait: str, tmp_path: Path) -> None:
    """In it only where another thread may be the one that works."""
    with running("import threading\n" + WAITS[wait], program=python_or_skip(minor)) as process:
        wait_for(lambda: state(process.pid) == ("R" if wait == "loop" else "S"), what="the thread to stand there")
        before = descriptors(process.pid)
        injection, in_main = ask(process.pid, tmp_path, IN_MAIN)
        assert in_main == (wait in ("join", "simple queue"))
        assert injection.pause_ns is not None and injection.pause_ns > 0
        assert process.poll() is None and tracer(process.pid) == 0
        wait_for(lambda: state(process.pid) in "RS", what="the thread to go on")
        wait_for(lambda: descriptors(process.pid) == before, what="the file to be closed")


@pytest.mark.skipif(not os.path.exists("/usr/bin/python3"), reason="needs an interpreter at a fixed address: Debian's")
def test_an_interpreter_that_patchelf_has_changed(tmp_path: Path) -> None:
    """It has a segment of data behind whose end the rest of the file shows: those bytes are not free."""
    program = tmp_path / "python3"
    shutil.copy(os.path.realpath("/usr/bin/python3"), program)
    patchelf = Path(sys.executable).with_name("patchelf")
    loader = subprocess.run([patchelf, "--print-interpreter", program], check=True, capture_output=True, text=True)
    longer = f"{'/.' * 20}{loader.stdout.strip()}"
    subprocess.run([patchelf, "--set-interpreter", longer, "--set-rpath", "/no/such/folder" * 5, program], check=True)
    with running(LOOP, program=str(program)) as process, open(f"/proc/{process.pid}/mem", "rb") as memory:
        free = plan.make(inspect(process.pid)).data_slots
        assert free and not any(os.pread(memory.fileno(), DATA_SIZE, address).strip(b"\0") for address in free)
        assert ask(process.pid, tmp_path, "__import__('sys').executable")[1] == str(program)


def test_leaves_no_name_behind(tmp_path: Path) -> None:
    names = "[sorted(vars(__import__('__main__'))), sorted(__import__('sys').modules), sorted(globals())]"
    with running("import json, os, sys\n" + LOOP) as process:
        _, (main_names, modules, own_names) = ask(process.pid, tmp_path, names)
        _, again = ask(process.pid, tmp_path, names)
    assert not [name for name in main_names if "acceltop" in name or name in ("f", "s", "p", "n")]
    assert not [name for name in modules if "acceltop" in name]
    assert own_names == ["__builtins__", "f", "json", "os"]
    assert again == [main_names, modules, own_names]


def test_a_failing_source_is_silent(tmp_path: Path) -> None:
    code = (
        "import sys\nready()\nwhile not __import__('select').select([sys.stdin], [], [], 0.01)[0]: pass\nprint('end')"
    )
    with running(code) as process:
        for source in ("raise SystemExit(3)", "1/0", "this is no Python", "raise BaseException"):
            injection = inject(process.pid, source)
            wait_for(lambda: not leftovers(process.pid), what="the file to be read")
            injection.discard()
        _, _ = ask(process.pid, tmp_path)
        assert finish(process) == "end\n"
        assert process.returncode == 0


def test_ctrl_c_in_our_code_is_handed_on(tmp_path: Path) -> None:
    """Also where the tests were started in the background, whose children ignore SIGINT."""
    heard = "import signal, threading\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    waits = "try:\n ready()\n while True: threading.Event().wait(0.2)\nexcept KeyboardInterrupt: print('interrupted')"
    with running(heard + waits) as process:
        inject(process.pid, "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nfor _ in range(100): pass")
        assert finish(process) == "interrupted\n"


def test_fifty_times_beside_wide_arithmetic(tmp_path: Path) -> None:
    pytest.importorskip("numpy")
    with running(AVX) as process:
        for _ in range(50):
            ask(process.pid, tmp_path)
        assert finish(process) == "1\n"


def test_every_signal_arrives(tmp_path: Path) -> None:
    """Real-time signals queue, so each one counts; the handler in C writes one byte for each."""
    code = """
import os, signal, sys, threading
r, w = os.pipe()
os.set_blocking(w, False)
signal.set_wakeup_fd(w)
for number in (signal.SIGRTMIN, signal.SIGUSR1): signal.signal(number, lambda *_: None)
got = []
def count():
    while True: got.append(os.read(r, 4096))
threading.Thread(target=count, daemon=True).start()
end = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), end.set()), daemon=True).start()
ready()
while not end.is_set(): sum(range(1000))
end.wait(0.1)
while True:
    seen = sum(map(len, got))
    threading.Event().wait(0.2)
    if seen == sum(map(len, got)): break
print(seen)
"""
    sent = 0
    with running(code) as process:
        for _ in range(10):
            answer = Answer(tmp_path)
            helper = os.fork()
            if helper == 0:
                for _ in range(300):
                    signal.sigtimedwait([], 0.001)
                    os.kill(process.pid, signal.SIGRTMIN)
                os._exit(0)
            injection = inject(process.pid, answer.source)
            answer.wait()
            injection.discard()
            os.waitpid(helper, 0)
            sent += 300
        assert finish(process) == f"{sent}\n"


def test_job_control_notices_nothing(tmp_path: Path) -> None:
    with running(LOOP) as process:
        ask(process.pid, tmp_path)
        assert os.waitpid(process.pid, os.WNOHANG | os.WUNTRACED | os.WCONTINUED) == (0, 0)
        os.kill(process.pid, signal.SIGSTOP)
        wait_for(lambda: state(process.pid) == "T")
        os.kill(process.pid, signal.SIGCONT)
        wait_for(lambda: state(process.pid) == "R")
        ask(process.pid, tmp_path)


def test_a_process_of_another_user_owns_its_file(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("only root can start a process of another user")
    code = "import os\nos.setgid(65534)\nos.setuid(65534)\nimport time\nready()\ntime.sleep(60)"
    with running(code) as process:
        injection = inject(process.pid, "pass")
        (folder,) = leftovers(process.pid)
        for path, mode in ((folder, 0o700), (folder / "agent.py", 0o600)):
            status = path.stat()
            assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (65534, 65534, mode)
        injection.discard()
        assert not leftovers(process.pid)
        injection.discard()  # once more does no harm


def test_as_many_as_there_are_slots_wait_at_a_time(tmp_path: Path) -> None:
    """The main thread waits for input; each source waits its turn and all of them run."""
    code = "import sys, time\nready()\nsys.stdin.readline()\nwhile True: time.sleep(0.1)"
    with running(code) as process:
        answers, injections = [], []
        with pytest.raises(TargetError, match="earlier attempts still wait"):
            for _ in range(6):
                answer = Answer(tmp_path)
                injections.append(inject(process.pid, answer.source))
                answers.append(answer)
        assert answers and process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
        for answer in answers:
            answer.wait()
        for injection in injections:
            injection.discard()
        ask(process.pid, tmp_path)


def test_libpython_mapped_twice(tmp_path: Path) -> None:
    """A library that maps the interpreter's file read-only must not be taken for the interpreter."""
    code = """
import mmap, re
maps = open('/proc/self/maps').read()
path = (re.search(r'(/\\S*/libpython3\\.\\S*)', maps) or re.search(r'(/\\S*/python3\\S*)', maps))[1]
held = [mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) for file in [open(path, 'rb')] for _ in range(3)]
ready()
while True: sum(range(1000))
"""
    with running(code) as process:
        interpreter = inspect(process.pid).interpreter
        starts = [m for m in proc.maps(process.pid) if m.path == interpreter and m.offset == 0]
        assert len(starts) > 1
        ask(process.pid, tmp_path)


def test_the_interpreter_in_the_program_itself(tmp_path: Path) -> None:
    """As distributions build it: no libpython, and often at a fixed address."""
    program = "/usr/bin/python3"
    if not os.access(program, os.X_OK):
        pytest.skip("this system has no Python of its own")
    with running(LOOP, program=program) as process:
        interpreter = inspect(process.pid).interpreter
        if interpreter is None or "/libpython" in interpreter:
            pytest.skip("this system's Python is linked with libpython")
        ask(process.pid, tmp_path)


def test_other_peoples_system_calls_are_restarted(tmp_path: Path) -> None:
    """C code that takes EINTR for an answer must never see one: sem_wait of a library, nanosleep, read."""
    code = """
import ctypes, os, threading, time
libc = ctypes.CDLL(None, use_errno=True)
sem = ctypes.create_string_buffer(64)
libc.sem_init(sem, 0, 0)
r, w = os.pipe()
def later():
    time.sleep(2); libc.sem_post(sem); time.sleep(1); os.write(w, b'x')
threading.Thread(target=later).start()
ready()
results = [libc.sem_wait(sem), libc.read(r, ctypes.create_string_buffer(1), 1)]
begin = time.monotonic()
results.append(libc.nanosleep((ctypes.c_long * 2)(2, 0), None))
print(results, 1.9 < time.monotonic() - begin)
"""
    with running(code) as process:
        injections = []
        while process.poll() is None:
            with suppress(TargetError):  # the slots are full until the thread comes back
                injections.append(inject(process.pid, "pass"))
        assert len(injections) >= 2
        for injection in injections:
            injection.discard()
        assert finish(process) == "[0, 1, 0] True\n"


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan"), float("inf")])
def test_wrong_time_limits(timeout_s: float) -> None:
    with pytest.raises(UsageError):
        inject(os.getpid(), "pass", timeout_s=timeout_s)


def test_gdb(tmp_path: Path) -> None:
    if not os.path.exists("/usr/bin/gdb"):
        pytest.skip("no gdb on this machine")
    with running(LOOP) as process:
        injection, pid = ask(process.pid, tmp_path, "os.getpid()", method="gdb")
        assert (injection.method, pid) == ("gdb", process.pid)
        assert state(process.pid) == "R" and tracer(process.pid) == 0


def test_unknown_method() -> None:
    with running(LOOP) as process, pytest.raises(UsageError, match="no method 'lldb'"):
        inject(process.pid, "pass", method="lldb")


def test_a_rung_says_why_it_is_closed() -> None:
    with running(LOOP) as process, pytest.raises(TargetError, match="remote-exec: .*older than 3.14"):
        if sys.version_info >= (3, 14):
            pytest.skip("it is open here")
        inject(process.pid, "pass", method="remote-exec")
