"""What of the machine this system may use: cores by affinity and cgroup, memory by cgroup (version 1 and 2)."""

from __future__ import annotations

import os
from pathlib import Path

_NO_LIMIT = 1 << 60  # version 1 writes "none" as a huge number


def usable_cores() -> int:
    """Logical cores that the scheduler may give us."""
    return len(os.sched_getaffinity(0))


def cgroup_cores(root: Path, proc: Path) -> float | None:
    """CPU time a second that the tightest of our cgroups allows, in cores. `root` is /sys/fs/cgroup."""
    limits = [_quota(*_words(folder / "cpu.max")) for folder in _folders(root, proc)]
    limits.append(_quota(*_words(root / "cpu/cpu.cfs_quota_us"), *_words(root / "cpu/cpu.cfs_period_us")))
    return min((limit for limit in limits if limit is not None), default=None)


def cgroup_memory(root: Path, proc: Path) -> int | None:
    """Bytes that the tightest of our cgroups allows."""
    files = [folder / "memory.max" for folder in _folders(root, proc)]
    words = [word for file in (*files, root / "memory/memory.limit_in_bytes") for word in _words(file)]
    return min((int(word) for word in words if word.isdecimal() and int(word) < _NO_LIMIT), default=None)


def _folders(root: Path, proc: Path) -> list[Path]:
    """Our cgroup of version 2 and those around it, as far as they can be seen from here."""
    lines = _read(proc / "self/cgroup").splitlines()
    own = next((line[3:] for line in lines if line.startswith("0::")), "/")
    folder = root / own.strip("/")
    return [folder, *(parent for parent in folder.parents if parent.is_relative_to(root))]


def _quota(*words: str) -> float | None:
    if len(words) != 2 or not all(word.isdecimal() for word in words) or words[1] == "0":
        return None  # "max", or -1
    return int(words[0]) / int(words[1])


def _words(file: Path) -> list[str]:
    return _read(file).split()


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
