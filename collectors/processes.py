"""Processes that a source looks at: introduced once, and said farewell to; from /proc alone."""

from __future__ import annotations

from collections.abc import Iterable

from acceltop.collectors.lookout import found
from acceltop.profiler.attach import proc
from acceltop.profiler.attach.target import inspect
from acceltop.profiler.clock import now_ns
from acceltop.profiler.errors import TargetError
from acceltop.profiler.model import Frame, ProcessGone

_GONE_REMEMBERED = 4096


class Roster:
    """Tells of each process once that it is there, and once that it ended."""

    def __init__(self) -> None:
        self._there: dict[int, int] = {}  # when each began, in ticks: a number may be used again
        self._gone: dict[int, None] = {}  # in order, so that the oldest can be forgotten

    @property
    def present(self) -> tuple[int, ...]:
        """Those that were there at the last look."""
        return tuple(self._there)

    def meet(self, pids: Iterable[int]) -> list[Frame]:
        """ProcessFound for those that are new, ProcessGone for those that are not there."""
        return [frame for pid in pids if pid not in self._there for frame in self._meet(pid)]

    def ended(self) -> list[Frame]:
        """ProcessGone for those that ended since the last look."""
        ended = [(pid, why) for pid, start in self._there.items() if (why := _why_ended(pid, start))]
        return [frame for pid, why in ended for frame in self._end(pid, why)]

    def _meet(self, pid: int) -> list[Frame]:
        try:
            target, start_ticks = inspect(pid), proc.stat(pid).start_ticks
        except TargetError as error:
            return self._end(pid, error.cause)
        except OSError:
            return self._end(pid, "there is no such process")
        why = _why_ended(pid, start_ticks)
        if why:
            return self._end(pid, why)
        self._there[pid] = start_ticks
        self._gone.pop(pid, None)  # the number may have been used before
        return [found(target)]

    def _end(self, pid: int, reason: str) -> list[Frame]:
        self._there.pop(pid, None)
        if pid in self._gone:
            return []
        self._gone[pid] = None
        if len(self._gone) > _GONE_REMEMBERED:
            self._gone.pop(next(iter(self._gone)))
        return [ProcessGone(now_ns(), pid, reason=reason)]


def _why_ended(pid: int, start_ticks: int) -> str | None:
    """None while the one that began then is there."""
    try:
        stat = proc.stat(pid)
    except (OSError, IndexError):
        return "it ended"
    if stat.start_ticks != start_ticks:
        return "it ended"
    return "it ended; its parent has not collected it yet" if stat.state in "ZX" else None
