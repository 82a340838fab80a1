"""The contract of a source of Frames: one small class a file in `collectors/`, named in the entry-point table.

A source is opened, polled and closed on a thread of its own, so it may block; the session watches its deadline
(`Source.deadline_s`) and says so on the screen when a poll is late. It never raises for one device or one field
that fails: it leaves that out and says it in a Note.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from acceltop.profiler.model import Frame


class Stop(threading.Event):
    """An Event for `select`, too: readable once it is set."""

    def __init__(self) -> None:
        super().__init__()
        self._pipe: tuple[int, int] | None = None

    def fileno(self) -> int:
        """The pipe is made when it is first asked for."""
        if self._pipe is None:
            self._pipe = os.pipe()
            if self.is_set():
                self._tell()
        return self._pipe[0]

    def set(self) -> None:
        super().set()
        self._tell()

    def _tell(self) -> None:
        if self._pipe is not None:
            os.write(self._pipe[1], b"\0")

    def __del__(self) -> None:
        for end in self._pipe or ():
            os.close(end)


@dataclass(frozen=True)
class SourceContext:
    """What a source is told. Sources that look at processes look at `pids` only (empty: devices only)."""

    interval_s: float = 1.0
    pids: tuple[int, ...] = ()
    budget: float = 0.01  # how much slower the target may get
    inject: bool = True  # False: never enter the target
    method: str = "auto"  # auto | ptrace | gdb | remote-exec
    stop: Stop = field(default_factory=Stop)  # set: return soon from open or poll
    stacks_seen: threading.Event | None = None  # set while somebody looks at stacks; None: nobody can
    options: Mapping[str, str] = field(default_factory=dict)  # per source, for tests: root folders, library paths


class Source(Protocol):
    """`name` is the entry point's name."""

    name: str
    deadline_s: float

    def open(self, context: SourceContext) -> Iterable[Frame]:
        """Find what there is. Raises Unavailable when there is nothing to read here."""

    def poll(self) -> Iterable[Frame] | None:
        """One reading; called every `interval_s`. None: there is nothing to read, and the source is closed."""

    def close(self) -> None:
        """Leave everything as it was found. Called once, also after a failed open or a late poll."""
