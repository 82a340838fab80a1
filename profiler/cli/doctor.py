"""What can and can't be seen on this machine, and of the process PID: why, and the exact line that changes it."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

from acceltop.profiler import __version__
from acceltop.profiler.attach import access
from acceltop.profiler.attach import target as processes
from acceltop.profiler.cli import options, output
from acceltop.profiler.cli.live import watch
from acceltop.profiler.errors import Exit
from acceltop.profiler.model import SCHEMA_VERSION, DeviceFound, Frame, Note, Sample, StackWindow
from acceltop.profiler.session import installed

LONGEST_S = 8.0  # a source that hangs is told as late


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    text: str
    next_step: str = ""


def configure(parser: options.Parser) -> None:
    parser.add_argument("pid", nargs="?", type=int, metavar="PID", help="a process that should be attached to")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--text", action="store_true", help="as text (what is printed without an option)")
    form.add_argument("--json", action="store_true", help="the same as one JSON document")
    options.add_only(parser)
    options.add_common(parser)


def run(args: argparse.Namespace) -> int:
    tell(look(args), args)
    return Exit.DONE


def look(args: argparse.Namespace) -> list[Check]:
    """All that can be checked on this machine. Raises TargetError when there is no such process."""
    checks = [_itself(), *_attaching(), *_sources(args)]
    if args.pid is not None:
        checks += _process(args.pid)
    return checks


def tell(checks: list[Check], args: argparse.Namespace) -> None:
    """On stdout, as was asked for."""
    if args.json:
        output.write_json({"schema_version": SCHEMA_VERSION, "checks": [asdict(check) for check in checks]})
    else:
        _write(checks)


def _itself() -> Check:
    return Check("acceltop", True, f"{__version__}, Python {platform.python_version()}, {os.uname().machine}")


def _attaching() -> Iterator[Check]:
    scope = access.ptrace_scope()
    if access.has_capability() and scope < 3:
        yield Check("attach", True, "any process may be entered (CAP_SYS_PTRACE)")
    elif scope:
        error = access.scope_error(scope)
        yield Check("attach", False, error.cause, error.next_step)
    else:
        yield Check("attach", True, "processes of your own may be entered; those of others need sudo")


class _Heard:
    """What each source gave, and what it had to say."""

    def __init__(self) -> None:
        self.found: Counter[str] = Counter()
        self.readings: Counter[str] = Counter()
        self.notes: dict[str, list[Note]] = {}

    def add(self, frame: Frame) -> None:
        if isinstance(frame, DeviceFound):
            self.found[frame.source] += 1
        elif isinstance(frame, (Sample, StackWindow)):
            self.readings[frame.source] += 1
        elif isinstance(frame, Note) and frame.source is not None:
            self.notes.setdefault(frame.source, []).append(frame)


def _sources(args: argparse.Namespace) -> Iterator[Check]:
    heard = _Heard()
    # py-spy needs someone to look at; without a PID that is ourselves.
    context = replace(options.context(args, (args.pid or os.getpid(),)), interval_s=0.5, inject=False)
    end = watch(context, [heard.add], only=args.only, duration_s=LONGEST_S, readings=1)
    if end.reason == "signal":
        raise KeyboardInterrupt
    for name in installed(args.only, without=("agent",)):
        troubles = [
            note for note in heard.notes.get(name, ()) if note.level != "info" or note.code.startswith("source.")
        ]
        for note in troubles:
            yield Check(name, False, note.text, note.next_step)
        if not troubles:
            yield Check(name, True, _given(heard, name))


def _given(heard: _Heard, name: str) -> str:
    devices = heard.found[name]
    if devices:
        return f"{devices} device{'s' * (devices > 1)}"
    return "works"


def _process(pid: int) -> Iterator[Check]:
    from acceltop.profiler.analysis.layers import layers_of

    target = processes.inspect(pid)
    yield Check("process", True, f"{pid} of {target.user}: {target.command[:200]}")
    answer = processes.attachable(target)
    yield Check("enter", answer == "yes", "it can be attached to" if answer == "yes" else answer)
    for layer, names in layers_of(target).items():
        yield Check(layer, True, ", ".join(names))


def _write(checks: list[Check]) -> None:
    yes, no = ("✓", "✗") if output.speaks_unicode(sys.stdout) else ("+", "-")
    wide = max(len(check.name) for check in checks)
    for check in checks:
        print(f"{yes if check.ok else no} {check.name:<{wide}}  {check.text}")
        if check.next_step:
            print(f"  {'':<{wide}}  → {check.next_step}" if yes == "✓" else f"  {'':<{wide}}  > {check.next_step}")
