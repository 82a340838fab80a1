"""TARGET on the command line → process ids."""

from __future__ import annotations

import argparse
import re

from acceltop.profiler.attach import target as processes
from acceltop.profiler.errors import TargetError, UsageError
from acceltop.profiler.text import clean

MAX_TARGETS = 64
_PIDS = re.compile(r"[0-9]{1,10}(,[0-9]{1,10})*")
_LIST = "acceltop snapshot lists what runs here"


def resolve(args: argparse.Namespace, at_once: bool = False) -> tuple[int, ...]:
    """The processes that the options name, () when they name none.

    Raises UsageError when the words make no sense, TargetError when there is no such process or none may be entered;
    `at_once`: whether there is a way into them is left to be found out later.
    """
    if args.target is not None and args.name is not None:
        raise UsageError("both a PID and -n were given", "give one of them")
    if args.target is None and args.name is None:
        if args.tree:
            raise UsageError("--tree needs a process", "name the launcher: --tree PID")
        return ()
    found = _by_name(args.name) if args.name is not None else _by_number(args.target)
    if args.tree:
        found = tuple(dict.fromkeys(pid for root in found for pid in _tree(root)))
    _check(found, not args.no_inject, at_once)
    return found[:MAX_TARGETS]


def need(args: argparse.Namespace, at_once: bool = False) -> tuple[int, ...]:
    """As `resolve`, but naming no process is wrong usage."""
    pids = resolve(args, at_once)
    if not pids:
        raise UsageError("no process is named", f"give a PID or -n PATTERN; {_LIST}")
    return pids


def _by_number(text: str) -> tuple[int, ...]:
    if not _PIDS.fullmatch(text):
        raise UsageError(f"{clean(text, 60)!r} is no PID", f"to look for a name: -n {clean(text, 60)}")
    return tuple(dict.fromkeys(int(pid) for pid in text.split(",")))


def _by_name(pattern: str) -> tuple[int, ...]:
    found = processes.find(pattern)
    if not found:
        raise TargetError(f"no Python process's command line holds {clean(pattern, 60)!r}", _LIST)
    return _without_forks(found)


def _tree(root: int) -> tuple[int, ...]:
    """The ranks of a launcher, which itself only waits; of any other process itself and all below it."""
    launcher, *below = family = [processes.inspect(pid) for pid in (root, *processes.tree(root))]
    ranks = [one for one in below if one.rank is not None] if launcher.rank is None else []
    return _without_forks(ranks or family)


def _without_forks(found: list[processes.Target]) -> tuple[int, ...]:
    """Data-loader workers are forks: the same command line as their parent. They are seen as its children."""
    argv = {target.pid: target.argv for target in found}
    return tuple(target.pid for target in found if argv.get(target.parent) != target.argv)


def _check(pids: tuple[int, ...], enter: bool, at_once: bool) -> None:
    """One process that can be watched is enough: of the others a Note tells why not."""
    reasons = []
    for pid in pids:
        target = processes.inspect(pid)
        reason = processes.attachable(target, at_once) if enter else "yes"
        if reason == "yes":
            return
        reasons.append(reason)
    raise TargetError(reasons[0])
