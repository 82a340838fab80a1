"""Watch a job that is already running: attach to it from outside, unmodified, and see where its time goes.

On a terminal the screens open. With --text, with --duration or without a terminal a report is printed after --duration
(15 s), on Ctrl-C, or when the job ends. Nothing of acceltop stays in the job.
"""

from __future__ import annotations

import argparse

from acceltop.profiler.cli import options, output, screen, targets
from acceltop.profiler.cli.live import End, how_it_ended, watch
from acceltop.profiler.errors import Exit

TEXT_S = 15.0


def configure(parser: options.Parser) -> None:
    options.add_target(parser)
    options.add_sampling(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--text", action="store_true", help="a report as plain text")
    form.add_argument("--json", action="store_true", help="everything as it is measured, as JSON Lines, until the end")
    screen.add_looks(parser)
    options.add_common(parser)


def run(args: argparse.Namespace) -> int:
    on_screen = screen.wanted(args)
    pids = targets.need(args, at_once=on_screen)  # the screens tell what is found out later
    if on_screen:
        screen.watch(args, pids)
        return Exit.DONE
    if args.json:
        end = watch(
            options.context(args, pids),
            [output.JsonLines(), output.Warnings()],
            only=args.only,
            duration_s=args.duration,
        )
    else:
        end = _report(args, pids)
    for process in end.gone:
        output.say(how_it_ended(process))
    return Exit.DONE


def _report(args: argparse.Namespace, pids: tuple[int, ...]) -> End:
    from acceltop.profiler.analysis.summary import Summary

    seconds = args.duration or TEXT_S
    output.say(f"watching {_named(pids)} for {seconds:g} s; Ctrl-C ends it sooner")
    summary = Summary()
    end = watch(options.context(args, pids), [summary.add, output.Warnings()], only=args.only, duration_s=seconds)
    output.write_report(summary.document(), args)
    return end


def _named(pids: tuple[int, ...]) -> str:
    listed = ", ".join(map(str, pids[:8])) + (" …" if len(pids) > 8 else "")
    return f"process {listed}" if len(pids) == 1 else f"processes {listed}"
