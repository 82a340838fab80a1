"""The process that traces. It lives for one attach and is safe to kill at any moment (see `call`).

It dies with its caller (PR_SET_PDEATHSIG), but never while the target stands: SIGTERM is blocked and looked at between
two attempts. A hung kernel call ends with SIGALRM. The kernel lets the target go on when this process ends.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import os
import signal
import sys
from math import ceil
from time import monotonic

from acceltop.profiler.attach.delivery import Drop, is_waiting
from acceltop.profiler.attach.request import Reply, Request, decode_request
from acceltop.profiler.errors import TargetError

_PR_SET_PDEATHSIG = 1
_SLACK_S = 2


def main() -> None:
    """Read a Request from standard input, write a Reply to standard output, end."""
    request = decode_request(sys.stdin.buffer.read())
    gc.disable()
    _die_with(request.parent)
    drop = Drop(request.base, request.name, request.base_fd)
    reply = _answer(request, drop)
    if not reply.queued:
        drop.remove()
    os.write(sys.stdout.fileno(), reply.encode())
    os._exit(0)  # at once: the target is traced until then


def _answer(request: Request, drop: Drop) -> Reply:
    try:
        drop.write(request.source, drop.line(request.nspid), request.uid, request.gid)
    except OSError as error:
        return Reply(False, cause=f"can't write {drop.path} for the target ({error.strerror})", next_step="make room")
    try:
        return _RUNGS[request.method](request, drop)
    except TargetError as error:
        return Reply(False, cause=error.cause, next_step=error.next_step)
    except OSError as error:
        return Reply(False, errno=error.errno or errno.EIO)


def _ptrace(request: Request, drop: Drop) -> Reply:
    from acceltop.profiler.attach.call import Caller
    from acceltop.profiler.attach.ptrace import Gone

    assert request.plan is not None
    signal.alarm(ceil(request.timeout_s) + _SLACK_S)
    memory = os.open(f"/proc/{request.pid}/mem", os.O_RDWR | os.O_CLOEXEC)
    try:
        caller = Caller(request.plan, memory, drop.line(request.nspid), lambda line: is_waiting(request.pid, line))
        pause_ns, attempts = caller.queue(monotonic() + request.timeout_s, give_up=_told_to_end)
    except Gone as gone:
        cause = f"process {request.pid} ended while we attached ({gone.how})"
        raise TargetError(cause, "attach to one that still runs") from None
    return Reply(True, pause_ns, attempts)


def _gdb(request: Request, drop: Drop) -> Reply:
    from acceltop.profiler.attach import gdb

    assert request.plan is not None
    _unblock()
    gdb.queue(request.plan, drop.line(request.nspid), request.timeout_s)
    return Reply(True, attempts=1)


def _remote_exec(request: Request, drop: Drop) -> Reply:
    from acceltop.profiler.attach import remote_exec

    _unblock()
    remote_exec.queue(request, drop.start)
    return Reply(True, attempts=1)


_RUNGS = {"ptrace": _ptrace, "gdb": _gdb, "remote-exec": _remote_exec}


def _die_with(parent: int) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD})
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)


def _unblock() -> None:
    """For programs that we start: they inherit the mask, and gdb waits for SIGCHLD."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _told_to_end() -> bool:
    return signal.SIGTERM in signal.sigpending()
