"""The contract of a source of Frames: one small class a file in `collectors/`, named in the entry-point table.

A source is opened, polled and closed on a thread of its own, so it may block; the session watches its deadline
(`Source.deadline_s`) and says so on the screen when a poll is late. It never raises for one device or one field
that fails: it leaves that out and says it in a Note.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from acceltop.profiler.model import Frame


@dataclass(frozen=True)
class SourceContext:
    """What a source is told. Sources that look at processes look at `pids` only (empty: devices only)."""

    interval_s: float = 1.0
    pids: tuple[int, ...] = ()
    budget: float = 0.01  # how much slower the target may get
    inject: bool = True  # False: never enter the target
    method: str = "auto"  # auto | ptrace | gdb | remote-exec
    stop: threading.Event = field(default_factory=threading.Event)  # set: return soon from open or poll
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
