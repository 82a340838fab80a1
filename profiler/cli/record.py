"""Record what happens into a trace, without a screen: a job, or without TARGET the devices alone.

Ctrl-C, SIGTERM, --duration or the end of the job end it cleanly; after a crash all but the last second is readable.
"""

from __future__ import annotations

import argparse
import time

from acceltop.profiler.cli import options, output, targets
from acceltop.profiler.cli.live import how_it_ended, watch
from acceltop.profiler.cli.recorder import recording
from acceltop.profiler.errors import Exit


def configure(parser: options.Parser) -> None:
    options.add_target(parser)
    parser.add_argument("-o", "--output", required=True, metavar="FILE.mcap", help="the trace; - is stdout, JSON Lines")
    options.add_sampling(parser)
    options.add_common(parser)


def run(args: argparse.Namespace) -> int:
    context = options.context(args, targets.resolve(args))
    with recording(args.output) as recorder:
        end = watch(
            context,
            [recorder.add, output.Warnings()],
            [recorder.tick],
            only=args.only,
            duration_s=args.duration,
        )
    for process in end.gone:
        output.say(f"{how_it_ended(process)} at {time.strftime('%H:%M:%S')}")
    output.say(recorder.summary())
    return Exit.DONE
