"""OpenCL over there: asked through the binding of that machine's own Python; where it has none, one Note says so."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import pytest
from tests.remote.requests import request
from tests.waiting import wait_for

from acceltop.collectors.opencl import Source
from acceltop.profiler.errors import Unavailable
from acceltop.profiler.model import DeviceFound, Frame, Note
from acceltop.profiler.remote.source import RemoteSource
from acceltop.profiler.remote.transport import via
from acceltop.profiler.remote.watch import connect
from acceltop.profiler.source import SourceContext


def _told(home: Path, path: str) -> list[DeviceFound | Note]:
    """The devices that a machine whose first Python is found at `path` tells of, or why it does not."""
    link = connect(via(["env", "-i", f"HOME={home}", f"PATH={path}"]), request(only=["opencl"]), True, None)
    source = RemoteSource("far", link, lambda _: link)

    def told(frames: list[Frame]) -> list[DeviceFound | Note]:
        frames += source.poll()
        return [frame for frame in frames if isinstance(frame, (DeviceFound, Note))]

    with closing(source):
        frames = list(source.open(SourceContext(interval_s=0.1)))
        return wait_for(lambda: told(frames), 30)


def test_the_binding_of_that_python_is_used(tmp_path: Path) -> None:
    pytest.importorskip("pyopencl", reason="OpenCL is an extra")
    try:
        here = [frame.name for frame in Source().open(SourceContext()) if isinstance(frame, DeviceFound)]
    except Unavailable as error:
        pytest.skip(str(error))
    there = _told(tmp_path, f"{Path(sys.executable).parent}:/usr/bin:/bin")
    assert [frame.name for frame in there if isinstance(frame, DeviceFound)] == here


def test_a_python_without_it_says_so(tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    # Of the same interpreter, without the packages of its environment.
    (bare / "python3").symlink_to(Path(sys.executable).resolve())
    (note,) = _told(tmp_path, f"{bare}:/usr/bin:/bin")
    assert isinstance(note, Note) and note.code == "source.unavailable" and note.source == "opencl"
    assert "no binding to OpenCL" in note.text and "pyopencl" in note.next_step
