"""Annotations of the job (`record_function`) that last longer than the session in which they began.

An end writes to where its beginning was recorded, if any session is open then. Where that was an earlier one, the
place has been freed and the job's heap is damaged: a wait for data that begins in one window and ends in another does
that. So an end that comes in a later session waits until that one is closed: torch takes no notice of it then.
"""

from __future__ import annotations

import functools
from typing import Any, Callable, Dict, List

from acceltop.profiler.agent.patch import Swaps


class Annotations:
    """To be told of each session, ours or the job's own; `is_open`: whether there is one."""

    def __init__(self, torch: Any, is_open: Callable[[], bool]) -> None:
        self._is_open = is_open
        self._sessions = 0
        self._began: Dict[int, int] = {}  # id of one that lasts: how many sessions there had been
        self._late: List[Callable[[], Any]] = []
        self._swaps = Swaps()
        self._swaps.swap(torch.autograd.profiler.record_function, "__enter__", self._entering)
        self._swaps.swap(torch.autograd.profiler.record_function, "__exit__", self._exiting)

    def session_begins(self) -> None:
        self._sessions += 1

    def session_ended(self) -> None:
        while self._late:
            self._late.pop()()

    def leave(self) -> None:
        self._swaps.undo()

    def _entering(self, original: Any) -> Any:
        @functools.wraps(original)
        def enter(which: Any) -> Any:
            self._began[id(which)] = self._sessions
            return original(which)

        return enter

    def _exiting(self, original: Any) -> Any:
        @functools.wraps(original)
        def leave(which: Any, *raised: Any) -> Any:
            of_this_session = self._began.pop(id(which), None) == self._sessions
            if of_this_session or not self._is_open():
                return original(which, *raised)
            self._late.append(functools.partial(original, which, *raised))

        return leave
