"""The memory of the host, as the kernel tells it."""

from __future__ import annotations

from pathlib import Path


def meminfo(proc: Path = Path("/proc")) -> dict[str, int]:
    """Bytes, by the names of /proc/meminfo."""
    lines = (proc / "meminfo").read_text().splitlines()
    return {name: int(value.split()[0]) * 1024 for name, _, value in (line.partition(":") for line in lines)}
