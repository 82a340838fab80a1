"""Watch or record another machine, with nothing installed there: it needs sshd and a Python 3.10 or newer.

acceltop ssh [USER@]HOST [VERB …]: attach, record, snapshot with their own options; a file named with -o is kept here.
"""

from __future__ import annotations

import argparse

from acceltop.profiler.cli import elsewhere, options
from acceltop.profiler.remote import hosts, transport


def configure(parser: options.Parser) -> None:
    add_options(parser)
    parser.add_argument("--ssh-option", action="append", default=[], metavar="OPT", help="Name=value, or a word of ssh")
    parser.add_argument("--hosts", metavar="FILE", help="read the hosts from FILE, one a line")
    parser.add_argument("host", nargs="?", metavar="HOST[,HOST…]", help="anything that ssh takes; node[01-16] too")
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="VERB …", help="what to do there")


def add_options(parser: options.Parser) -> None:
    """What `via` takes too."""
    parser.add_argument("--no-cache", action="store_true", help="leave no file on the other machine")
    options.add_common(parser)


def run(args: argparse.Namespace) -> int:
    words = args.words
    if args.hosts is not None:
        words = [args.host, *words] if args.host is not None else words
        named = hosts.from_file(args.hosts)
    else:
        named = hosts.expand(args.host or "")
    transports = tuple(transport.ssh(host, args.ssh_option) for host in named)
    return elsewhere.run(elsewhere.Machines(transports, cache=not args.no_cache), words)
