"""On the other machine: which processes a request names. Ours are never meant, though the pattern stands in their
command lines too: on loopback, or where two people look for the same job."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from os.path import basename

from acceltop.profiler.attach import proc
from acceltop.profiler.cli import targets
from acceltop.profiler.errors import TargetError
from acceltop.profiler.text import clean

_FAR = "acceltop.profiler.remote."


def resolve(args: Namespace) -> tuple[int, ...]:
    """As the verbs do it here. Raises TargetError when a pattern names nothing else than us."""
    pids = targets.resolve(args)
    if args.name is None:
        return pids
    others = tuple(pid for pid in pids if not is_ours(proc.arguments(pid)))
    if not others:
        which = f"no Python process's command line holds {clean(args.name, 60)!r}, but for acceltop's own"
        raise TargetError(which, "acceltop ssh HOST snapshot lists what runs there")
    return others


def is_ours(argv: Sequence[str]) -> bool:
    """It is acceltop itself; what it runs (`demo`, `run`) is not."""
    if argv and basename(argv[0]) == "acceltop":
        return True
    for at, word in enumerate(argv[1:], 2):
        if word in ("-m", "-c"):
            return any(code == "acceltop" or (word == "-c" and _FAR in code) for code in argv[at : at + 1])
        if not word.startswith("-"):
            return basename(word) == "acceltop"
    return False
