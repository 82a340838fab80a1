"""Start a command and watch it from its first moment. Its output and its exit code stay its own.

The report comes on stderr when the command has ended; with -o the trace is kept instead.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from acceltop.profiler.analysis.summary import Summary
from acceltop.profiler.cli import options, output
from acceltop.profiler.cli.live import LAST_WORDS_S, in_words
from acceltop.profiler.cli.pythons import first_pythons
from acceltop.profiler.cli.recorder import PIPE, Recorder, recording
from acceltop.profiler.clock import monotonic, now_ns
from acceltop.profiler.errors import AcceltopError, TargetError, UsageError
from acceltop.profiler.model import ProcessGone
from acceltop.profiler.session import Session, Sink, installed
from acceltop.profiler.text import clean

LOOK_S = 0.05


def configure(parser: options.Parser) -> None:
    parser.add_argument("-o", "--output", metavar="FILE.mcap", help="keep a trace, and print no report")
    options.add_attaching(parser)
    options.add_sampling(parser)
    options.add_common(parser)
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="[--] COMMAND", help="with its arguments")


def run(args: argparse.Namespace) -> int:
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not command:
        raise UsageError("no command is given", "acceltop run -- python train.py")
    if args.output == PIPE:
        raise UsageError("stdout belongs to the command", "-o FILE.mcap")
    # Open before the command starts: a trace that can't be written must not cost it its first minutes.
    with _its_own_signals() as children, _kept(args.output) as recorder:
        child = _start(command)
        children.append(child)
        code = _watched(args, child, recorder)
    return code if code >= 0 else 128 - code  # as a shell says that a signal ended it


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(command)
    except OSError as error:
        raise TargetError(
            f"can't start {clean(command[0], 80)}: {error.strerror}", "is it installed, and on PATH?"
        ) from None


@contextmanager
def _kept(path: str | None) -> Iterator[Recorder | None]:
    if path is None:
        yield None
        return
    with recording(path) as recorder:
        yield recorder
    output.say(recorder.summary())


@contextmanager
def _its_own_signals() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Ctrl-C reaches the command from the terminal; what was sent to us alone is handed on. We end when it has."""
    children: list[subprocess.Popen[bytes]] = []

    def hand_on(number: int, _frame: FrameType | None) -> None:
        for child in children if number != signal.SIGINT else ():
            child.send_signal(number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
    before = {number: signal.signal(number, hand_on) for number in numbers}
    try:
        yield children
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _watched(args: argparse.Namespace, child: subprocess.Popen[bytes], recorder: Recorder | None) -> int:
    """The command's exit code. Whatever happens to the watching, the command goes on to its own end."""
    summary = Summary()
    sinks: list[Sink] = [summary.add if recorder is None else recorder.add, output.Warnings()]
    context = options.context(args, first_pythons(child))
    sources = installed(args.only, without=() if context.inject else ("agent",))
    session = Session(sources, context, sinks, () if recorder is None else (recorder.tick,))
    session.start()
    code = _until_over(session, child, args.duration)
    if code is not None:
        session.put(ProcessGone(now_ns(), child.pid, code))
        context.stop.wait(LAST_WORDS_S)
    try:
        session.stop()
    except AcceltopError as error:
        output.say(f"{error}: the command goes on unwatched")
    code = child.wait()
    if recorder is None:
        output.write_report(summary.document(), args, sys.stderr)
    output.say(f"the command ended{in_words(code)}")
    return code


def _until_over(session: Session, child: subprocess.Popen[bytes], duration_s: float | None) -> int | None:
    """The exit code of the command, None when the watching was over before."""
    end = monotonic() + duration_s if duration_s is not None else None
    while child.poll() is None:
        if session.ended.wait(LOOK_S) or (end is not None and monotonic() >= end):
            return None
    return child.returncode
