"""Memory on the other machine: our code is compiled there at each start, which takes more than running it."""

from __future__ import annotations

import ctypes
from contextlib import suppress

_M_ARENA_MAX = -8  # of mallopt(3)
_EVERY_TICKS = 60
_FIRST_TICK = 3  # every source is loaded by then


class Thrift:
    """A tick of a session. Made before its threads are, so that they share one heap, which can be given back."""

    def __init__(self) -> None:
        self._ticks = 0
        self._libc = ctypes.CDLL(None)
        with suppress(AttributeError):  # musl has no such heaps
            self._libc.mallopt(_M_ARENA_MAX, 1)

    def __call__(self) -> None:
        """From time to time what is free goes back to the system."""
        self._ticks += 1
        if self._ticks % _EVERY_TICKS == _FIRST_TICK:
            with suppress(AttributeError):
                self._libc.malloc_trim(0)
