"""The first code on the other machine, sent as text: the standard library alone, Python 3.10 and newer.

It says what it has, takes what it lacks, checks the hash of every part, and starts the rest. All parts live in memory
(memfd), so a home that is read-only, full or mounted noexec does not matter; the cache only saves sending them again.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import stat
import sys
import tempfile
import time
import zlib
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from importlib.util import spec_from_file_location
from typing import Any, BinaryIO

MOST_BYTES = 64 << 20
_KEPT_S = 30 * 86400.0
_MFD_EXEC = 0x10


class _Cache:
    """Files by their SHA-256 in a folder that only this user can enter. Without a folder everything is a miss."""

    def __init__(self, wanted: bool) -> None:
        self.trouble = ""
        self._folder: int | None = None
        if wanted:
            self._try(self._open)

    def read(self, sha256: str, size: int) -> bytes | None:
        if self._folder is None:
            return None
        try:
            file = os.open(sha256, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=self._folder)
        except OSError:
            return None
        with open(file, "rb") as stream:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                return None
            data = stream.read(size + 1)
        if hashlib.sha256(data).hexdigest() != sha256:
            return None
        self._try(lambda: os.utime(sha256, dir_fd=self._folder))
        return data

    def keep(self, sha256: str, data: bytes) -> None:
        if self._folder is not None:
            self._try(lambda: self._write(sha256, data))

    def forget_old(self) -> None:
        """What no version of acceltop has asked for in a month."""
        if self._folder is not None:
            self._try(self._prune)

    def _try(self, action: Any) -> None:
        try:
            action()
        except OSError as error:
            self.trouble = error.strerror or str(error)

    def _open(self) -> None:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
        path = os.path.join(base, "acceltop")
        os.makedirs(path, 0o700, exist_ok=True)
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        about = os.fstat(folder)
        if about.st_uid != os.geteuid() or about.st_mode & 0o077:
            os.close(folder)
            raise OSError(0, f"{path} is not private")
        self._folder = folder

    def _write(self, sha256: str, data: bytes) -> None:
        name = f"{sha256}.{os.getpid()}"
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=self._folder)
        try:
            with open(file, "wb") as stream:
                stream.write(data)
            os.replace(name, sha256, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        except OSError:
            os.unlink(name, dir_fd=self._folder)
            raise

    def _prune(self) -> None:
        assert self._folder is not None
        for name in os.listdir(self._folder)[:1000]:
            about = os.stat(name, dir_fd=self._folder, follow_symlinks=False)
            if stat.S_ISREG(about.st_mode) and time.time() - about.st_mtime > _KEPT_S:
                os.unlink(name, dir_fd=self._folder)


class _Extensions:
    """Finds extension modules that lie in memory."""

    def __init__(self) -> None:
        self.paths: dict[str, str] = {}

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        place = self.paths.get(name)
        return place and spec_from_file_location(name, place, loader=ExtensionFileLoader(name, place)) or None


def land() -> None:
    """Speaks with `link.Link`: an offer, our answer, the parts we lack, then the program takes over."""
    stdin = sys.stdin.buffer
    stdout = os.dup(1)
    os.dup2(2, 1)  # whatever prints by accident must not come into the stream
    offer = json.loads(stdin.readline(1 << 16))
    cache = _Cache(offer["cache"])
    parts = [part for part in offer["parts"] if _fits(part)]
    found = {part["name"]: cache.read(part["sha256"], part["size"]) for part in parts}
    _answer(stdout, [name for name, data in found.items() if data is None], cache.trouble)
    places: dict[str, str] = {}
    for part in parts:
        data = found.pop(part["name"]) or _receive(stdin, part, cache)
        places[part["name"]] = _in_memory(part["name"], data)
    cache.forget_old()
    use(parts, places)
    from acceltop.profiler.remote.far import main

    main(stdin, stdout, {"parts": parts, "places": places})


def _fits(part: dict[str, Any]) -> bool:
    """It is for any machine, or for one like this."""
    wanted = part["only"]
    ours = {"machine": platform.machine(), "libc": platform.libc_ver()[0], "python": list(sys.version_info[:2])}
    return all(ours[key] == value for key, value in wanted.items())


def _answer(stdout: int, need: list[str], trouble: str) -> None:
    about = {"python": platform.python_version(), "host": os.uname().nodename, "need": need, "no_cache": trouble}
    os.write(stdout, f"\nacceltop {sys.argv[1]} {json.dumps(about)}\n".encode())


def _receive(stdin: BinaryIO, part: dict[str, Any], cache: _Cache) -> bytes:
    length = int(stdin.readline(32))
    if not 0 < length <= MOST_BYTES or not 0 < part["size"] <= MOST_BYTES:
        raise SystemExit("acceltop: a part has an impossible size")
    data = zlib.decompressobj().decompress(stdin.read(length), part["size"])
    if hashlib.sha256(data).hexdigest() != part["sha256"]:
        raise SystemExit(f"acceltop: {part['name']} arrived damaged")
    cache.keep(part["sha256"], data)
    return data


def _in_memory(name: str, data: bytes) -> str:
    """A path to a file that has no name and goes when we go; our children can use it too."""
    file = _nameless(name)
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]
    # Closed for writing: Linux runs no program that somebody may still write to.
    read_only = os.open(f"/proc/self/fd/{file}", os.O_RDONLY | os.O_CLOEXEC)
    os.close(file)
    return f"/proc/{os.getpid()}/fd/{read_only}"


def _nameless(name: str) -> int:
    if hasattr(os, "memfd_create"):
        for flags in (os.MFD_CLOEXEC | _MFD_EXEC, os.MFD_CLOEXEC):
            try:
                return os.memfd_create(f"acceltop-{name}", flags)
            except OSError:  # a kernel before 6.3 does not know MFD_EXEC
                continue
    with tempfile.TemporaryFile() as stream:  # a Python built for an old C library
        return os.dup(stream.fileno())


def use(parts: list[dict[str, Any]], places: dict[str, str]) -> None:
    """Makes them importable."""
    extensions = _Extensions()
    for part in parts:
        place = places[part["name"]]
        if part["use"] == "path":
            os.chmod(place, 0o500)
            sys.path.insert(0, place)
        elif part["use"] == "program":
            os.chmod(place, 0o500)
        else:
            extensions.paths[part["use"]] = place
    sys.meta_path.insert(0, extensions)


if __name__ == "__main__":
    land()
