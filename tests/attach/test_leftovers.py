"""What a killed agent left is swept at the next attach, and nothing else is."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.waiting import wait_for

from acceltop.collectors.agent import Source
from acceltop.profiler.agent.server import SOCKET
from acceltop.profiler.attach import leftovers, proc, target
from acceltop.profiler.attach.delivery import BASES
from acceltop.profiler.source import SourceContext


@pytest.fixture
def base() -> Iterator[Path]:
    """Not below pytest's: the path of a socket has 107 characters at most."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def ended() -> int:
    """The number of a process that has gone."""
    with subprocess.Popen([sys.executable, "-c", "pass"]) as process:
        process.wait()
    return process.pid


def left(base: Path, pid: int, ticks: int = 1, age_s: float = 3600.0) -> tuple[Path, socket.socket]:
    """An agent's folder, and the listening socket in it."""
    place = base / leftovers.folder(pid, ticks, proc.namespace(os.getpid()))
    place.mkdir(0o700)
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(place / SOCKET))
    server.listen(1)
    os.utime(place, (time.time() - age_s,) * 2)
    return place, server


def test_a_killed_agents_folder_is_removed(base: Path) -> None:
    place, server = left(base, ended())
    server.close()
    leftovers.sweep([str(base), str(base / "no such folder")])
    assert not place.exists()


def test_one_that_somebody_answers_in_stays(base: Path) -> None:
    """Such as a process of a container, whose number is no number here."""
    place, server = left(base, ended())
    with server:
        leftovers.sweep([str(base)])
        assert place.exists()


def test_one_of_a_process_that_runs_stays(base: Path) -> None:
    place, server = left(base, os.getpid(), proc.stat(os.getpid()).start_ticks)
    server.close()
    leftovers.sweep([str(base)])
    assert place.exists()


def test_a_number_that_was_given_again_is_another_process(base: Path) -> None:
    place, server = left(base, os.getpid(), proc.stat(os.getpid()).start_ticks - 1)
    server.close()
    leftovers.sweep([str(base)])
    assert not place.exists()


@pytest.mark.parametrize("change", ["new", "open to others", "with something in it", "a link", "another name"])
def test_what_is_not_surely_ours_stays(change: str, base: Path) -> None:
    place, server = left(base, ended(), age_s=0.0 if change == "new" else 3600.0)
    server.close()
    if change == "open to others":
        place.chmod(0o755)
    elif change == "with something in it":
        (place / "precious").write_text("theirs")
        os.utime(place, (0, 0))
    elif change == "a link":
        place = place.rename(base / "elsewhere")
        (base / leftovers.folder(ended(), 1, 1)).symlink_to(place)
    elif change == "another name":
        place = place.rename(base / "acceltop-stacks-1")
    leftovers.sweep([str(base)])
    assert place.exists()


def test_the_next_attach_sweeps() -> None:
    place, server = left(Path(BASES[0]), ended())
    server.close()
    source = Source()
    list(source.open(SourceContext()))
    source.close()
    assert not place.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root")
def test_two_containers_that_share_a_folder_have_an_agent_each() -> None:
    """Both processes are number 1, and can have started in the same tick."""
    command = ["unshare", "--pid", "--fork", "--kill-child", "sleep", "60"]
    with subprocess.Popen(command) as one, subprocess.Popen(command) as other:
        try:
            first, second = inner(one.pid), inner(other.pid)
            assert target.inspect(first).nspid == target.inspect(second).nspid == 1
            assert leftovers.folder(1, 1, proc.namespace(first)) != leftovers.folder(1, 1, proc.namespace(second))
        finally:
            one.kill()
            other.kill()


def inner(pid: int) -> int:
    """The child of a `unshare --fork`, once it runs."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    wait_for(lambda: children.read_text().strip(), what="the process in the namespace")
    return int(children.read_text())
