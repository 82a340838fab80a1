"""Go through a trace again. The screens for that are yet to come: so far this prints its report."""

from __future__ import annotations

import argparse
import sys

from acceltop.profiler.cli import options, output, report


def configure(parser: options.Parser) -> None:
    report.configure(parser)


def run(args: argparse.Namespace) -> int:
    if sys.stdout.isatty():
        output.say("the screens are not there yet: this is `acceltop report`")
    return report.run(args)
