"""Options that several verbs share, and how their values are read."""

from __future__ import annotations

import argparse
import re
import sys
from typing import TYPE_CHECKING, NoReturn

from acceltop.profiler.errors import AcceltopError, UsageError
from acceltop.profiler.text import clean

if TYPE_CHECKING:
    from acceltop.profiler.source import SourceContext

_UNITS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_NUMBER = r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_DURATION = re.compile(_NUMBER + r"\s*(ms|s|min|m|h|)")
_SHARE = re.compile(_NUMBER + r"\s*%|0")
MIN_INTERVAL_S, MAX_INTERVAL_S = 0.1, 60.0
MAX_DURATION_S = 366 * 86400.0
METHODS = ("auto", "ptrace", "gdb", "remote-exec")


class Parser(argparse.ArgumentParser):
    """Wrong usage is one line with an exit code, like every other error."""

    def __init__(self, prog: str, description: str | None, add_help: bool = True) -> None:
        form = argparse.RawDescriptionHelpFormatter
        super().__init__(prog, description=description, formatter_class=form, add_help=add_help, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise UsageError(clean(message, 300), f"{self.prog} --help shows how")


def duration(text: str) -> float:
    """Seconds of `30s`, `500ms`, `2m`, `1h` or a bare number of seconds."""
    match = _DURATION.fullmatch(text.strip())
    seconds = float(match[1]) * _UNITS[match[2]] if match and len(text) < 40 else 0.0
    if not 0 < seconds <= MAX_DURATION_S:
        raise argparse.ArgumentTypeError(f"{clean(text, 40)!r} is not a duration such as 30s, 500ms or 2m")
    return seconds


def interval(text: str) -> float:
    """A duration within the range that sources can keep."""
    seconds = duration(text)
    if not MIN_INTERVAL_S <= seconds <= MAX_INTERVAL_S:
        raise argparse.ArgumentTypeError(f"{clean(text, 40)!r} is not between 100ms and 60s")
    return seconds


def budget(text: str) -> float:
    """The ratio of `1%`; `0` switches windows off."""
    number = _SHARE.fullmatch(text.strip())
    ratio = float(number[1] or 0) / 100 if number else -1.0
    if not 0 <= ratio <= 1:
        raise argparse.ArgumentTypeError(f"{clean(text, 40)!r} is not a share such as 1% or 0")
    return ratio


def sources(text: str) -> tuple[str, ...]:
    """`a,b` → ("a", "b"), all of them sources that are installed."""
    from acceltop.profiler.session import installed

    wanted = tuple(name.strip() for name in text.split(",") if name.strip())
    try:
        installed(wanted)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return wanted


def add_common(parser: argparse.ArgumentParser) -> None:
    """What every verb takes."""
    parser.add_argument("--color", choices=("auto", "never"), default="auto", help="NO_COLOR=1 is never, too")
    parser.add_argument("--log-file", metavar="FILE", help="write what acceltop does to FILE")
    parser.add_argument("-v", "--verbose", action="store_true", help="say on stderr what acceltop does")


def add_sampling(parser: argparse.ArgumentParser) -> None:
    """What every verb takes that reads counters."""
    parser.add_argument("--interval", type=interval, default=1.0, metavar="1s", help="between readings: 100ms to 60s")
    parser.add_argument("--duration", type=duration, metavar="30s", help="end after this long")
    add_only(parser)


def add_only(parser: argparse.ArgumentParser) -> None:
    """Which sources are asked."""
    parser.add_argument("--only", type=sources, default=(), metavar="nvml,host", help="these sources alone")


def add_target(parser: argparse.ArgumentParser) -> None:
    """What every verb takes that watches processes."""
    parser.add_argument("target", nargs="?", metavar="TARGET", help="PID or PID,PID")
    parser.add_argument("-n", "--name", metavar="PATTERN", help="Python processes whose command line holds PATTERN")
    parser.add_argument("--tree", action="store_true", help="the ranks of a launcher; else all Python below it, too")
    add_attaching(parser)


def add_attaching(parser: argparse.ArgumentParser) -> None:
    """How deep to go into a watched process."""
    parser.add_argument("--budget", type=budget, default=0.01, metavar="1%", help="how much slower the job may get")
    parser.add_argument("--no-inject", action="store_true", help="never enter the process: counters and stacks only")
    parser.add_argument("--method", choices=METHODS, default="auto", help="the way into the process")


def context(args: argparse.Namespace, pids: tuple[int, ...] = ()) -> SourceContext:
    """What the sources are told of these options."""
    from acceltop.profiler.source import SourceContext  # loads all Frames: not for --help or --version

    return SourceContext(
        interval_s=getattr(args, "interval", 1.0),
        pids=pids,
        budget=getattr(args, "budget", 0.0),
        inject=not getattr(args, "no_inject", True),
        method=getattr(args, "method", "auto"),
        options=getattr(args, "source_options", {}),
    )


def set_up_logging(args: argparse.Namespace) -> None:
    """`-v` to stderr, `--log-file` to a file; silent without. Raises AcceltopError when the file can't be written."""
    if not (args.verbose or args.log_file):
        return
    import logging

    root = logging.getLogger("acceltop")
    form = logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s")
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)] if args.verbose else []
    if args.log_file:
        try:
            handlers.append(logging.FileHandler(args.log_file, encoding="utf-8", errors="backslashreplace"))
        except OSError as error:
            raise AcceltopError(f"can't write the log {args.log_file}: {error.strerror}", "choose another") from None
    for handler in handlers:
        handler.setFormatter(form)
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
