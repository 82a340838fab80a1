"""The contents of an MCAP trace."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import BinaryIO

from acceltop.profiler.trace import records, scan
from acceltop.profiler.trace.problems import Problems
from acceltop.profiler.trace.records import Damaged, Place

FOLLOW_S = 0.25
_REPAIR = "what is whole is shown; `acceltop repair` writes it to a new file"


class McapFile:
    """`file` begins as an MCAP file does. Damage goes to `problems`."""

    def __init__(self, file: BinaryIO, problems: Problems) -> None:
        self._file = file
        self._problems = problems
        self.size = _size(file)
        self._layout = scan.layout(file, self.size)
        self._report(self._layout)

    @property
    def whole(self) -> bool:
        """It was closed well."""
        return self._layout.whole

    @property
    def span(self) -> tuple[int, int] | None:
        return self._layout.chunks.span

    def payloads(self, t0_ns: int, t1_ns: int) -> Iterator[bytes]:
        """Messages of that time, in the order of the file."""
        for place in self._layout.chunks.within(t0_ns, t1_ns):
            yield from self._messages(place, t0_ns, t1_ns)

    def follow(self, stop: threading.Event, t0_ns: int) -> Iterator[bytes]:
        """All messages from t0 on, then those that are still being written, until it is closed or `stop` is set."""
        found, done = scan.Layout(), 0
        while True:
            scan.scanned(self._file, _size(self._file), found)
            for place in map(found.chunks.__getitem__, range(done, len(found.chunks))):
                if place.end_ns >= t0_ns:
                    yield from self._messages(place, max(t0_ns, 0), place.end_ns)
            done = len(found.chunks)
            if found.whole or stop.wait(FOLLOW_S):
                self._layout = found
                return

    def attachments(self, name: str, t0_ns: int = 0, t1_ns: int = 1 << 64) -> Iterator[bytes]:
        """Those that were written in that time, unpacked."""
        for attached in self._layout.attachments:
            if attached.name == name and t0_ns <= attached.time_ns <= t1_ns:
                try:
                    yield records.attachment(self._file, attached.offset, attached.length)
                except Damaged as error:
                    self._problems.add("trace.damaged", f"{name} at {attached.offset}: {error}", _REPAIR)

    def _messages(self, place: Place, t0_ns: int, t1_ns: int) -> Iterator[bytes]:
        try:
            for time_ns, data in records.messages(records.chunk(self._file, place)):
                if t0_ns <= time_ns <= t1_ns:
                    yield data
        except Damaged as error:
            text = f"{place.length} bytes at {place.offset} are damaged and left out: {error}"
            self._problems.add("trace.damaged", text, _REPAIR, min(place.end_ns, 1 << 62))

    def _report(self, layout: scan.Layout) -> None:
        for text in layout.damage:
            self._problems.add("trace.damaged", text, _REPAIR)
        if layout.whole:
            return
        rest = self.size - layout.end
        lost = f"; its last {rest} bytes are cut off in the middle" if rest else ""
        self._problems.add(
            "trace.cut", f"the trace was not closed: the recorder was killed, or it goes on{lost}", _REPAIR
        )


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size
