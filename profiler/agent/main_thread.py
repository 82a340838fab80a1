"""Run a function in the target's main thread at its next safe point, as CPython's own pending calls do."""

from __future__ import annotations

import ctypes
import time
from typing import Any, Callable, List


def in_main_thread(call: Callable[[], Any], timeout_s: float) -> bool:
    """Whether it ran within `timeout_s`; after that it will do nothing any more. Never raises in the main thread."""
    state: List[str] = ["waiting"]

    def run(_: Any) -> int:
        if state[0] == "waiting":
            state[0] = "running"
            try:
                call()
                state[0] = "done"
            except Exception as error:
                state[0] = "failed: %s" % error
        return 0

    pointer = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(run)
    # CPython keeps no reference, and nothing tells when the main thread has left the callback: one of ours stays.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(pointer))
    if ctypes.pythonapi.Py_AddPendingCall(pointer, None) != 0:
        ctypes.pythonapi.Py_DecRef(ctypes.py_object(pointer))
        return False
    end = time.monotonic() + timeout_s
    while state[0] in ("waiting", "running"):
        if state[0] == "waiting" and time.monotonic() > end:
            state[0] = "given up"
            return False
        time.sleep(0.0005)
    return state[0] == "done"
