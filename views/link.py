"""What the screens may ask of whatever feeds them. Every call returns at once: nothing here may wait for a driver."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Tell = Callable[[str, Literal["information", "error"]], object]


@dataclass(frozen=True)
class Recording:
    """A trace that is being written."""

    path: str
    since_ns: int
    size_bytes: int


class Link(Protocol):
    """A live session, a recording or another machine."""

    interval_s: float
    recorded: bool
    """The timeline holds a recording: its end is not now."""
    can_steer: bool
    """It can record, and attach to processes; else nobody asks it to."""

    @property
    def busy(self) -> str:
        """What keeps it from having anything yet; empty: nothing does."""

    @property
    def recording(self) -> Recording | None: ...

    @property
    def dropped(self) -> int:
        """Frames lost to back-pressure since the start."""

    def look(self, t0_ns: int, t1_ns: int, stacks: bool) -> None:
        """The screens look at this range now, and whether at stacks: a recording loads the range in detail, a live
        session takes stacks more often."""

    def record(self, tell: Tell) -> None:
        """Starts recording what is on the screen, or ends it. `tell` gets what became of it, on another thread."""

    def attach(self, pids: Sequence[int]) -> None:
        """Enters these processes instead of the present ones; none: detaches."""

    def close(self) -> None:
        """The screen is gone. Must return at once."""


class Recorded:
    """The link of a recording: there is nothing to steer."""

    interval_s = 1.0
    busy = ""
    recorded = True
    can_steer = False
    recording: Recording | None = None

    @property
    def dropped(self) -> int:
        return 0

    def look(self, t0_ns: int, t1_ns: int, stacks: bool) -> None:
        pass

    def record(self, tell: Tell) -> None:
        pass

    def attach(self, pids: Sequence[int]) -> None:
        pass

    def close(self) -> None:
        pass
