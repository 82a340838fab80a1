"""Processes that a source looks at: introduced once, and said farewell to; from /proc alone."""

from __future__ import annotations

from collections.abc import Iterable

from acceltop.collectors.lookout import found
from acceltop.profiler.attach.life import Life
from acceltop.profiler.attach.target import inspect
from acceltop.profiler.clock import now_ns
from acceltop.profiler.errors import TargetError
from acceltop.profiler.model import Frame, ProcessGone

_GONE_REMEMBERED = 4096


class Roster:
    """Tells of each process once that it is there, and once that it ended."""

    def __init__(self) -> None:
        self._there: dict[int, Life] = {}
        self._gone: dict[int, None] = {}  # in order, so that the oldest can be forgotten

    @property
    def present(self) -> tuple[int, ...]:
        """Those that were there at the last look."""
        return tuple(self._there)

    def meet(self, pids: Iterable[int], closely: bool = False) -> list[Frame]:
        """ProcessFound for those that are new, ProcessGone for those that are not there.

        How one ends that was not met closely is known only while its parent has yet to collect it.
        """
        return [frame for pid in pids if pid not in self._there for frame in self._meet(pid, closely)]

    def ended(self) -> list[Frame]:
        """ProcessGone for those that ended since the last look."""
        ended = [life for life in self._there.values() if life.ended()]
        return [frame for life in ended for frame in self._end(_gone(life))]

    def _meet(self, pid: int, closely: bool) -> list[Frame]:
        life = Life(pid, closely)
        try:
            target = inspect(pid)
        except TargetError as error:
            return self._end(ProcessGone(now_ns(), pid, reason=error.cause))
        if life.ended():
            return self._end(_gone(life))
        self._there[pid] = life
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


def _gone(life: Life) -> ProcessGone:
    reason = None if life.collected else "it ended; its parent has not collected it yet"
    return ProcessGone(now_ns(), life.pid, life.exit_code, reason)
