"""Which processes of a command that was just started are worth entering."""

from __future__ import annotations

import subprocess
from contextlib import suppress

from acceltop.profiler.attach import target as processes
from acceltop.profiler.clock import monotonic
from acceltop.profiler.errors import TargetError

LOOK_S = 0.05
WITHIN_S = 5.0  # a launcher that has started no Python by then is watched alone


def first_pythons(child: subprocess.Popen[bytes]) -> tuple[int, ...]:
    """The command itself where it is Python, else the first Python processes that it starts (a shell script)."""
    end = monotonic() + WITHIN_S
    while child.poll() is None and monotonic() < end:
        found = _interpreters(child.pid)
        if found:
            return found
        with suppress(subprocess.TimeoutExpired):
            child.wait(LOOK_S)
    return (child.pid,)


def _interpreters(pid: int) -> tuple[int, ...]:
    try:
        if processes.inspect(pid).interpreter is not None:
            return (pid,)
    except TargetError:
        return ()  # it ended already
    return tuple(processes.tree(pid))
