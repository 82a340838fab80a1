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
        ended = [gone for pid, start in self._there.items() if (gone := _gone(pid, start))]
        return [frame for gone in ended for frame in self._end(gone)]

    def _meet(self, pid: int) -> list[Frame]:
        try:
            target, start_ticks = inspect(pid), proc.stat(pid).start_ticks
        except TargetError as error:
            return self._end(ProcessGone(now_ns(), pid, reason=error.cause))
        except OSError:
            return self._end(ProcessGone(now_ns(), pid, reason="there is no such process"))
        gone = _gone(pid, start_ticks)
        if gone:
            return self._end(gone)
        self._there[pid] = start_ticks
        self._gone.pop(pid, None)  # the number may have been used before
        return [found(target)]

    def _end(self, gone: ProcessGone) -> list[Frame]:
        self._there.pop(gone.pid, None)
        if gone.pid in self._gone:
            return []
        self._gone[gone.pid] = None
        if len(self._gone) > _GONE_REMEMBERED:
            self._gone.pop(next(iter(self._gone)))
        return [gone]


def _gone(pid: int, start_ticks: int) -> ProcessGone | None:
    """None while the one that began then is there."""
    stat = proc.stat_or_none(pid)
    if stat is None or stat.start_ticks != start_ticks:
        return ProcessGone(now_ns(), pid, reason="it ended")
    if stat.state not in "ZX":
        return None
    return ProcessGone(now_ns(), pid, proc.exit_code(pid, stat), "it ended; its parent has not collected it yet")
