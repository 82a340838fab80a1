"""The official way, from Python 3.14 on: sys.remote_exec, which asks for the very same minor version on both sides."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from acceltop.profiler.attach.request import Request
from acceltop.profiler.errors import TargetError

if TYPE_CHECKING:
    from acceltop.profiler.attach.target import Target

FIRST = (3, 14)
_ASK = "import sys; sys.remote_exec(int(sys.argv[1]), sys.argv[2])"


def check(target: Target) -> None:
    """Raises TargetError where it can't be used for this target."""
    if target.python is None or target.python < FIRST:
        raise TargetError("the target's Python is older than 3.14")
    if not _same_root(target.pid):
        raise TargetError("the target is in a container")
    if "python" not in os.path.basename(target.exe or ""):
        raise TargetError(f"the program of process {target.pid} is not a Python that could be asked")


def queue(request: Request, script: str) -> None:
    """Have the target run the file `script`. Raises TargetError.

    Always through the target's own interpreter, and as the target's user: it is a program of that user's choice.
    """
    ours = os.geteuid() == request.uid
    done = subprocess.run(
        [request.exe, "-I", "-S", "-c", _ASK, str(request.pid), script],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=request.timeout_s,
        text=True,
        errors="replace",
        user=None if ours else request.uid,
        group=None if ours else request.gid,
        extra_groups=None if ours else [],
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise TargetError(f"sys.remote_exec failed ({last})", "try --method ptrace")


def _same_root(pid: int) -> bool:
    try:
        return os.path.samestat(os.stat(f"/proc/{pid}/root"), os.stat("/"))
    except OSError:
        return False
