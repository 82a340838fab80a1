"""A driver that hangs, a GPU that falls off the bus, one that comes and goes: only its row suffers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.fakes.nvml.driver import FakeDriver
from tests.program.screen import acceltop, matches, quits, shows
from tests.views.terminal import Terminal


def row(screen: Terminal, gpu: int) -> str:
    """The line of a GPU in the table of devices."""
    found = re.search(rf"^ ?▌?{gpu} +.*$", screen.text, re.M)
    return found[0] if found else ""


def moves(screen: Terminal, gpu: int) -> None:
    """Waits until the values of a GPU have changed."""
    before = row(screen, gpu)
    screen.wait(lambda _: row(screen, gpu) not in ("", before))


def test_a_hung_gpu_says_since_when_and_the_others_go_on(driver: FakeDriver, tmp_path: Path) -> None:
    with acceltop(home=tmp_path, columns=160, environ=driver.env) as screen:
        shows(screen, " devices ─", "q quit")
        moves(screen, 2)
        driver.set(hung="2")
        screen.wait(lambda _: "since" in row(screen, 2) or "since" in screen.text)
        moves(screen, 1)
        moves(screen, 3)
        quits(screen, "GPU 2 hangs in the driver")


def test_a_driver_that_hangs_as_a_whole(driver: FakeDriver, tmp_path: Path) -> None:
    with acceltop(home=tmp_path, columns=160, environ=driver.env) as screen:
        shows(screen, " devices ─", "q quit")
        moves(screen, 0)
        driver.set(hung="all")
        matches(screen, r"since \d\d:\d\d:\d\d|not answered")
        moved = screen.text.splitlines()[-2]
        screen.wait(lambda seen: seen.splitlines()[-2] != moved)  # the clock goes on
        quits(screen, "all GPUs hang in the driver")


def test_a_driver_that_hangs_from_the_start(driver: FakeDriver, tmp_path: Path) -> None:
    driver.set(hung="all")
    with acceltop(home=tmp_path, columns=160, environ=driver.env) as screen:
        shows(screen, " devices ─", "q quit", "cpu")
        quits(screen, "the driver hangs from the start")


def test_a_lost_gpu_says_since_when(driver: FakeDriver, tmp_path: Path) -> None:
    with acceltop(home=tmp_path, columns=160, environ=driver.env) as screen:
        moves(screen, 2)
        driver.set(lost="2")
        screen.wait(lambda _: re.search(r"lost", row(screen, 2)) is not None)
        assert re.search(r"\d\d:\d\d:\d\d", row(screen, 2))
        moves(screen, 3)
        quits(screen, "GPU 2 is lost")


@pytest.mark.slow
def test_a_gpu_that_comes_and_goes(driver: FakeDriver, tmp_path: Path) -> None:
    with acceltop(home=tmp_path, columns=160, environ=driver.env) as screen:
        moves(screen, 2)
        driver.set(lost="2")
        screen.wait(lambda _: "lost" in row(screen, 2))
        driver.set(lost="")
        screen.wait(lambda _: "lost" not in row(screen, 2))
        moves(screen, 2)
        quits(screen, "GPU 2 is back")
