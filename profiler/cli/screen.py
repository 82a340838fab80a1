"""The one door from the command line to the screens: when they open, and with which looks."""

from __future__ import annotations

import argparse
import os
import sys
from importlib.util import find_spec
from io import BufferedReader
from typing import TYPE_CHECKING

from acceltop.profiler.cli import options
from acceltop.profiler.errors import AcceltopError, UsageError

if TYPE_CHECKING:
    from acceltop.views.live import MakeSession
    from acceltop.views.run import Looks

THEMES = ("dark", "light", "high-contrast", "16-colors", "no-color")


def add_looks(parser: argparse.ArgumentParser) -> None:
    """How the screens look."""
    parser.add_argument("--theme", choices=THEMES, help="of the screens; otherwise what the terminal suggests")


def wanted(args: argparse.Namespace, piped: bool = False) -> bool:
    """A person sits at a terminal and asked for nothing else: text, data, or a fixed time with a report at its end.

    `piped`: stdin brings what shall be shown, the keys come from the terminal.
    """
    other = any(getattr(args, name, None) for name in ("text", "json", "duration"))
    return not other and sys.stdout.isatty() and (piped or sys.stdin.isatty())


def watch(args: argparse.Namespace, pids: tuple[int, ...] = ()) -> None:
    """The live screens; without a process, the list of those there are. Returns when the user quits."""
    _check_textual()
    from acceltop.views import run

    run.watch(options.context(args, pids), args.only, _looks(args))


def watch_elsewhere(args: argparse.Namespace, pids: tuple[int, ...], make: MakeSession) -> None:
    """The live screens over sessions that `make` makes."""
    _check_textual()
    from acceltop.views import run

    run.watch(options.context(args, pids), args.only, _looks(args), make)


def replay(args: argparse.Namespace) -> None:
    """The screens over a trace. Raises TraceError when it can't be read at all."""
    _check_textual()
    from acceltop.views import run

    if args.file == "-":
        run.replay_pipe(_pipe(), _looks(args))
    else:
        run.replay(args.file, args.follow, _looks(args))


def _pipe() -> BufferedReader:
    """What stdin was: the terminal takes its place, for the keys. Raises UsageError where that can't be."""
    if sys.stdin.isatty():
        raise UsageError("nothing is piped into it", "acceltop record PID -o - | acceltop replay -")
    try:
        terminal = os.open("/dev/tty", os.O_RDWR)
    except OSError:
        raise UsageError("there is no terminal for the keys", "--text gives a report") from None
    pipe = open(os.dup(0), "rb")  # noqa: SIM115 - it stays open until the end of the program
    os.dup2(terminal, 0)
    os.close(terminal)
    return pipe


def _looks(args: argparse.Namespace) -> Looks:
    from acceltop.views.run import Looks

    return Looks(theme=args.theme or ("no-color" if args.color == "never" else None))


def _check_textual() -> None:
    if find_spec("textual") is None:
        raise AcceltopError(
            "the screens need Textual, which is not installed here", "pip install textual, or use --text"
        )
