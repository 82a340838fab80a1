"""The one door from the command line to the screens: when they open, and with which looks."""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from acceltop.profiler.cli import options
from acceltop.profiler.errors import AcceltopError

if TYPE_CHECKING:
    from acceltop.views.live import MakeSession
    from acceltop.views.run import Looks

THEMES = ("dark", "light", "high-contrast", "no-color")


def add_looks(parser: argparse.ArgumentParser) -> None:
    """How the screens look."""
    parser.add_argument("--theme", choices=THEMES, help="of the screens; otherwise what the terminal suggests")


def wanted(args: argparse.Namespace) -> bool:
    """A person sits at a terminal and asked for nothing else: text, data, or a fixed time with a report at its end."""
    other = any(getattr(args, name, None) for name in ("text", "json", "duration"))
    return not other and sys.stdin.isatty() and sys.stdout.isatty()


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

    run.replay(args.file, args.follow, _looks(args))


def _looks(args: argparse.Namespace) -> Looks:
    from acceltop.views.run import Looks

    return Looks(theme=args.theme or ("no-color" if args.color == "never" else None))


def _check_textual() -> None:
    if find_spec("textual") is None:
        raise AcceltopError(
            "the screens need Textual, which is not installed here", "pip install textual, or use --text"
        )
