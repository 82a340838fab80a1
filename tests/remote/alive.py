"""Whether a process has ended, of which nobody here is the parent."""

from __future__ import annotations

from pathlib import Path


def ended(pid: int) -> bool:
    """Gone, or a zombie that the machine's init has yet to collect."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True
