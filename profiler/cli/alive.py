"""Is a process still there, and how did it end: read from /proc, so for processes that are nobody's child of ours."""

from __future__ import annotations

from acceltop.profiler.attach import proc


class Watched:
    """One process, told from a later one that got the same number."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.exit_code: int | None = None
        stat = proc.stat_or_none(pid)
        self._start = stat.start_ticks if stat else None

    def ended(self) -> bool:
        """It is gone or a zombie. `exit_code` is known where the kernel still tells it: negative for a signal."""
        stat = proc.stat_or_none(self.pid)
        if stat is None or stat.start_ticks != self._start:
            return True
        if stat.state not in "ZX":
            return False
        self.exit_code = proc.exit_code(self.pid, stat)
        return True
