"""Calls that may never come back: made on threads that can be left behind, so that whoever waits can give up."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection
from typing import Generic, TypeVar

from acceltop.profiler.clock import monotonic

T = TypeVar("T")
_STALLED_S = 0.02  # nothing was finished for so long: somebody else goes on with the rest


class Job(Generic[T]):
    """A call, and what came of it once it is done. A Future of the standard library costs as much as a call to NVML."""

    __slots__ = ("done", "_work", "_value", "_error")

    def __init__(self, work: Callable[[], T]) -> None:
        self.done = False
        self._work = work
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._value = self._work()
        except BaseException as error:  # handed to the caller, who raises it
            self._error = error
        self.done = True

    def result(self) -> T:
        """Of one that is done. Raises what the call raised."""
        if self._error is not None:
            raise self._error
        return self._value


class Crew(Generic[T]):
    """Does jobs one after another on one daemon thread; while that one hangs, on another.

    One thread, because many at once would only fight for the interpreter's lock. There are never more than jobs.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._waiting: deque[Job[T]] = deque()
        lock = threading.RLock()
        self._asked, self._through = threading.Condition(lock), threading.Condition(lock)
        self._idle = 0
        self._closed = False

    def ask(self, works: Collection[Callable[[], T]]) -> list[Job[T]]:
        """Puts them in line."""
        jobs = [Job(work) for work in works]
        with self._asked:
            self._waiting.extend(jobs)
            self._asked.notify()
        return jobs

    def settle(self, jobs: Collection[Job[T]], timeout_s: float) -> None:
        """Waits up to `timeout_s` until all are done; sees to it that none waits behind one that hangs."""
        end = monotonic() + timeout_s
        with self._through:
            if not self._idle:
                self._add_thread()
            while (left := _undone(jobs)) and (patience := min(_STALLED_S, end - monotonic())) > 0:
                self._through.wait(patience)
                if _undone(left) == left:
                    self._add_thread()

    def close(self) -> None:
        """Ends the threads after their present job; doesn't wait for them."""
        with self._asked:
            self._closed = True
            self._waiting.clear()
            self._asked.notify_all()

    def _add_thread(self) -> None:
        if self._waiting:  # else all are in hands already
            # Daemon: a thread that hangs in a driver must not keep the process alive.
            threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def _run(self) -> None:
        while (job := self._next()) is not None:
            job.run()

    def _next(self) -> Job[T] | None:
        with self._asked:
            if not self._waiting:
                self._through.notify_all()
                if self._idle:  # one that waits is enough
                    return None
            self._idle += 1
            while not self._waiting and not self._closed:
                self._asked.wait()
            self._idle -= 1
            return self._waiting.popleft() if self._waiting else None


def _undone(jobs: Collection[Job[T]]) -> list[Job[T]]:
    return [job for job in jobs if not job.done]
