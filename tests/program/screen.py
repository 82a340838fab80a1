"""The console script on a real terminal, and how long it takes to let go of it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.profiler.cli.program import SCRIPT
from tests.views.terminal import Terminal

ENOUGH_S = 6.0  # from q to the end, whatever hangs, on a busy machine too; 0.3 are promised on a quiet one

_AS_IT_IS: Mapping[str, str] = {}


@contextmanager
def acceltop(
    *arguments: str, home: Path, columns: int = 120, rows: int = 36, environ: Mapping[str, str] = _AS_IT_IS
) -> Iterator[Terminal]:
    """`acceltop ARGUMENTS` on a terminal, with no settings of the user."""
    with _opened([SCRIPT, *arguments], columns, rows, {"HOME": str(home), **environ}) as screen:
        yield screen


@contextmanager
def shell(line: str, home: Path) -> Iterator[Terminal]:
    """A line of the shell, in which `acceltop` is the one under test; its exit code is that of the last command."""
    path = f"{Path(SCRIPT).parent}:{os.environ['PATH']}"
    with _opened(["sh", "-c", line], 120, 36, {"HOME": str(home), "PATH": path}) as screen:
        yield screen


@contextmanager
def _opened(argv: list[str], columns: int, rows: int, environ: Mapping[str, str]) -> Iterator[Terminal]:
    opened = Terminal(argv, columns, rows, {"NO_COLOR": "", **environ})
    try:
        yield opened
    finally:
        opened.close()


def shows(screen: Terminal, *texts: str, timeout_s: float = 60.0) -> str:
    """Waits until all of these are on the screen at once."""
    return screen.wait(lambda seen: all(text in seen for text in texts), timeout_s)


def matches(screen: Terminal, pattern: str, timeout_s: float = 60.0) -> re.Match[str]:
    """Waits until a line of the screen has this in it."""
    found = re.search(pattern, screen.wait(lambda seen: re.search(pattern, seen, re.M) is not None, timeout_s), re.M)
    assert found is not None
    return found


def kernels(seen: str) -> list[str]:
    """The names in the table of kernels that are shown in full: a bar, a share, a name."""
    return re.findall(r"[█-▏] +\d[\d.]* +([A-Za-z_]\w*) ", seen)


def shows_kernels(screen: Terminal, *texts: str) -> list[str]:
    """Waits for these and any kernels; which ones are the longest differs from machine to machine."""
    return kernels(screen.wait(lambda seen: bool(kernels(seen)) and all(text in seen for text in texts), 60))


def clock(screen: Terminal) -> int:
    """Where the time strip stands (s)."""
    hours, minutes, seconds = matches(screen, r"^ [▶‖] (\d\d):(\d\d):(\d\d) ").groups()
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds)


def quits(screen: Terminal, case: str) -> None:
    """`q` ends it with 0 in time, and the terminal is what it was before."""
    screen.send("q")
    code, seconds = screen.ended()
    print(f"q, {case}: {seconds * 1e3:.0f} ms")
    assert code == 0
    assert seconds < ENOUGH_S
    assert restored(screen.written)


def restored(written: bytes) -> bool:
    """Every mode that was switched on is off again: other screen, mouse, focus, hidden cursor."""
    return all(_last(written, mode) == usual for mode, usual in _USUAL.items())


_USUAL = {b"1049": b"l", b"1000": b"l", b"1003": b"l", b"1006": b"l", b"1004": b"l", b"25": b"h"}


def _last(written: bytes, mode: bytes) -> bytes:
    """h (on) or l (off), whichever was said last; what was never touched is as usual."""
    said = re.findall(rb"\x1b\[\?" + mode + rb"([hl])", written)
    return said[-1] if said else _USUAL[mode]
