"""What /proc says about a process. No library, no side effects; bounded, since the strings are not ours."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import NamedTuple

MAX_ARGUMENTS = 1 << 16  # bytes of a command line that are read
MAX_ENVIRON = 1 << 20
_PIECE = 1 << 14
_TICKS_A_S, _PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")


class Mapping(NamedTuple):
    """One line of /proc/PID/maps."""

    start: int
    end: int
    permissions: str
    offset: int
    inode: int
    path: str


class Stat(NamedTuple):
    """The fields of /proc/PID/stat that we use; `start_ticks` names a process where its PID alone may be reused."""

    state: str
    parent: int
    cpu_s: float  # it has used so far, without its children
    threads: int
    start_ticks: int
    rss_bytes: int
    wait_status: int  # of a zombie: how it ended


def read(pid: int, name: str, limit: int = MAX_ENVIRON) -> bytes:
    """The first `limit` bytes of /proc/PID/`name`. Raises OSError."""
    # In small pieces: room for all that it may be costs four times as much as reading what there is.
    file = os.open(f"/proc/{pid}/{name}", os.O_RDONLY | os.O_CLOEXEC)
    parts: list[bytes] = []
    try:
        while limit > 0 and (part := os.read(file, min(limit, _PIECE))):
            parts.append(part)
            limit -= len(part)
    finally:
        os.close(file)
    return b"".join(parts)


def read_or_empty(pid: int, name: str, limit: int = MAX_ENVIRON) -> bytes:
    """The same, where "may not be read" is an answer too."""
    try:
        return read(pid, name, limit)
    except OSError:
        return b""


def stat(pid: int) -> Stat:
    """Raises OSError if there is no such process."""
    # The name stands in brackets and may hold anything, brackets too.
    fields = read(pid, "stat").rpartition(b")")[2].split()
    cpu_s = (int(fields[11]) + int(fields[12])) / _TICKS_A_S
    numbers = map(int, (fields[1], fields[17], fields[19], fields[21], fields[49]))
    parent, threads, start_ticks, pages, wait_status = numbers
    return Stat(fields[0].decode(), parent, cpu_s, threads, start_ticks, pages * _PAGE, wait_status)


def stat_or_none(pid: int) -> Stat | None:
    """The same; None if there is no such process."""
    try:
        return stat(pid)
    except (OSError, IndexError):  # gone, or going while it was read
        return None


def lives(pid: int) -> bool:
    """Neither gone nor a zombie."""
    found = stat_or_none(pid)
    return found is not None and found.state not in "ZX"


def exit_code(pid: int, ended: Stat) -> int | None:
    """Of a zombie: negative for a signal. None where the kernel tells it to its user alone: others read a 0."""
    try:
        told = os.geteuid() in (0, os.stat(f"/proc/{pid}").st_uid)
    except OSError:
        return None
    return os.waitstatus_to_exitcode(ended.wait_status) if told else None


def age_s(pid: int) -> float:
    """Seconds since it began. Raises OSError if there is no such process."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - stat(pid).start_ticks / _TICKS_A_S


def namespace(pid: int) -> int:
    """The inode of its PID namespace; 0 where the process may not be looked into."""
    try:
        return os.stat(f"/proc/{pid}/ns/pid").st_ino
    except OSError:
        return 0


def status(pid: int) -> dict[str, str]:
    """/proc/PID/status as a dict. Raises OSError."""
    lines = read(pid, "status").decode(errors="replace").splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def maps(pid: int) -> Iterator[Mapping]:
    """Its mappings in the order of their addresses. Raises OSError."""
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            fields = line.rstrip("\n").split(maxsplit=5)
            start, _, end = fields[0].partition("-")
            path = fields[5] if len(fields) > 5 else ""
            yield Mapping(int(start, 16), int(end, 16), fields[1], int(fields[2], 16), int(fields[4]), path)


def arguments(pid: int) -> tuple[str, ...]:
    """Its command line as it is now, empty for a zombie."""
    raw = read_or_empty(pid, "cmdline", MAX_ARGUMENTS).rstrip(b"\0")
    return tuple(part.decode(errors="replace") for part in raw.split(b"\0")) if raw else ()


def environ(pid: int) -> dict[str, str]:
    """The environment it was started with, empty if it may not be read."""
    pairs = read_or_empty(pid, "environ").split(b"\0")
    return {
        key.decode(errors="replace"): value.decode(errors="replace")
        for key, found, value in (pair.partition(b"=") for pair in pairs)
        if found
    }


def link(pid: int, name: str) -> str | None:
    """Where the link /proc/PID/`name` points to, if that may be seen."""
    try:
        return os.readlink(f"/proc/{pid}/{name}")
    except OSError:
        return None


def pids() -> list[int]:
    """Every process that can be seen from here."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def boot_time_s() -> int:
    """When the kernel started, in seconds since the epoch."""
    with open("/proc/stat", encoding="ascii") as file:
        return next((int(line.split()[1]) for line in file if line.startswith("btime ")), 0)
