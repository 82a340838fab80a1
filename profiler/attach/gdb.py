"""The rung for machines whose registers we don't know: gdb makes the call. Slower, and the whole process stands."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess

from acceltop.profiler.attach import slot, stub
from acceltop.profiler.attach.delivery import is_waiting
from acceltop.profiler.errors import TargetError

_LEAST_S = 30.0  # gdb alone may take seconds to attach, and is not safe to kill
# No start-up files, no scripts of the target's libraries, no downloads; nor symbols: we bring the addresses.
_QUIET = ("--batch", "-nx", "-nh", "-iex", "set auto-load off", "-iex", "set debuginfod enabled off")
_NO_SYMBOLS = ("-iex", "set auto-solib-add off")


def check() -> None:
    """Raises TargetError where gdb can't be used."""
    if shutil.which("gdb") is None:
        raise TargetError("gdb is not installed", "install gdb")


def queue(plan: slot.Plan, line: bytes, timeout_s: float) -> None:
    """Have `line` run by the main thread of the target. Raises TargetError, OSError."""
    memory = os.open(f"/proc/{plan.pid}/mem", os.O_RDWR | os.O_CLOEXEC)
    try:
        slot.check_same(plan)
        _, data = slot.free(plan, memory, lambda command: is_waiting(plan.pid, command))
        slot.write(memory, data, line)
    finally:
        os.close(memory)
    output = _run(plan.pid, _expression(plan, data + slot.HEADER_SIZE), max(timeout_s, _LEAST_S))
    result = re.search(r"^\$1 = (-?\d+)$", output, re.MULTILINE)
    if result is None:
        last = (output.strip().splitlines() or ["it said nothing"])[-1]
        raise TargetError(f"gdb could not make the call in process {plan.pid} ({last})", "try --method ptrace")
    if int(result[1]) == stub.NOT_RUNNING:
        raise TargetError(f"the Python in process {plan.pid} is starting or exiting", "try again")
    if int(result[1]) != stub.QUEUED:
        raise TargetError(f"the queue of pending calls of process {plan.pid} is full", "try again")


def _expression(plan: slot.Plan, command: int) -> str:
    functions = plan.functions
    is_up = f"((int (*)(void)) {functions['Py_IsInitialized']})()"
    add = f"((int (*)(unsigned long, unsigned long)) {functions['Py_AddPendingCall']})"
    return f"print {is_up} ? {add}({functions['PyRun_SimpleString']}ul, {command}ul) : {stub.NOT_RUNNING}"


def _run(pid: int, expression: str, timeout_s: float) -> str:
    """gdb's output. It is interrupted rather than killed: only gdb can take its own call back."""
    gdb = subprocess.Popen(
        ["gdb", *_QUIET, *_NO_SYMBOLS, "-p", str(pid), "-ex", "set unwindonsignal on", "-ex", expression],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        return gdb.communicate(timeout=timeout_s)[0]
    except subprocess.TimeoutExpired:
        gdb.send_signal(signal.SIGINT)
        gdb.communicate()
        raise TargetError(f"gdb did not come back from process {pid} in {timeout_s:.0f} s", "try again") from None
