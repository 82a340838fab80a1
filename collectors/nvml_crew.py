"""Calls that may never come back: made on threads that can be left behind, so that whoever waits can give up."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection
from concurrent.futures import Future, wait
from typing import Generic, TypeVar

from acceltop.profiler.clock import monotonic

T = TypeVar("T")
_STALLED_S = 0.02  # nothing was finished for so long: somebody else goes on with the rest


class Crew(Generic[T]):
    """Does jobs one after another on one daemon thread; while that one hangs, on another.

    One thread, because many at once would only fight for the interpreter's lock. There are never more than jobs.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: deque[tuple[Future[T], Callable[[], T]]] = deque()
        self._changed = threading.Condition()
        self._idle = 0
        self._closed = False

    def ask(self, jobs: Collection[Callable[[], T]]) -> list[Future[T]]:
        """Puts `jobs` in line."""
        asked: list[tuple[Future[T], Callable[[], T]]] = [(Future(), job) for job in jobs]
        with self._changed:
            self._jobs.extend(asked)
            self._changed.notify()
        return [future for future, _ in asked]

    def settle(self, futures: Collection[Future[T]], timeout_s: float) -> None:
        """Waits up to `timeout_s` until all are done; sees to it that none waits behind one that hangs."""
        end = monotonic() + timeout_s
        left = set(futures)
        if not self._idle:
            self._add_thread()
        while left and (patience := min(_STALLED_S, end - monotonic())) > 0:
            before, left = left, set(wait(left, patience).not_done)
            if len(left) == len(before):
                self._add_thread()

    def close(self) -> None:
        """Ends the threads after their present job; doesn't wait for them."""
        with self._changed:
            self._closed = True
            self._jobs.clear()
            self._changed.notify_all()

    def _add_thread(self) -> None:
        with self._changed:
            if not self._jobs:  # all are in hands already
                return
        # Daemon: a thread that hangs in a driver must not keep the process alive.
        threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def _run(self) -> None:
        while (job := self._next()) is not None:
            future, work = job
            try:
                future.set_result(work())
            except BaseException as error:  # handed to the caller, who raises it
                future.set_exception(error)

    def _next(self) -> tuple[Future[T], Callable[[], T]] | None:
        with self._changed:
            if not self._jobs and self._idle:  # one that waits is enough
                return None
            self._idle += 1
            while not self._jobs and not self._closed:
                self._changed.wait()
            self._idle -= 1
            return self._jobs.popleft() if self._jobs else None
