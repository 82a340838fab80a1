"""Lines of the user's source around a place, where the file is at hand and still what the job runs."""

from __future__ import annotations

import os
import re
import stat
import threading
from dataclasses import dataclass

from acceltop.profiler.text import clean
from acceltop.views.scene import Scene

MAX_BYTES = 2_000_000
MAX_FILES = 32
MAX_WIDTH = 300
_PLACE = re.compile(r"(?P<path>/.+\.py):(?P<line>\d+)(?: |$)")


@dataclass(frozen=True)
class Source:
    """Lines with their numbers, `line` among them; without any, `problem` says why."""

    line: int = 0
    lines: tuple[tuple[int, str], ...] = ()
    problem: str = ""


class SourceFiles:
    """Reads on threads of its own, since a disk may hang; each file once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], list[str] | str] = {}
        self._reading: set[str] = set()

    def lines(self, path: str, since_ns: int) -> list[str] | str:
        """The lines, or in words why there are none. Files that changed after `since_ns` are not what runs."""
        known = self._known.get((path, since_ns))
        if known is not None:
            return known
        if path not in self._reading and len(self._known) + len(self._reading) < MAX_FILES:
            self._reading.add(path)
            threading.Thread(target=self._read, args=(path, since_ns), name="acceltop-source", daemon=True).start()
        return "reading it" if path in self._reading else "too many files were looked at"

    def _read(self, path: str, since_ns: int) -> None:
        self._known[path, since_ns] = read_lines(path, since_ns)
        self._reading.discard(path)


def read_lines(path: str, since_ns: int) -> list[str] | str:
    """Of a regular file that is as it was then; else why not."""
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_BYTES:
            return "it is no source file"
        if found.st_mtime_ns > since_ns:
            return "it has changed since the job began"
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(MAX_BYTES).splitlines()
    except OSError as error:
        return f"it can't be read here ({error.strerror})"


def source(scene: Scene, location: str | None, around: int) -> Source | None:
    """`around` lines before and behind the place; None where no place is known."""
    place = _PLACE.match(location or "")
    process = scene.process
    if not location or process is None:
        return None
    if list(scene.timeline.hosts) != [os.uname().nodename]:
        return Source(problem="its file is not here, but where it was measured")
    if place is None or process.found.container or process.found.start_ns is None:
        return Source(problem="its file is not known well enough to show it")
    files = scene.memo("source files", None, SourceFiles)
    found = files.lines(place["path"], process.found.start_ns)
    return Source(problem=found) if isinstance(found, str) else _around(found, int(place["line"]), around)


def _around(lines: list[str], line: int, around: int) -> Source:
    if not 1 <= line <= len(lines):
        return Source(problem="it has no such line")
    first = max(line - around, 1)
    shown = lines[first - 1 : line + around]
    return Source(line, tuple((at, clean(text.expandtabs(4), MAX_WIDTH)) for at, text in enumerate(shown, first)))
