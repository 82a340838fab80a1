"""One reading of every device and of every process that uses an accelerator or a machine-learning framework."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

from acceltop.profiler.cli import options, output
from acceltop.profiler.cli.live import watch
from acceltop.profiler.errors import Exit

APART_S = 0.5  # between the two readings that rates need
LONGEST_S = 5.0  # a source that hangs is left out
MAX_PROCESSES = 64


def configure(parser: options.Parser) -> None:
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--text", action="store_true", help="as text (what is printed without an option)")
    form.add_argument("--json", action="store_true", help="the same as one JSON document")
    options.add_only(parser)
    options.add_common(parser)


def run(args: argparse.Namespace) -> int:
    document = take(args)
    if args.json:
        output.write_json(document)
    else:
        output.write_report(document, args, reading=True)
    return Exit.DONE


def take(args: argparse.Namespace) -> dict[str, Any]:
    """The document of one reading."""
    from acceltop.profiler.analysis.summary import Summary

    summary = Summary()
    context = replace(options.context(args, framework_processes()), interval_s=APART_S, inject=False)
    end = watch(context, [summary.add], only=args.only, without=("stacks",), duration_s=LONGEST_S, readings=2)
    if end.reason == "signal":
        raise KeyboardInterrupt
    return summary.document()


def framework_processes() -> tuple[int, ...]:
    """Python processes that have a machine-learning framework loaded, oldest first."""
    from acceltop.profiler.analysis.layers import framework_of
    from acceltop.profiler.attach.target import find

    return tuple(target.pid for target in find("") if framework_of(target) is not None)[:MAX_PROCESSES]
