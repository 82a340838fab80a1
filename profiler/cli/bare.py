"""A terminal profiler for machine-learning accelerators: attach to a running job, live, and see its kernels.

Without a verb the screens open on all devices and the processes that can be watched; without a terminal: `snapshot`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from acceltop.profiler import __version__
from acceltop.profiler.cli import VERBS, options, screen, verb_module
from acceltop.profiler.errors import Exit


class _Help(argparse.Action):
    """Reads the files of all verbs for their first lines, which only this option needs."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        *_: Any,
    ) -> None:
        lines = [f"  {verb:<10}{(verb_module(verb).__doc__ or '').splitlines()[0]}" for verb in VERBS]
        parser.epilog = "\n".join(("verbs:", *lines, "", "acceltop VERB --help says more about one of them"))
        parser.usage = "acceltop [VERB] [TARGET] [OPTIONS]"
        parser.print_help()
        parser.exit()


def configure(parser: options.Parser) -> None:
    parser.add_argument("-h", "--help", action=_Help, nargs=0, help="this text")
    parser.add_argument("--version", action="version", version=f"acceltop {__version__}")
    options.add_sampling(parser)
    options.add_attaching(parser)
    screen.add_looks(parser)
    options.add_common(parser)
    parser.set_defaults(json=False)


def run(args: argparse.Namespace) -> int:
    if screen.wanted(args):
        screen.watch(args)
        return Exit.DONE
    from acceltop.profiler.cli import snapshot

    return snapshot.run(args)
