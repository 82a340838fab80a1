"""Where recordings lie on the machine that they are made on: a private folder each, on a disk of that machine."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from acceltop.profiler.errors import AcceltopError

SPOOL, SOCKET, ABOUT, LOG = "spool", "socket", "about", "log"
RECORDING, ENDED, BROKEN = "recording", "ended", "broken"
ANSWER_S = 5.0
MAX_MESSAGE = 1 << 16
FORGOTTEN_S = 30 * 86400.0  # a recording that ended and was never fetched
_ID = re.compile(r"[0-9a-f]{8}")


class Recording:
    """One recording's folder, and whoever keeps it."""

    def __init__(self, folder: Path) -> None:
        self.id, self.folder = folder.name, folder

    def write_about(self, about: dict[str, Any]) -> None:
        """Whole or not at all."""
        new = self.folder / f"{ABOUT}.new"
        new.write_text(json.dumps(about))
        new.replace(self.folder / ABOUT)

    def status(self) -> dict[str, Any]:
        """What its keeper says; once that is gone, what it wrote last. `state`: recording, ended or broken."""
        try:
            return self.ask("status")
        except (OSError, ValueError):
            about = self._about()
        if about.get("state") != ENDED:
            about["state"] = BROKEN
        with suppress(OSError):
            about["bytes"] = (self.folder / SPOOL).stat().st_size
        return about

    def ask(self, command: str) -> dict[str, Any]:
        """The keeper's answer. Raises OSError when there is none."""
        with socket.socket(socket.AF_UNIX) as sock, short_path(self.folder) as folder:
            sock.settimeout(ANSWER_S)
            sock.connect(f"{folder}/{SOCKET}")
            sock.sendall(json.dumps({"command": command}).encode() + b"\n")
            with sock.makefile("rb") as stream:
                answer: dict[str, Any] = json.loads(stream.readline(MAX_MESSAGE))
        return answer

    def remove(self) -> None:
        """Nothing of it stays."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _about(self) -> dict[str, Any]:
        try:
            about: dict[str, Any] = json.loads((self.folder / ABOUT).read_text())
        except (OSError, ValueError):
            return {"id": self.id}
        return about


def create() -> Recording:
    """A new one. Raises AcceltopError when there is no disk for it."""
    root = _root()
    for old in recordings():
        _forget(old)
    folder = root / secrets.token_hex(4)
    folder.mkdir(mode=0o700)
    return Recording(folder)


def recordings() -> list[Recording]:
    """All of this user on this machine."""
    root = _root()
    return [Recording(root / name) for name in sorted(os.listdir(root)) if _ID.fullmatch(name)]


def find(wanted: str) -> Recording:
    """Raises AcceltopError when there is none."""
    if _ID.fullmatch(wanted) and (folder := _root() / wanted).is_dir():
        return Recording(folder)
    raise AcceltopError(f"there is no recording {wanted[:40]!r} on that machine", "acceltop ssh HOST recordings")


@contextmanager
def short_path(folder: Path) -> Iterator[str]:
    """The same folder in few characters: the name of a socket must not have more than 107."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield f"/proc/self/fd/{handle}"
    finally:
        os.close(handle)


def _forget(old: Recording) -> None:
    with suppress(OSError):
        age = time.time() - old.folder.stat().st_mtime
        if age > FORGOTTEN_S and old.status()["state"] != RECORDING:
            old.remove()


def _root() -> Path:
    """Not in the home, which may be a small quota on a server that other machines share."""
    trouble = ""
    for base in (os.environ.get("TMPDIR"), "/var/tmp", "/tmp"):
        if base:
            try:
                return _private(Path(base) / f"acceltop-{os.geteuid()}")
            except OSError as error:
                trouble = f"{base}: {error.strerror or error}"
    raise AcceltopError(f"that machine has no disk to record to ({trouble})", "acceltop ssh HOST record -o - > FILE")


def _private(folder: Path) -> Path:
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    about = os.lstat(folder)
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.geteuid() or about.st_mode & 0o077:
        raise OSError(0, f"{folder} is not private")
    if not os.access(folder, os.W_OK):
        raise OSError(0, f"{folder} is read-only")
    return folder
