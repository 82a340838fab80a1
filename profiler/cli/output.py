"""Where data and narration go: JSON Lines and documents to stdout, words to stderr."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TextIO

from acceltop.profiler.codec import encode
from acceltop.profiler.model import Frame, Note
from acceltop.profiler.text import clean

STDOUT = 1
PIPED_COLUMNS = 110  # room for the line and the function behind each kernel's name


class JsonLines:
    """A sink that writes each Frame as one line to a file descriptor, unbuffered: a reader sees it at once."""

    def __init__(self, descriptor: int = STDOUT) -> None:
        self._descriptor = descriptor
        self.size = 0

    def __call__(self, frame: Frame) -> None:
        # Not through sys.stdout: a thread that hangs in a full pipe would keep its lock, and us from ending.
        left = memoryview(f"{encode(frame)}\n".encode(errors="replace"))
        self.size += len(left)
        while left:
            left = left[os.write(self._descriptor, left) :]


class Warnings:
    """A sink that says warnings and errors on stderr as they come."""

    def __call__(self, frame: Frame) -> None:
        if isinstance(frame, Note) and frame.level in ("warning", "error"):
            say(f"{frame.text}: {frame.next_step}" if frame.next_step else frame.text)


def say(text: str) -> None:
    """One line of narration. Nobody may be listening: that ends nothing."""
    with suppress(OSError):
        # The line may stand where a progress line is: clear what is left of that.
        print(f"\r\x1b[K{clean(text)}" if sys.stderr.isatty() else clean(text), file=sys.stderr, flush=True)


def write_json(document: Mapping[str, Any]) -> None:
    """One document on stdout."""
    json.dump(document, sys.stdout, indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")


def write_report(
    document: Mapping[str, Any], args: argparse.Namespace, stream: TextIO | None = None, reading: bool = False
) -> None:
    """The text report, as `stream` (stdout) can show it. `reading`: of one reading."""
    from acceltop.profiler.cli.report_text import render

    stream = stream or sys.stdout
    text = render(document, width(stream), in_colour(args, stream), not speaks_unicode(stream), reading)
    stream.write(text if text.endswith("\n") else f"{text}\n")


def in_colour(args: argparse.Namespace, stream: TextIO) -> bool:
    """On a terminal, unless the user or the terminal says no."""
    return (
        args.color != "never"
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM", "dumb") != "dumb"
        and stream.isatty()
    )


def width(stream: TextIO) -> int:
    """Columns of the terminal, PIPED_COLUMNS where there is none."""
    return shutil.get_terminal_size((PIPED_COLUMNS, 24)).columns if stream.isatty() else PIPED_COLUMNS


def speaks_unicode(stream: TextIO) -> bool:
    """Its encoding can hold bars and arrows."""
    return (stream.encoding or "").lower().replace("-", "") == "utf8"
