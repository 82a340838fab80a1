"""Waiting for something to become true, instead of sleeping and hoping."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import TypeVar

T = TypeVar("T")


def wait_for(condition: Callable[[], T], timeout_s: float = 30.0, what: str = "", every_s: float = 0.02) -> T:
    """The first truthy value of `condition`; fails the test after `timeout_s`."""
    end = monotonic() + timeout_s
    pause = threading.Event()
    while not (value := condition()):
        assert monotonic() < end, f"not within {timeout_s} s: {what or condition}"
        pause.wait(every_s)
    return value


def settled(read: Callable[[], T], still_s: float = 1.0) -> T:
    """What `read` gives once it has given the same for that long."""
    value, since = read(), monotonic()
    while monotonic() < since + still_s:
        threading.Event().wait(0.05)
        if (now := read()) != value:
            value, since = now, monotonic()
    return value
