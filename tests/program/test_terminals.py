"""Sizes, colours, character sets, and the shell around it."""

from __future__ import annotations

import re
from pathlib import Path

from tests.fakes.nvml.driver import FakeDriver
from tests.profiler.cli.program import SCRIPT
from tests.program.screen import acceltop, quits, restored, shows
from tests.views.terminal import Terminal

TRUECOLOR = rb"\x1b\[[\d;]*[34]8;2;"
ANY_COLOUR = rb"\x1b\[(?:[\d;]*;)?(?:3[0-7]|4[0-7]|9[0-7]|10[0-7]|38;[\d;]*|48;[\d;]*)m"
SIZES = ((80, 24), (60, 16), (59, 15), (250, 70), (160, 48), (60, 16), (120, 36))


def filled(seen: str, columns: int) -> bool:
    """Title at the top, keys at the bottom, rules over the whole width, and readings in between."""
    lines = seen.splitlines()
    framed = lines[0].startswith(" acceltop") and "q quit" in lines[-1]
    return framed and any(len(line) == columns and " devices ─" in line for line in lines) and "%" in seen


def test_resized_at_any_moment(driver: FakeDriver, tmp_path: Path) -> None:
    with acceltop(home=tmp_path, environ=driver.env) as screen:
        for columns, rows in SIZES:  # also before its first frame
            screen.resize(columns, rows)
            if (columns, rows) == (59, 15):
                shows(screen, "needs 60×16, has 59×15")
            else:
                screen.wait(lambda seen: filled(seen, columns) and len(seen.splitlines()) == rows)  # noqa: B023
        for columns in range(60, 200, 3):  # a window that is dragged
            screen.resize(columns, 30)
        screen.wait(lambda seen: filled(seen, 198) and len(seen.splitlines()) == 30)
        quits(screen, "after resizing")


def test_keys_typed_into_the_first_picture_are_not_seen_there(driver: FakeDriver, tmp_path: Path) -> None:
    with acceltop(home=tmp_path, environ=driver.env) as screen:
        screen.wait(lambda _: b"[?1049h" in screen.written)
        screen.send("\x02")  # which the terminal would write as ^B
        shows(screen, " devices ─", "q quit", "%")
        assert b"^B" not in screen.written
        quits(screen, "typed early")


def test_a_character_that_comes_in_parts_and_esc_alone(driver: FakeDriver, tmp_path: Path) -> None:
    with acceltop(home=tmp_path, environ=driver.env) as screen:
        shows(screen, " devices ─", "q quit", "%")
        screen.send("/")
        shows(screen, "filter:")
        for byte in "n€".encode():
            screen.send(bytes([byte]))
        shows(screen, "n€")
        screen.send("\x1b")
        screen.wait(lambda seen: "n€" not in seen and "q quit" in seen)
        quits(screen, "after esc")


def test_without_colours(driver: FakeDriver, tmp_path: Path) -> None:
    with acceltop(home=tmp_path, environ=driver.env | {"NO_COLOR": "1"}) as screen:
        shows(screen, " devices ─", "q quit", "%")
        for key, title in (("?", "next row"), ("\x10", "Search for commands"), ("/", "filter:")):  # by Textual
            screen.send(key)
            shows(screen, title)
            screen.send("\x1b")
            screen.wait(lambda seen: title not in seen)  # noqa: B023
        quits(screen, "NO_COLOR")
    assert not re.search(ANY_COLOUR, screen.written)


def test_gnu_screen_gets_no_truecolor_and_keeps_the_mouse_and_a_place_below(driver: FakeDriver, tmp_path: Path) -> None:
    environ = driver.env | {"TERM": "screen", "COLORTERM": "", "STY": "1.tty.host"}
    with acceltop(home=tmp_path, environ=environ) as screen:
        shows(screen, " devices ─", "q quit", "%")
        quits(screen, "TERM=screen")
    assert not re.search(TRUECOLOR, screen.written)
    assert re.search(ANY_COLOUR, screen.written)
    assert b"\x1b[?1000h" not in screen.written
    assert screen.written.rindex(b"\x1b[999;1H") < screen.written.rindex(b"\x1b[?1049l")


def test_a_locale_without_unicode_gets_ascii(driver: FakeDriver, tmp_path: Path) -> None:
    plain = {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    with acceltop(home=tmp_path, environ=driver.env | plain) as screen:
        shows(screen, " devices", "q quit", "%")
        assert not re.search(r"[⠀-⣿█▉▊▋▌▍▎▏]", screen.text)
        for key, title in (("?", "next row"), ("\x10", "Search for commands")):  # what Textual draws itself
            screen.send(key)
            assert "\\u2" not in shows(screen, title)
            screen.send("\x1b")
            screen.wait(lambda seen: title not in seen)  # noqa: B023
        quits(screen, "LANG=C")


def test_ctrl_z_gives_the_shell_back_and_fg_the_screen(driver: FakeDriver, tmp_path: Path) -> None:
    shell = Terminal(
        ["bash", "--norc", "--noprofile", "-i"], 120, 36, {**driver.env, "HOME": str(tmp_path), "PS1": "$ "}
    )
    try:
        shell.wait(lambda seen: "$" in seen)
        shell.send(f"{SCRIPT}\r")
        shows(shell, " devices ─", "q quit", "%")
        shell.send("\x1a")
        shows(shell, "Stopped")
        assert restored(shell.written)
        shell.send("echo typed-$((40+2))\r")
        shows(shell, "typed-42")
        shell.send("fg\r")
        shell.wait(lambda _: not restored(shell.written))  # what stood there before may still be seen
        shows(shell, " devices ─", "q quit", "%")
        shell.send("q")
        shell.wait(lambda _: restored(shell.written))
        shell.send("echo back-$((40+2))\r")
        shows(shell, "back-42")
        assert restored(shell.written)
        shell.send("exit\r")
        shell.ended()
    finally:
        shell.close()
