"""Is a process still there, and how did it end: of any process, a child of ours or not."""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from fcntl import ioctl
from weakref import finalize

from acceltop.profiler.attach import proc

_GET_INFO = 0xC040FF0B  # PIDFD_GET_INFO
_EXIT = 1 << 3  # PIDFD_INFO_EXIT, since Linux 6.15
_INFO = struct.Struct("Q52xi")  # of `struct pidfd_info`: what is asked for, or told; the wait status


class Life:
    """One process, told from a later one that got the same number.

    `exit_code` is negative for a signal, None where nobody tells. A handle costs a file descriptor; with it Linux tells
    the code of those, too, that their parent has collected.
    """

    def __init__(self, pid: int, handle: bool = True) -> None:
        self.pid = pid
        self.exit_code: int | None = None
        self.collected = False
        self._handle = _handle(self) if handle else None
        stat = proc.stat_or_none(pid)
        self._start = stat.start_ticks if stat else None

    def ended(self) -> bool:
        """It is gone or a zombie."""
        stat = proc.stat_or_none(self.pid)
        if stat is None or stat.start_ticks != self._start:
            self.collected, self.exit_code = True, _told(self._handle)
            return True
        if stat.state not in "ZX":
            return False
        self.exit_code = proc.exit_code(self.pid, stat)
        return True


def _handle(life: Life) -> int | None:
    with suppress(OSError, AttributeError):  # before Linux 5.3, or a Python that was built there
        handle = os.pidfd_open(life.pid)
        finalize(life, os.close, handle)
        return handle
    return None


def _told(handle: int | None) -> int | None:
    info = bytearray(_INFO.pack(_EXIT, 0))
    if handle is not None:
        with suppress(OSError):
            ioctl(handle, _GET_INFO, info)
            mask, wait_status = _INFO.unpack(info)
            return os.waitstatus_to_exitcode(wait_status) if mask & _EXIT else None
    return None
