"""What is sent to the other machine: our headless rooms, the pure-Python packages they need, and what fits it."""

from __future__ import annotations

import hashlib
import io
import shutil
import sys
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.resources import files
from importlib.util import find_spec
from os import uname
from os.path import dirname
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acceltop.profiler import __version__
from acceltop.profiler.session import GROUP, sources

if TYPE_CHECKING:
    from importlib.abc import Traversable

_ROOMS = ("acceltop.profiler", "acceltop.collectors")
_STAYS_HERE = {"__pycache__", "__main__.py", "demo", "history", "timeline.py", "trace"}
_PURE = ("pynvml", "elftools")
_HOST = "acceltop.collectors.any_host:Source"  # psutil is compiled, and may not fit that machine
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same files give the same bytes, and so the same hash
PY_SPY = "py-spy"


@dataclass(frozen=True)
class Part:
    """`use`: path (a zip to import from), program, or the name of the extension module that it is.

    `only`: what the other machine must be (machine, libc, python) for it to be of any use there.
    """

    name: str
    use: str
    data: bytes = field(repr=False)
    only: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    def offer(self) -> dict[str, Any]:
        """All but the bytes."""
        size = len(self.data)
        return {"name": self.name, "use": self.use, "sha256": self.sha256, "size": size, "only": dict(self.only)}

    def packed(self) -> bytes:
        """As `landing._receive` takes it."""
        data = zlib.compress(self.data)
        return b"%d\n%s" % (len(data), data)


@cache
def parts(stacks: bool) -> tuple[Part, ...]:
    """All that could be of use there; `stacks`: also what samples stacks (2 to 4 MB)."""
    found = [Part("acceltop", "path", _zip(_ours())), Part("packages", "path", _zip(_packages()))]
    return (*found, *_psutil(), *(_py_spy() if stacks else ()))


def _ours() -> Iterator[tuple[str, bytes]]:
    yield "acceltop/__init__.py", b""  # a zip knows no package without it
    for room in _ROOMS:
        yield from _tree(files(room), room.replace(".", "/"))
    # So that the collectors are found there as they are here.
    about = f"acceltop-{__version__}.dist-info"
    yield f"{about}/METADATA", f"Metadata-Version: 2.1\nName: acceltop\nVersion: {__version__}\n".encode()
    yield f"{about}/entry_points.txt", _entry_points().encode()


def _entry_points() -> str:
    ours = {name: place for name, place in sources().items() if place.startswith("acceltop.")}
    ours["host"] = _HOST
    return "\n".join([f"[{GROUP}]", *sorted(f"{name} = {value}" for name, value in ours.items()), ""])


def _packages() -> Iterator[tuple[str, bytes]]:
    for name in _PURE:
        spec = find_spec(name)
        if spec is not None and spec.submodule_search_locations:
            yield from _tree(Path(spec.submodule_search_locations[0]), name)
        elif spec is not None and spec.origin is not None:
            yield f"{name}.py", Path(spec.origin).read_bytes()


def _tree(folder: Traversable, name: str) -> Iterator[tuple[str, bytes]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name in _STAYS_HERE:
            continue
        if entry.is_dir():
            yield from _tree(entry, f"{name}/{entry.name}")
        elif entry.name.endswith(".py"):
            yield f"{name}/{entry.name}", entry.read_bytes()


def _zip(entries: Iterator[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in entries:
            info = zipfile.ZipInfo(name, _EPOCH)
            archive.writestr(info, data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _psutil() -> Iterator[Part]:
    """Its Python and its one extension module."""
    spec = find_spec("psutil")
    if spec is None or spec.origin is None:
        return
    folder = Path(spec.origin).parent
    native = next(folder.glob("_psutil_linux*.so"), None)
    if native is None:
        return
    only = _like_this() if ".abi3." in native.name else _like_this() | {"python": list(sys.version_info[:2])}
    yield Part("psutil", "path", _zip(_tree(folder, "psutil")), only)
    yield Part("psutil-native", "psutil._psutil_linux", native.read_bytes(), only)


def _py_spy() -> Iterator[Part]:
    found = shutil.which(PY_SPY, path=dirname(sys.executable)) or shutil.which(PY_SPY)
    if found is not None:
        yield Part(PY_SPY, "program", Path(found).read_bytes(), {"machine": uname().machine})


def _like_this() -> dict[str, Any]:
    # The wheels are for glibc, all of them for one older than anything with a Python 3.10.
    return {"machine": uname().machine, "libc": "glibc"}
