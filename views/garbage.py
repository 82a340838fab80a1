"""Python's search for garbage, kept away from what stays: a recorded day held up all threads for 0.15 s and more."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

APART = 10_000
"""Objects made between two searches; Python's 700 are made each second by a table of kernels."""
OLDER = 3
"""Searches until what has survived them is searched too. With Python's 10 that is hardly ever, and each change of
screens leaves lines of Textual's behind that only a search finds: 0.3 MB a minute while they are gone through."""


@contextmanager
def staying() -> Iterator[None]:
    """What is made within is never searched, neither meanwhile nor later."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()
        gc.set_threshold(APART, OLDER, OLDER)
