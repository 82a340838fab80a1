"""Several machines at once: their names, and how their devices and processes are told apart."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from acceltop.profiler.errors import UsageError
from acceltop.profiler.model import (
    DeviceFound,
    Frame,
    KernelRow,
    KernelWindow,
    Note,
    ProcessFound,
    Sample,
)
from acceltop.profiler.text import clean

MAX_HOSTS = 256
PIDS_A_HOST = 10_000_000  # Linux has less than half of that; process 4711 of the second host is 20004711
_RANGE = re.compile(r"\[([0-9,-]+)\]")


def expand(text: str) -> tuple[str, ...]:
    """`a,node[01-16,20]` → each host once, in order. Raises UsageError."""
    hosts = tuple(dict.fromkeys(host for word in _words(text) for host in _ranges(word)))
    return _bounded(hosts)


def from_file(path: str) -> tuple[str, ...]:
    """One a line, or as in `expand`; `#` begins a comment. Raises UsageError."""
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read(1 << 20).splitlines()
    except (OSError, ValueError) as error:
        raise UsageError(f"can't read hosts from {clean(path, 80)} ({error})", "one host a line") from None
    words = (line.partition("#")[0].strip() for line in lines)
    return _bounded(tuple(dict.fromkeys(host for word in words if word for host in expand(word))))


def renamer(index: int, label: str) -> Callable[[Frame], Frame]:
    """Makes what a Frame of the host number `index` (from 0) names unique among all hosts."""

    def renamed(frame: Frame) -> Frame:
        changes: dict[str, Any] = {}
        for field, rename in (("device", device), ("same_as", device), ("pci", device), ("pid", pid), ("parent", pid)):
            value = getattr(frame, field, None)
            if value is not None:
                changes[field] = rename(value)
        return _told(replace(frame, **changes) if changes else frame)

    def device(name: str) -> str:
        return f"{label}/{name}"

    def pid(number: int) -> int:
        return joint_pid(index, number)

    def row(one: KernelRow) -> KernelRow:
        return one if one.device is None else replace(one, device=device(one.device))

    def _told(frame: Frame) -> Frame:
        if isinstance(frame, DeviceFound):
            return replace(frame, attributes={**frame.attributes, "host": label})
        if isinstance(frame, ProcessFound):
            return replace(frame, command=f"[{label}] {frame.command}")
        if isinstance(frame, KernelWindow):
            return replace(frame, rows=tuple(map(row, frame.rows)))
        if isinstance(frame, Note):
            return replace(frame, text=f"{label}: {frame.text}")
        if isinstance(frame, Sample) and frame.device is None and frame.pid is None:
            return replace(frame, device=device("cpu"))  # of a host: there are several
        return frame

    return renamed


def by_host(command: str) -> tuple[list[str], list[str]]:
    """`[node1] python train.py`, as `renamer` makes it, as what stands before the command, and its words."""
    words = command.split(" ")
    before = 1 if command.startswith("[") and len(words) > 1 else 0
    return words[:before], words[before:]


def script_name(command: str) -> str:
    """What people call a process: the script or the module of a Python command, else its program."""
    words = [word for word in by_host(command)[1] if word]
    for word in words[1:]:
        if word.endswith(".py"):
            return word.rsplit("/", 1)[-1]
    if "-m" in words[:-1]:
        return words[words.index("-m") + 1]
    return words[0].rsplit("/", 1)[-1] if words else "?"


def joint_pid(index: int, pid: int) -> int:
    """The number of a process among those of all hosts."""
    return (index + 1) * PIDS_A_HOST + pid


def own_pid(joint: int) -> int:
    """As its own host numbers it; of this machine's processes the same."""
    return joint % PIDS_A_HOST


def pids_of(index: int, joint: Sequence[int]) -> tuple[int, ...]:
    """Those of one host, as that host numbers them."""
    return tuple(own_pid(pid) for pid in joint if pid // PIDS_A_HOST == index + 1)


def _words(text: str) -> list[str]:
    """At commas outside of brackets."""
    words = re.split(r",(?![^\[]*\])", text)
    return [word.strip() for word in words if word.strip()]


def _ranges(word: str) -> Iterator[str]:
    match = _RANGE.search(word)
    if match is None or word.startswith("["):  # an IPv6 address stands in brackets, too
        yield word
        return
    for part in match[1].split(","):
        for number in _numbers(part, word):
            yield from _ranges(f"{word[: match.start()]}{number}{word[match.end() :]}")


def _numbers(part: str, word: str) -> list[str]:
    first, dash, last = part.partition("-")
    last = last if dash else first
    if not (first.isdigit() and last.isdigit()) or len(last) > 6 or int(last) < int(first):
        raise UsageError(f"{clean(word, 60)!r} is no list of hosts", "node[01-16] or node[1,3,5-7]")
    if int(last) - int(first) >= MAX_HOSTS:
        raise _too_many()
    return [str(number).zfill(len(first)) for number in range(int(first), int(last) + 1)]


def _bounded(hosts: tuple[str, ...]) -> tuple[str, ...]:
    if not hosts:
        raise UsageError("no host is named", "acceltop ssh USER@HOST")
    if len(hosts) > MAX_HOSTS:
        raise _too_many()
    return hosts


def _too_many() -> UsageError:
    return UsageError(f"more than {MAX_HOSTS} hosts", "watch a part of them")
