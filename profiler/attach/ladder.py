"""The ways into a process, best first. Each can say why it is not open here."""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import NamedTuple

from acceltop.profiler.attach import gdb, plan, remote_exec
from acceltop.profiler.attach.slot import Plan
from acceltop.profiler.attach.target import Target
from acceltop.profiler.errors import TargetError, UsageError


class Rung(NamedTuple):
    """One way in. `prepare` finds out all it needs to know of a target, or raises TargetError with the reason."""

    name: str
    prepare: Callable[[Target], Plan | None]

    def available(self, target: Target) -> str | None:
        """Why it is not open for `target`, or None."""
        try:
            self.prepare(target)
        except TargetError as error:
            return error.cause
        return None


class Choice(NamedTuple):
    """The rung to take, with what it needs to know."""

    name: str
    plan: Plan | None


def choose(target: Target, method: str = "auto") -> Choice:
    """The first rung that is open. Raises TargetError with every reason, UsageError for an unknown method."""
    if method != "auto" and method not in NAMES:
        raise UsageError(f"there is no method {method!r}", f"use auto, {', '.join(NAMES)}")
    reasons = []
    for rung in RUNGS:
        if method not in ("auto", rung.name):
            continue
        try:
            return Choice(rung.name, rung.prepare(target))
        except TargetError as error:
            reasons.append(f"{rung.name}: {error.cause}")
    raise TargetError(
        f"no way into process {target.pid} ({'; '.join(dict.fromkeys(reasons))})",
        "counters and stacks still work with --no-inject",
    )


def refusal(target: Target) -> TargetError | None:
    """What `choose` would raise."""
    try:
        choose(target)
    except TargetError as error:
        return error
    return None


def _remote_exec(target: Target) -> None:
    remote_exec.check(target)


def _ptrace(target: Target) -> Plan:
    if platform.machine() != "x86_64":
        raise TargetError(f"not written for {platform.machine()} yet")
    return plan.make(target)


def _gdb(target: Target) -> Plan:
    gdb.check()
    return plan.make(target)


# ptrace before the official way: it also wakes a main thread that waits for a lock, which sys.remote_exec does not
# (seen with 3.14: the script ran when the wait ended, minutes later).
RUNGS = (Rung("ptrace", _ptrace), Rung("remote-exec", _remote_exec), Rung("gdb", _gdb))
NAMES = tuple(rung.name for rung in RUNGS)
