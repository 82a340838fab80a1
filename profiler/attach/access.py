"""Who may enter whom: the reasons why a process can't be attached, each with the line that changes it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from acceltop.profiler.attach import proc
from acceltop.profiler.errors import TargetError
from acceltop.profiler.text import clean

if TYPE_CHECKING:
    from acceltop.profiler.attach.target import Target

OLDEST, NEWEST = (3, 8), (3, 15)
_CAP_SYS_PTRACE = 19
_YAMA = "/proc/sys/kernel/yama/ptrace_scope"
_CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv")
NO_CAPABILITY = TargetError(
    "no CAP_SYS_PTRACE here (a container leaves it out by default)",
    "docker run --cap-add=SYS_PTRACE …, or in Kubernetes securityContext: {capabilities: {add: [SYS_PTRACE]}}",
)


class Occupied(TargetError):
    """Another tool is in the target, or may be; most leave within milliseconds, as another acceltop does."""


def certain_refusal(target: Target) -> TargetError | None:
    """Why `target` can't be attached by any method, where that is sure without trying."""
    return (
        _not_running(target)
        or _traced(target)
        or _forbidden(target)
        or _not_python(target)
        or _wrong_version(target.pid, target.python)
    )


def refusal(target: Target) -> TargetError | None:
    """The same, and what will most probably be refused: a job may have asked Yama for an exception."""
    return certain_refusal(target) or _yama()


def ptrace_scope() -> int:
    """kernel.yama.ptrace_scope; 0 where the kernel has no Yama."""
    try:
        with open(_YAMA, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0


def scope_error(scope: int) -> TargetError:
    """What to say where Yama is in the way."""
    if scope >= 3:
        return TargetError(
            f"kernel.yama.ptrace_scope is {scope}: no process may be traced until the next boot",
            "boot with kernel.yama.ptrace_scope=0 or 1 in /etc/sysctl.d",
        )
    job = ", or in the job prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY)" if scope == 1 else ""
    return TargetError(
        f"kernel.yama.ptrace_scope is {scope}: processes may not be traced from outside",
        f"run acceltop with sudo, or sudo sysctl kernel.yama.ptrace_scope=0{job}",
    )


def denied(target: Target) -> TargetError:
    """What to say when the kernel refused although nothing seemed to forbid it."""
    if yama := _yama():
        return yama
    if not has_capability():
        return NO_CAPABILITY if in_container() or os.geteuid() == 0 else _other_user(target)
    return Occupied(
        f"the kernel does not let process {target.pid} be traced (seccomp, an LSM or lockdown)",
        "look at `dmesg`; counters and stacks still work with --no-inject",
    )


def has_capability() -> bool:
    """Whether this process holds CAP_SYS_PTRACE."""
    return bool(int(proc.status(os.getpid())["CapEff"], 16) >> _CAP_SYS_PTRACE & 1)


def _not_running(target: Target) -> TargetError | None:
    if target.state in "ZX":
        return TargetError(f"process {target.pid} has ended (a zombie)", "its parent has yet to collect its exit code")
    if target.state == "T":
        return TargetError(f"process {target.pid} is stopped", f"continue it with `kill -CONT {target.pid}`")
    return None


def _traced(target: Target) -> TargetError | None:
    if not target.tracer_pid:
        return None
    command = clean(" ".join(proc.arguments(target.tracer_pid)), 80)
    cause = f"process {target.pid} is being traced by process {target.tracer_pid} ({command})"
    return Occupied(cause, "end that tool, then attach again")


def _forbidden(target: Target) -> TargetError | None:
    if has_capability() or _same_user(target) and not _more_privileged(target.pid):
        return None
    return NO_CAPABILITY if os.geteuid() == 0 else _other_user(target)


def _yama() -> TargetError | None:
    scope = ptrace_scope()
    if scope == 0 or scope < 3 and has_capability():
        return None
    return NO_CAPABILITY if scope < 3 and in_container() else scope_error(scope)


def _same_user(target: Target) -> bool:
    try:
        uids = proc.status(target.pid)["Uid"].split()[:3]
    except OSError:
        return True  # it just ended, which the next look finds out
    return all(int(uid) == os.geteuid() for uid in uids)


def _more_privileged(pid: int) -> bool:
    """The kernel keeps those with fewer capabilities out of those with more."""
    try:
        theirs = int(proc.status(pid)["CapPrm"], 16)
    except OSError:
        return False
    return bool(theirs & ~int(proc.status(os.getpid())["CapEff"], 16))


def _other_user(target: Target) -> TargetError:
    return TargetError(f"process {target.pid} belongs to {target.user}", f"run as {target.user} or with sudo")


def in_container() -> bool:
    """Whether this process runs in a container, by the marks that runtimes leave."""
    return any(os.path.exists(mark) for mark in _CONTAINER_MARKS) or "KUBERNETES_SERVICE_HOST" in os.environ


def _not_python(target: Target) -> TargetError | None:
    if target.interpreter is not None:
        return None
    if not target.libraries:
        step = "it is out of reach for root, too: one of the kernel's own?" if has_capability() else "run with sudo"
        return TargetError(f"the memory map of process {target.pid} can't be read", step)
    return TargetError(
        f"process {target.pid} ({clean(target.command, 40)}) is not a Python process",
        "attach to the Python process itself, or to its launcher with --tree",
    )


def _wrong_version(pid: int, python: tuple[int, int] | None) -> TargetError | None:
    if python is None or OLDEST <= python <= NEWEST:
        return None
    word = "older" if python < OLDEST else "newer"
    which = f"{OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}"
    return TargetError(
        f"process {pid} runs Python {python[0]}.{python[1]}, {word} than acceltop can enter ({which})",
        "counters and stacks still work with --no-inject",
    )
