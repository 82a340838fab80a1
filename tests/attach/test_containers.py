"""A target with file systems and process numbers of its own, made with the same calls that container runtimes use."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.attach.processes import ask
from tests.waiting import wait_for

from acceltop.profiler.attach.inject import inject
from acceltop.profiler.attach.target import attachable, inspect, tree
from acceltop.profiler.errors import TargetError

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs root and unshare to make name spaces"
)
CODE = "import time\nprint('ready', flush=True)\nwhile True: time.sleep(0.1)"


@contextmanager
def contained(*mounts: str) -> Iterator[int]:
    """The PID, as seen from here, of a Python that is number 1 in its own name space."""
    script = " && ".join([*mounts, 'exec "$0" -c "$1"'])
    # Not by its name in a virtual environment: that may lie in a checkout below /tmp, which the target can't see.
    python = os.path.realpath(sys.executable)
    command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script, python, CODE]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout and process.stdout.readline() == b"ready\n"
        yield wait_for(lambda: tree(process.pid))[0]
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that both sides see."""
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="tests-") as folder:
        yield Path(folder)


def test_the_file_is_left_where_the_target_sees_it(shared: Path) -> None:
    with contained("mount -t tmpfs none /tmp") as pid:
        assert inspect(pid).nspid == 1
        assert attachable(inspect(pid)) == "yes"
        _, own_pid = ask(pid, shared, "os.getpid()")
        assert own_pid == 1
        assert os.listdir(f"/proc/{pid}/root/tmp") == []


def test_a_read_only_tmp(shared: Path) -> None:
    with contained("mount -t tmpfs -o ro none /tmp") as pid:
        ask(pid, shared)


def test_no_place_for_a_file() -> None:
    read_only = [f"mount -t tmpfs -o ro none {base}" for base in ("/tmp", "/dev/shm", "/var/tmp")]
    with contained(*read_only) as pid, pytest.raises(TargetError, match="no directory to leave a file in"):
        inject(pid, "pass")
