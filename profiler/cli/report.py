"""Sum up a trace: devices, steps and their phases, top kernels, memory, notes."""

from __future__ import annotations

import argparse
from typing import Any

from acceltop.profiler.cli import options, output
from acceltop.profiler.errors import Exit


def configure(parser: options.Parser) -> None:
    parser.add_argument("file", metavar="FILE", help="a trace; - reads JSON Lines from stdin")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--text", action="store_true", help="as text (what is printed without an option)")
    form.add_argument("--json", action="store_true", help="the same as one JSON document")
    options.add_common(parser)


def run(args: argparse.Namespace) -> int:
    document = of_trace(args.file)
    if args.json:
        output.write_json(document)
    else:
        output.write_report(document, args)
    return Exit.DONE


def of_trace(path: str) -> dict[str, Any]:
    """The report of a whole trace. Raises TraceError when it can't be read at all."""
    from acceltop.profiler.analysis.summary import Summary
    from acceltop.profiler.trace.problems import within
    from acceltop.profiler.trace.reader import TraceReader

    summary = Summary()
    with TraceReader(path) as reader:
        for frame in reader.frames():
            summary.add(frame)
        for problem in reader.problems:  # known once everything was read
            summary.add(within(problem, summary.first_ns or 0, summary.last_ns))
    return summary.document()
