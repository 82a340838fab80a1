"""Reversible changes of the target: each is one atomic swap, undone only where it is still ours."""

from __future__ import annotations

import sys
import time
from typing import Any, Callable, List, Tuple


class Swaps:
    """Attributes that point to wrappers of ours, and how to point them back."""

    def __init__(self) -> None:
        self._done: List[Tuple[Any, str, Any, Any]] = []

    def swap(self, owner: Any, name: str, wrap: Callable[[Any], Any]) -> bool:
        """Replace `owner.name` by `wrap(original)`. False where there is no such attribute."""
        original = vars(owner).get(name)
        if original is None:
            return False
        wrapper = wrap(original)
        self._done.append((owner, name, original, wrapper))
        setattr(owner, name, wrapper)
        return True

    def undo(self) -> bool:
        """A wrapper that somebody has wrapped meanwhile stays, and passes every call through: then False."""
        clean = True
        while self._done:
            owner, name, original, wrapper = self._done.pop()
            if vars(owner).get(name) is wrapper:
                setattr(owner, name, original)
            else:
                clean = False
        return clean


def when_no_thread_is_in(code_name: str, file_name: str, action: Callable[[], None], timeout_s: float = 2.0) -> bool:
    """Do `action` at a moment when no thread is inside that function: the dict it iterates over may then be changed.

    No thread can come in between the look and the action, since none is given the interpreter meanwhile.
    """
    end = time.monotonic() + timeout_s
    while True:
        interval = sys.getswitchinterval()
        sys.setswitchinterval(60.0)
        try:
            if not _someone_is_in(code_name, file_name):
                action()
                return True
        finally:
            sys.setswitchinterval(interval)
        if time.monotonic() > end:
            return False
        time.sleep(0.001)


def _someone_is_in(code_name: str, file_name: str) -> bool:
    for frame in sys._current_frames().values():
        at: Any = frame
        while at is not None:
            if at.f_code.co_name == code_name and at.f_code.co_filename.endswith(file_name):
                return True
            at = at.f_back
    return False
