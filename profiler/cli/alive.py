"""Is a process still there, and how did it end: read from /proc, so for processes that are nobody's child of ours."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

_STATE, _START, _EXIT_CODE = 0, 19, 49  # in the fields of /proc/PID/stat behind the name


def stat_fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on; empty when there is no such process."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    return []


class Watched:
    """One process, told from a later one that got the same number."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.exit_code: int | None = None
        fields = stat_fields(pid)
        self._start = fields[_START] if fields else ""

    def ended(self) -> bool:
        """It is gone or a zombie. `exit_code` is known where the kernel still tells it: negative for a signal."""
        fields = stat_fields(self.pid)
        if not fields or fields[_START] != self._start:
            return True
        if fields[_STATE] not in "ZX":
            return False
        self.exit_code = _decoded(int(fields[_EXIT_CODE])) if len(fields) > _EXIT_CODE else None
        return True


def _decoded(status: int) -> int:
    """The wait status of the kernel as Python's subprocess writes it."""
    return -(status & 0x7F) if status & 0x7F else status >> 8
