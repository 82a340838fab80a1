"""`report` of a trace that lies on another machine: its bytes come here, and nothing of it stays."""

from __future__ import annotations

import argparse
import tempfile
from base64 import b64decode
from collections.abc import Iterator
from typing import IO

from acceltop.profiler.cli import elsewhere, output, report
from acceltop.profiler.errors import AcceltopError, Exit, UsageError
from acceltop.profiler.numbers import size
from acceltop.profiler.remote.link import Link, failure
from acceltop.profiler.remote.transport import Unreachable
from acceltop.profiler.remote.watch import connect, words
from acceltop.profiler.remote.wire import DATA, WORD
from acceltop.profiler.text import clean

MAX_BYTES = 16 << 30


def run(machines: elsewhere.Machines, args: argparse.Namespace) -> int:
    """As `acceltop report` over there would print it."""
    if args.file == "-":
        raise UsageError("stdin carries the link", "name a file that lies there")
    transport = elsewhere.only_one(machines, "a file is of one machine")
    request = {"do": "file", "path": args.file, "stacks": False}
    link = connect(transport, request, machines.cache, output.say)
    try:
        with tempfile.NamedTemporaryFile(prefix="acceltop-", suffix=_suffix(args.file)) as copy:
            _bring(link, copy)
            document = report.of_trace(copy.name)
    finally:
        link.close()
    if args.json:
        output.write_json(document)
    else:
        output.write_report(document, args)
    return Exit.DONE


def _suffix(path: str) -> str:
    return ".jsonl" if path.endswith(".jsonl") else ".mcap"


def _bring(link: Link, copy: IO[bytes]) -> None:
    """As many bytes as were announced, and no more."""
    announced = link.began.get("bytes")
    if type(announced) is not int or not 0 <= announced <= MAX_BYTES:
        raise AcceltopError(f"that file is too large ({clean(str(announced), 40)} bytes)", "copy it with scp")
    for data in _pieces(link):
        copy.write(data)
        if copy.tell() > announced:
            raise Unreachable(f"{link.label} sends more than it said", "is acceltop behind that command?")
    copy.flush()
    if copy.tell() != announced:
        raise Unreachable(f"{link.label} sent {size(copy.tell())} of {size(announced)}", "try again")


def _pieces(link: Link) -> Iterator[bytes]:
    for message in words(link):
        if message.get("kind") == DATA:
            try:
                yield b64decode(str(message.get("bytes")), validate=True)
            except ValueError:
                raise Unreachable(f"{link.label} sends nonsense", "is acceltop behind that command?") from None
        elif message.get("kind") == f"{WORD}end":
            if told := failure(message):
                raise told
            return
