"""Run a piece of Python once in a live process: in a new thread, or in its main thread where there are others."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from math import isfinite
from time import monotonic, sleep

from acceltop.profiler.attach import access, ladder, proc
from acceltop.profiler.attach.delivery import Drop
from acceltop.profiler.attach.request import Reply, Request, decode_reply
from acceltop.profiler.attach.target import Target, inspect
from acceltop.profiler.errors import TargetError, UsageError

_GDB_S = 60.0  # more than gdb is given by the helper
_SLACK_S = 5.0
_OCCUPIED_S = 1.0  # how long another tool may be in the target before we say so
# Isolated and without site: nothing of the user's environment, and a start in 20 ms. The path comes from us.
_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from acceltop.profiler.attach.helper import main; main()"
)


@dataclass(frozen=True)
class Injection:
    """The code waits for the target's main thread to reach a safe point.

    `pause_ns` is how long that thread was made to stand, None where it is not known.
    """

    method: str
    pause_ns: int | None
    attempts: int
    _drop: Drop = field(repr=False)

    def discard(self) -> None:
        """Take back what the target has not read: call it when the code answered, or never will. May be repeated."""
        self._drop.remove()


def inject(pid: int, source: str, *, method: str = "auto", timeout_s: float = 5.0) -> Injection:
    """Queue `source`, to be run once in a fresh namespace; returns as soon as it is queued. It is compiled in pieces,
    each up to two blank lines.

    Raises TargetError where that can't be done, UsageError for an unknown method or a wrong time.
    """
    if not (isfinite(timeout_s) and 0 < timeout_s <= 3600):
        raise UsageError(f"a time limit of {timeout_s} s", "use more than 0 and at most 3600")
    end = monotonic() + _OCCUPIED_S
    while True:
        try:
            return _inject(pid, source, method, timeout_s)
        except access.Occupied:
            if monotonic() > end:
                raise
            sleep(0.02)


def _inject(pid: int, source: str, method: str, timeout_s: float) -> Injection:
    target = inspect(pid)
    if refusal := access.certain_refusal(target):
        raise refusal
    choice = ladder.choose(target, method)
    drop = Drop.choose(pid)
    try:
        request = _request(target, source, choice, drop, timeout_s)
        reply = _ask_helper(request, drop)
        if not reply.queued:
            raise _error(target, reply)
    except BaseException:
        drop.remove()
        raise
    return Injection(choice.name, reply.pause_ns, reply.attempts, drop)


def _request(target: Target, source: str, choice: ladder.Choice, drop: Drop, timeout_s: float) -> Request:
    try:
        status = proc.status(target.pid)
    except OSError:
        raise _ended(target.pid) from None
    return Request(
        parent=os.getpid(),
        pid=target.pid,
        nspid=target.nspid,
        uid=int(status["Uid"].split()[3]),  # the one that counts for files
        gid=int(status["Gid"].split()[3]),
        exe=f"/proc/{target.pid}/exe",
        method=choice.name,
        source=source,
        base=drop.base,
        name=drop.name,
        base_fd=drop.fileno(),
        timeout_s=timeout_s,
        plan=choice.plan,
    )


def _ask_helper(request: Request, drop: Drop) -> Reply:
    path = json.dumps([entry for entry in sys.path if entry])
    helper = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _BOOT, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=[drop.fileno()],
        start_new_session=True,  # a Ctrl-C in our terminal is not meant for it
    )
    limit = _GDB_S if request.method == "gdb" else 0.0
    try:
        output, errors = helper.communicate(request.encode(), timeout=max(limit, request.timeout_s) + _SLACK_S)
    except subprocess.TimeoutExpired:
        raise TargetError(f"process {request.pid} does not answer the kernel", "try again later") from None
    finally:
        helper.kill()  # it is done, or stuck, or we were interrupted; the target goes on in any case
        helper.wait()
    try:
        return decode_reply(output)
    except ValueError:
        last = (errors.decode(errors="replace").strip().splitlines() or [f"exit code {helper.returncode}"])[-1]
        raise TargetError(f"the attach helper ended without an answer ({last})", "try again") from None


def _error(target: Target, reply: Reply) -> TargetError:
    if not reply.errno:
        return TargetError(reply.cause, reply.next_step)
    if reply.errno == errno.ESRCH:
        return _ended(target.pid)
    if reply.errno in (errno.EPERM, errno.EACCES):
        now = inspect(target.pid)
        return access.certain_refusal(now) or access.denied(now)
    return TargetError(f"process {target.pid} can't be entered ({os.strerror(reply.errno)})", "try again")


def _ended(pid: int) -> TargetError:
    return TargetError(f"process {pid} ended while we attached", "attach to one that still runs")
