"""`run` on another machine: the command's output and exit code are its own, as if it ran here."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack

from acceltop.profiler.analysis.summary import Summary
from acceltop.profiler.cli import elsewhere, output
from acceltop.profiler.cli.live import in_words
from acceltop.profiler.cli.recorder import PIPE, Recorder, recording
from acceltop.profiler.errors import TargetError, UsageError
from acceltop.profiler.remote.link import Link
from acceltop.profiler.remote.source import RemoteSource
from acceltop.profiler.remote.transport import Unreachable
from acceltop.profiler.remote.watch import connect
from acceltop.profiler.session import Sink


def run(machines: elsewhere.Machines, args: argparse.Namespace) -> int:
    """The command's exit code. It ends with the link, and when we are told to end."""
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not command:
        raise UsageError("no command is given", "acceltop ssh HOST run -- python train.py")
    if args.output == PIPE:
        raise UsageError("stdout belongs to the command", "-o FILE.mcap")
    # Open before the command starts: a trace that can't be written must not cost it its first minutes.
    with ExitStack() as stack:
        recorder = stack.enter_context(recording(args.output)) if args.output else None
        code = _watched(machines, args, command, recorder)
    if recorder is not None:
        output.say(recorder.summary())
    output.say(f"the command ended{in_words(code)}")
    return code if code >= 0 else 128 - code  # as a shell says that a signal ended it


def _watched(
    machines: elsewhere.Machines, args: argparse.Namespace, command: list[str], recorder: Recorder | None
) -> int:
    summary = Summary()
    sinks: list[Sink] = [summary.add if recorder is None else recorder.add, output.Warnings()]
    source = _started(machines, args, command)
    elsewhere.watch_all([source], args, sinks, () if recorder is None else (recorder.tick,))
    code = source.last_word.get("exit_code")
    if recorder is None:
        output.write_report(summary.document(), args, sys.stderr)
    if type(code) is not int:
        raise Unreachable(f"the link to {source.name} is lost, and the command ended with it", "nohup keeps one")
    return code


def _started(machines: elsewhere.Machines, args: argparse.Namespace, command: list[str]) -> RemoteSource:
    transport = elsewhere.only_one(machines, "a command runs on one machine")
    request = elsewhere.ask(args, do="run", command=command, stacks=True)
    request["args"] |= {"duration": args.duration}
    source = RemoteSource(transport.label, connect(transport, request, machines.cache, output.say), _not_again)
    source.output = _written(source.finish)
    return source


def _not_again(_have: int) -> Link:
    raise TargetError("a command is not started twice")


def _written(broken: Callable[[], None]) -> Callable[[int, bytes], None]:
    """Bytes to our stdout (1) or stderr (2), as they are. When nobody reads them any more the command ends."""

    def write(descriptor: int, data: bytes) -> None:
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(descriptor, left) :]
        except OSError:
            broken()

    return write
