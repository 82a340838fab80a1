"""Calls that may never come back, each on a thread of its own, so that whoever waits can give up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


class Lane(Generic[T]):
    """Runs `work` on a daemon thread, never twice at once. Used by one caller."""

    def __init__(self, name: str, work: Callable[[], T]) -> None:
        self._work = work
        self._requests: SimpleQueue[Future[T] | None] = SimpleQueue()  # one at most, and the end
        self._pending: Future[T] | None = None
        # Daemon: a thread that hangs in a driver must not keep the process alive.
        threading.Thread(target=self._run, name=name, daemon=True).start()

    @property
    def busy(self) -> bool:
        """The work was asked for and is not done."""
        return self._pending is not None and not self._pending.done()

    def ask(self) -> bool:
        """Starts the work, unless it is still under way or its result was not taken (then False)."""
        if self._pending is not None:
            return False
        self._pending = Future()
        self._requests.put(self._pending)
        return True

    def settle(self, timeout_s: float) -> bool:
        """Waits up to `timeout_s` for the work; True: there is a result to take."""
        pending = self._pending
        return pending is not None and (pending.done() or bool(wait((pending,), max(timeout_s, 0.0)).done))

    def take(self, timeout_s: float) -> T | None:
        """The result, once; None when it is not there within `timeout_s`. Raises what the work raised."""
        pending = self._pending
        if pending is None or not self.settle(timeout_s):
            return None
        self._pending = None
        return pending.result()

    def close(self) -> None:
        """Ends the thread after the present work; doesn't wait for it."""
        self._requests.put(None)

    def _run(self) -> None:
        while (future := self._requests.get()) is not None:
            try:
                future.set_result(self._work())
            except BaseException as error:  # handed to the caller, who raises it
                future.set_exception(error)
