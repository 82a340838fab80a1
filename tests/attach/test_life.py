"""How a process ended: a zombie tells it, and of one that its parent has collected a new kernel does."""

from __future__ import annotations

import os
import re
import signal

from tests.attach.processes import running
from tests.waiting import wait_for

from acceltop.profiler.attach.life import Life

WAITS = "ready()\ninput()\nraise SystemExit(3)"


def test_a_zombie_tells() -> None:
    with running(WAITS) as job:
        life = Life(job.pid)
        assert not life.ended()
        job.send_signal(signal.SIGTERM)
        wait_for(life.ended)
    assert (life.exit_code, life.collected) == (-signal.SIGTERM, False)


def test_of_one_that_was_collected_linux_tells_who_held_it_since_6_15() -> None:
    version = tuple(map(int, re.findall(r"\d+", os.uname().release)[:2]))
    with running(WAITS) as job:
        lives = Life(job.pid), Life(job.pid, handle=False)
        job.communicate("\n")
        assert all(life.ended() and life.collected for life in lives)
    assert [life.exit_code for life in lives] == [3 if version >= (6, 15) else None, None]


def test_of_one_that_was_never_there_nothing_is_known() -> None:
    life = Life(4194304)  # above all that there can be
    assert life.ended()
    assert life.exit_code is None
