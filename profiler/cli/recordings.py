"""Recording on another machine, where it goes on without us: start and follow, list, bring here, end."""

from __future__ import annotations

import argparse
import os
import re
import signal
import threading
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

from acceltop.profiler.cli import elsewhere, options, output, record
from acceltop.profiler.cli.live import ending_signals
from acceltop.profiler.cli.recorder import PIPE, Recorder, recording
from acceltop.profiler.errors import AcceltopError, Exit
from acceltop.profiler.model import SCHEMA_VERSION
from acceltop.profiler.numbers import duration, size
from acceltop.profiler.remote import hosts
from acceltop.profiler.remote.source import RemoteSource
from acceltop.profiler.remote.transport import Transport, Unreachable
from acceltop.profiler.remote.watch import End, Rename, as_it_is, connect, watch
from acceltop.profiler.text import clean

MAX_SIZE, MAX_IDLE = "2GB", "72h"
_COLUMNS = ("id", "pid", "since", "bytes", "state", "limits")
_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SIZE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) *(kB|MB|GB|TB|B)")


def bytes_of(text: str) -> int:
    """Of `500MB` or `2GB`."""
    match = _SIZE.fullmatch(text.strip())
    count = int(float(match[1]) * _UNITS[match[2]]) if match else 0
    if not 0 < count < 1 << 60:
        raise argparse.ArgumentTypeError(f"{clean(text, 40)!r} is not a size such as 500MB or 2GB")
    return count


def configure_record(parser: options.Parser) -> None:
    """Of `record`: here it may outlive us, so it has limits."""
    parser.add_argument("--max-size", type=bytes_of, default=MAX_SIZE, metavar=MAX_SIZE, help="end at this size there")
    idle = "end when nobody followed, listed or fetched it for this long"
    parser.add_argument("--max-idle", type=options.duration, default=MAX_IDLE, metavar=MAX_IDLE, help=idle)
    record.configure(parser)


def configure_recordings(parser: options.Parser) -> None:
    """Of `recordings`."""
    parser.add_argument("--text", action="store_true", help="as text (what is printed without an option)")
    parser.add_argument("--json", action="store_true", help="the same as one JSON document")
    options.add_common(parser)


def configure_fetch(parser: options.Parser) -> None:
    """Of `fetch`."""
    parser.add_argument("id", metavar="ID", help="as `recordings` lists it")
    parser.add_argument("-o", "--output", required=True, metavar="FILE.mcap", help="the trace, here")
    options.add_common(parser)


def configure_stop(parser: options.Parser) -> None:
    """Of `stop`."""
    parser.add_argument("id", metavar="ID", help="as `recordings` lists it")
    options.add_common(parser)


def run_record(machines: elsewhere.Machines, args: argparse.Namespace) -> int:
    """Follows a recording that is made over there. Ctrl-C ends it; a lost link or a closed terminal does not."""
    request = elsewhere.ask(args)
    request["args"] |= {"duration": args.duration}
    if args.output == PIPE:
        with recording(PIPE) as recorder:
            sources = elsewhere.reach(machines, request)
            return elsewhere.tell(elsewhere.watch_all(sources, args, [recorder.add, output.Warnings()]))
    request |= {"do": "record", "limits": {"bytes": args.max_size, "idle_s": args.max_idle}}
    with recording(args.output) as recorder:
        sources = _all_followed(machines, request)
        end, left = _follow(sources, args, recorder)
    if left:
        return Exit.DONE
    _clean(sources)
    elsewhere.tell(end)
    output.say(recorder.summary())
    return Exit.DONE


def run_recordings(machines: elsewhere.Machines, args: argparse.Namespace) -> int:
    """What records there, and what has ended and was not brought here yet."""
    found = []
    for transport in machines.transports:
        word = elsewhere.answer(transport, {"do": "recordings"}, machines.cache)
        listed = word.get("recordings")
        rows = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
        found += [{"host": transport.label, **{name: row.get(name) for name in _COLUMNS}} for row in rows]
    if args.json:
        output.write_json({"schema_version": SCHEMA_VERSION, "recordings": found})
    else:
        _print(found)
    return Exit.DONE


def run_fetch(machines: elsewhere.Machines, args: argparse.Namespace) -> int:
    """Its trace so far. It goes on, and can be fetched again."""
    transport = elsewhere.only_one(machines, "an ID is of one machine")
    request = {"do": "follow", "id": args.id, "offset": 0, "to_its_end": False, "stacks": False}
    part = f"{args.output}.part"
    _remove(part)
    source = _followed(transport, request, machines.cache, False)
    with recording(part) as recorder:
        _follow([source], args, recorder)
    os.replace(part, args.output)
    output.say(f"{args.output}: {recorder.summary().partition(': ')[2]}, {source.last_word.get('state')}")
    return Exit.DONE


def run_stop(machines: elsewhere.Machines, args: argparse.Namespace) -> int:
    """Ends it; nothing of it stays there."""
    transport = elsewhere.only_one(machines, "an ID is of one machine")
    word = elsewhere.answer(transport, {"do": "stop", "id": args.id}, machines.cache)
    stopped = word.get("stopped")
    count = stopped.get("bytes") if isinstance(stopped, dict) else None
    output.say(f"ended, and removed there: {args.id}, {size(count if isinstance(count, int) else 0)}")
    return Exit.DONE


def _all_followed(machines: elsewhere.Machines, request: Mapping[str, Any]) -> list[RemoteSource]:
    """Of several hosts those that can be reached."""
    if len(machines.transports) == 1:
        return [_followed(machines.transports[0], request, machines.cache, True)]
    sources = []
    for index, transport in enumerate(machines.transports):
        rename = hosts.renamer(index, transport.label)
        try:
            sources.append(_followed(transport, request, machines.cache, True, rename))
        except Unreachable as error:
            output.say(f"without {transport.label}: {error}")
    if not sources:
        raise Unreachable("none of the hosts can be reached")
    return sources


def _followed(
    transport: Transport, request: Mapping[str, Any], cache: bool, announce: bool, rename: Rename = as_it_is
) -> RemoteSource:
    """A source of a recording's Frames, which goes on at the byte where a lost link left it."""
    link = connect(transport, request, cache, output.say)
    began = {"do": "follow", "id": str(link.began.get("id")), "to_its_end": request.get("to_its_end", True)}
    quiet = transport.without_questions()
    if announce:
        ends = f"it ends {_in_words(link.began.get('limits'))}"
        output.say(f"{transport.label} records as {clean(began['id'], 40)}, with or without this link; {ends}")
    source = RemoteSource(
        transport.label,
        link,
        lambda have: connect(quiet, {**began, "offset": have, "stacks": False}, cache, None),
        rename,
    )
    source.stays_open = True
    return source


def _follow(sources: list[RemoteSource], args: argparse.Namespace, recorder: Recorder) -> tuple[End, bool]:
    """How it ended, and whether it was left to itself over there."""
    with ending_signals() as asked:
        left = threading.Event()

        def leave(_number: int, _frame: FrameType | None) -> None:
            left.set()
            asked.set()

        signal.signal(signal.SIGHUP, leave)  # the terminal is gone: a recording is what should survive that
        context = elsewhere.far_context(args)
        end = watch(sources, context, asked, [recorder.add, output.Warnings()], [recorder.tick], left=left)
        return end, left.is_set()


def _clean(sources: list[RemoteSource]) -> None:
    for source in sources:
        if not source.last_word.get("state"):
            step = f"acceltop ssh {source.name} recordings"
            output.say(f"{source.name} did not say that it ended: it may still record ({step})")
        source.clean()


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise AcceltopError(f"can't replace {path}: {error.strerror}", "name another with -o") from None


def _print(found: list[dict[str, Any]]) -> None:
    if not found:
        output.say("nothing records there")
    for row in found:
        count = row["bytes"]
        words = [
            row["host"],
            row["id"],
            f"pid {row['pid']}",
            row["since"],
            size(count) if isinstance(count, int) else "?",
        ]
        words += [row["state"], *([f"ends {_in_words(row['limits'])}"] if row["state"] == "recording" else [])]
        print("  ".join(clean(str(word), 80) for word in words))


def _in_words(limits: object) -> str:
    """As the recorder itself tells them."""
    known = limits if isinstance(limits, dict) else {}
    count, idle_s = known.get("bytes"), known.get("idle_s")
    if not isinstance(count, (int, float)) or not isinstance(idle_s, (int, float)) or not 0 <= idle_s < 1e9:
        return "nobody knows when"
    return f"at {size(count)}, or when nobody has asked for {duration(int(idle_s * 1e9))}"


CONFIGURE: Mapping[str, Callable[[options.Parser], None]] = {
    "record": configure_record,
    "recordings": configure_recordings,
    "fetch": configure_fetch,
    "stop": configure_stop,
}
RUN: Mapping[str, Callable[[elsewhere.Machines, argparse.Namespace], int]] = {
    "record": run_record,
    "recordings": run_recordings,
    "fetch": run_fetch,
    "stop": run_stop,
}
