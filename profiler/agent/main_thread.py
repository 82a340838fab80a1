"""Places in the target at which a call of ours may run: the main thread between two bytecodes, or the end of a step.

torch's profiler must be opened and closed by the very thread that trains. Closing it from another one frees what that
thread may be using at that moment, and crashes the job within some hundred windows.
"""

from __future__ import annotations

import _thread
import ctypes
import time
from collections import deque
from typing import Any, Callable, Deque

AGAIN_S = 0.001  # after "not now"


class Errand:
    """A call that is to run once; it answers False for "not now". Whoever takes `claim` may run or cancel it."""

    def __init__(self, call: Callable[[], bool]) -> None:
        self.call = call
        self.claim = [True]  # list.pop is atomic
        self.again = False
        self._over = _thread.allocate_lock()
        self._over.acquire()

    def run(self) -> None:
        """Nothing that goes wrong here may reach the user's code."""
        try:
            self.again = not self.call()
        except Exception:
            return  # it will not go better a second time; its caller sees what it left
        finally:
            self._over.release()

    def wait(self, timeout_s: float) -> bool:
        """Asleep, since each look would take the interpreter from the job. False: taken back."""
        if not self._over.acquire(timeout=max(0.0, timeout_s)):
            try:
                self.claim.pop()
                return False
            except IndexError:
                self._over.acquire()  # it begins just now
        return True


def serve(errands: Deque[Errand]) -> None:
    """In the thread that they are for."""
    while errands:
        try:
            errand = errands.popleft()
            errand.claim.pop()
        except IndexError:
            continue  # taken back meanwhile
        errand.run()


class StepEnd:
    """The end of an optimizer's step: `visit` is called there, in the thread that trains."""

    def __init__(self) -> None:
        self._errands: Deque[Errand] = deque()

    def visit(self) -> None:
        if self._errands:
            serve(self._errands)

    def run(self, call: Callable[[], bool], timeout_s: float) -> bool:
        """On the agent's thread: whether the call ran, and did not answer "not now", within the time."""
        end = time.monotonic() + timeout_s
        while True:
            errand = Errand(call)
            self._errands.append(errand)
            self._knock(end)
            if not errand.wait(end - time.monotonic()):
                return False
            if not errand.again:
                return True
            if time.monotonic() > end:
                return False
            time.sleep(AGAIN_S)

    def _knock(self, end: float) -> None:
        """Nothing to do: the next step's end comes by itself."""

    def dismiss(self) -> None:
        self._errands.clear()


class MainThread(StepEnd):
    """The main thread at its next safe point, as CPython's own pending calls do it."""

    def __init__(self) -> None:
        super().__init__()
        errands = self._errands

        def run(_: Any) -> int:
            serve(errands)
            return 0

        self._pointer = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(run)
        # CPython keeps no reference and may call it after we left, so one of ours stays: some hundred bytes.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._pointer))

    def _knock(self, end: float) -> None:
        while ctypes.pythonapi.Py_AddPendingCall(self._pointer, None) != 0 and time.monotonic() < end:
            time.sleep(AGAIN_S)  # its queue of 32 is full
