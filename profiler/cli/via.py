"""Watch or record through any command that gives a pipe to a program elsewhere: acceltop via PREFIX… -- [VERB …]

acceltop via kubectl exec -i POD -- attach -n train.py      acceltop via docker exec -i CONTAINER -- snapshot
"""

from __future__ import annotations

import argparse

from acceltop.profiler.cli import VERBS, elsewhere, options
from acceltop.profiler.cli.ssh import add_options
from acceltop.profiler.remote import transport


def configure(parser: options.Parser) -> None:
    add_options(parser)
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="PREFIX… -- [VERB …]", help="before --: the command")


def run(args: argparse.Namespace) -> int:
    prefix, words = _split(args.words)
    return elsewhere.run(elsewhere.Machines((transport.via(prefix),), cache=not args.no_cache), words)


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    """At the first `--` behind which there is a verb or nothing, since the prefix may have one of its own."""
    for at, word in enumerate(words):
        if word == "--" and (at + 1 == len(words) or words[at + 1] in VERBS):
            return words[:at], words[at + 1 :]
    return words, []
