"""The agent in each CPython that can be entered: there is no framework, it says so, and leaves nothing behind."""

from __future__ import annotations

import pytest
from tests.attach.processes import finish, python_or_skip, running
from tests.jobs import end, frames, lines, traces_of_us
from tests.waiting import wait_for

COUNT = """
import sys, threading
told = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), told.set()), daemon=True).start()
ready()
count = 0
while not told.wait(0.005):
    count += 1
print("modules", [name for name in sys.modules if "acceltop" in name])
"""


@pytest.mark.parametrize("minor", [8, 10, 11, 12, 13, 14, 15])
def test_no_framework_is_said_and_nothing_is_left(minor: int) -> None:
    with running(COUNT, program=python_or_skip(minor)) as process:
        watcher = frames(process.pid)
        try:
            assert any("not imported a framework" in note for note in lines(watcher, "Note"))
        finally:
            end(watcher)
        wait_for(lambda: not traces_of_us(process.pid), what="the agent has gone")
        assert finish(process) == "modules []\n"
        assert process.returncode == 0
