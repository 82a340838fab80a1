"""Make a cut or damaged trace whole: what can be read of it is written anew, with its index and overview."""

from __future__ import annotations

import argparse

from acceltop.profiler.cli import options, output
from acceltop.profiler.errors import Exit


def configure(parser: options.Parser) -> None:
    parser.add_argument("file", metavar="FILE", help="the trace")
    parser.add_argument("-o", "--output", metavar="FILE.mcap", help="where to (FILE-repaired.mcap beside it)")
    options.add_common(parser)


def run(args: argparse.Namespace) -> int:
    from acceltop.profiler.trace.repair import repair

    target = args.output or f"{args.file.removesuffix('.mcap')}-repaired.mcap"
    for problem in repair(args.file, target):
        output.say(problem.text)
    output.say(f"{target} is whole")
    return Exit.DONE
