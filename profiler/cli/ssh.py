"""Watch or record another machine, with nothing installed there: it needs sshd and a Python 3.10 or newer.

acceltop ssh [USER@]HOST [VERB …]: attach, record, snapshot with their own options; a file named with -o is kept here.
"""

from __future__ import annotations

import argparse

from acceltop.profiler.cli import elsewhere, options
from acceltop.profiler.errors import UsageError
from acceltop.profiler.remote import transport


def configure(parser: options.Parser) -> None:
    add_options(parser)
    parser.add_argument("--ssh-option", action="append", default=[], metavar="OPT", help="Name=value, or a word of ssh")
    parser.add_argument("host", nargs="?", metavar="HOST", help="anything that ssh takes")
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="VERB …", help="what to do there")


def add_options(parser: options.Parser) -> None:
    """What `via` takes too."""
    parser.add_argument("--no-cache", action="store_true", help="leave no file on the other machine")
    options.add_common(parser)


def run(args: argparse.Namespace) -> int:
    if args.host is None:
        raise UsageError("no host is named", "acceltop ssh USER@HOST")
    transports = (transport.ssh(args.host, args.ssh_option),)
    return elsewhere.run(elsewhere.Machines(transports, cache=not args.no_cache), args.words)
