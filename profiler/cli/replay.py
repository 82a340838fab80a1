"""Go through a trace again, on the screens that the live job would have had; without a terminal this is `report`.

Frames that come through a pipe (FILE is -) are shown as they come; the keys are those of the terminal.
"""

from __future__ import annotations

import argparse

from acceltop.profiler.cli import options, report, screen
from acceltop.profiler.errors import Exit


def configure(parser: options.Parser) -> None:
    report.configure(parser)
    parser.add_argument("--follow", action="store_true", help="go on with what is being written to it")
    screen.add_looks(parser)


def run(args: argparse.Namespace) -> int:
    if screen.wanted(args, piped=args.file == "-"):
        screen.replay(args)
        return Exit.DONE
    return report.run(args)
