"""What the kernel tells of the host as a whole: its memory, and the time of its processors."""

from __future__ import annotations

import re
from pathlib import Path

from acceltop.collectors.kernel_files import contents

_PROC = Path("/proc")
_NEEDED = {"MemTotal", "MemAvailable", "SwapTotal", "SwapFree"}
_LINE = re.compile(f"^({'|'.join(_NEEDED)}): *(\\d+)".encode(), re.MULTILINE)
_IDLE, _GUEST = slice(3, 5), 9  # words of /proc/stat: idle and iowait; from here on they are in the others, too


def meminfo(proc: Path = _PROC) -> dict[str, int]:
    """Bytes of what is needed, by the names of /proc/meminfo; empty where it can't be read."""
    lines = _LINE.findall(contents(f"{proc}/meminfo"))  # of the whole file most is of no use
    return {name.decode(): int(kib) * 1024 for name, kib in lines}


def memory(proc: Path = _PROC) -> dict[str, float]:
    """The metrics system.memory.* and system.paging.*, as far as they can be told."""
    known = meminfo(proc)
    if not known.keys() >= _NEEDED:
        return {}
    return {
        "system.memory.usage": float(known["MemTotal"] - known["MemAvailable"]),
        "system.memory.limit": float(known["MemTotal"]),
        "system.paging.usage": float(known["SwapTotal"] - known["SwapFree"]),
    }


def cpu_ticks(proc: Path = _PROC) -> tuple[float, float]:
    """(busy, all) ticks of all cores since the start; zeros where they can't be read."""
    line, _, _ = contents(f"{proc}/stat").partition(b"\n")
    ticks = [float(word) for word in line.split()[1:_GUEST]]
    return sum(ticks) - sum(ticks[_IDLE]), sum(ticks)
