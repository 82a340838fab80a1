"""Folders of agents that were killed together with their process and with acceltop: nobody was left to remove them."""

from __future__ import annotations

import os
import re
import socket
import stat
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from acceltop.profiler.agent.server import SOCKET
from acceltop.profiler.attach import proc
from acceltop.profiler.attach.delivery import BASES

MIN_AGE_S = 60.0  # an agent that is about to listen has a folder and no socket
_NAME = re.compile(r"acceltop-([0-9]{1,10})-([0-9]{1,20})-[0-9]{1,20}")


def folder(nspid: int, start_ticks: int, namespace: int) -> str:
    """The name of an agent's folder; `nspid` is the process's number in its own PID namespace, which has an inode.

    Containers that share a /tmp can start the same number in the same tick.
    """
    return f"acceltop-{nspid}-{start_ticks}-{namespace}"


def sweep(bases: Iterable[str] = BASES) -> None:
    """Removes those of this user whose process has gone and whose socket nobody answers."""
    for base in bases:
        with suppress(OSError):
            for entry in list(Path(base).iterdir()):
                if _is_stale(entry):
                    _remove(entry)


def _remove(entry: Path) -> None:
    """What else may be in it stays, and it with that."""
    with suppress(OSError):
        (entry / SOCKET).unlink(missing_ok=True)
        entry.rmdir()


def _is_stale(entry: Path) -> bool:
    match = _NAME.fullmatch(entry.name)
    return match is not None and _is_ours(entry) and not _runs(int(match[1]), int(match[2])) and not _answers(entry)


def _is_ours(entry: Path) -> bool:
    """A folder that only this user can enter, and not a new one."""
    try:
        found = entry.lstat()
    except OSError:
        return False
    private = stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o700 and found.st_uid == os.geteuid()
    return private and time.time() - found.st_mtime > MIN_AGE_S


def _runs(pid: int, start_ticks: int) -> bool:
    stat = proc.stat_or_none(pid)
    return stat is not None and stat.start_ticks == start_ticks


def _answers(entry: Path) -> bool:
    """Also of a process in a container that shares this folder, whose number says nothing here."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(entry / SOCKET))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True  # busy, or whatever: not for certain gone
    return True
