"""The first picture: devices and their first readings, on the terminal while Textual and numpy are still being loaded.

The screens take its place, with the same frames. Imports nothing heavy.
"""

from __future__ import annotations

import os
import sys
import termios
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import TracebackType

from acceltop.profiler import numbers
from acceltop.profiler.model import DeviceFound, Frame, Hello, Note, Sample
from acceltop.profiler.text import clean
from acceltop.views.draw.glyphs import bar, to_ascii
from acceltop.views.draw.ink import Ink
from acceltop.views.draw.line import BLANK, Line, Row, Span
from acceltop.views.draw.rule import rule
from acceltop.views.draw.table import Column, heading, layout, table_row, tail_cell, text_cell
from acceltop.views.facts.activity import ACTIVITY, HOST_ACTIVITY, device_label
from acceltop.views.feed import Feed
from acceltop.views.theme import Palette, default_glyphs, terminal_colours

LOOK_S = 0.01
FIRST_S = 0.2  # what accelerators are waited for: read beside an import, they take five times as long
ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_Device = tuple[DeviceFound, dict[str, float]]


class Opening:
    """Draws what waits in the feed until the end of `with`; takes nothing from it.

    `seen` is set as soon as there is a reading of accelerators in the picture.
    """

    def __init__(self, feed: Feed, palette: Palette, seen: threading.Event) -> None:
        self._feed, self._palette, self._seen = feed, palette, seen
        self._ink = Ink(terminal_colours())
        self._shown: list[Line] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="acceltop-opening", daemon=True)
        self._terminal = ExitStack()

    def __enter__(self) -> Opening:
        if sys.stdout.isatty():
            self._terminal.enter_context(_keys_unseen())
            self._thread.start()
            self._seen.wait(FIRST_S)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._seen.set()
        if self._thread.ident is None:
            return
        self._thread.join()
        self._terminal.close()
        if error is not None:
            _write(LEAVE)

    def _run(self) -> None:
        columns, rows = os.get_terminal_size(1)
        _write(ENTER)
        known = 0
        while not self._over.wait(LOOK_S):
            frames = self._feed.waiting()
            if len(frames) != known:
                known = len(frames)
                self._draw(picture(frames, columns)[:rows], columns, rows)
                if any(map(_of_accelerators, frames)):
                    self._seen.set()

    def _draw(self, lines: list[Line], columns: int, rows: int) -> None:
        lines += [BLANK] * (rows - len(lines))
        before = self._shown or [Line((), "?")] * rows  # whatever stood there
        for y, (old, new) in enumerate(zip(before, lines, strict=True)):
            self._ink.put(old, new, 0, y, columns, self._palette)
        self._shown = lines
        _write(self._ink.take())


@contextmanager
def _keys_unseen() -> Iterator[None]:
    """What is typed waits for the screens; the terminal doesn't write it into the picture."""
    if not sys.stdin.isatty():
        yield
        return
    usual = termios.tcgetattr(sys.stdin)
    quiet = usual.copy()
    quiet[3] &= ~termios.ECHO
    termios.tcsetattr(sys.stdin, termios.TCSANOW, quiet)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSANOW, usual)


def _of_accelerators(frame: Frame) -> bool:
    """A reading of one, or why there is none."""
    return isinstance(frame, (Sample, Note)) and frame.source == "nvml"


def picture(frames: Iterable[Frame], width: int) -> list[Line]:
    """A line a device, with what has been read of it so far."""
    host, devices = "", dict[str, _Device]()
    for frame in frames:
        if isinstance(frame, Hello):
            host = frame.host
        elif isinstance(frame, DeviceFound) and frame.same_as is None:
            devices[frame.device] = frame, {}
        elif isinstance(frame, Sample) and frame.pid is None and (frame.device or "cpu") in devices:
            devices[frame.device or "cpu"][1].update(frame.values)
    columns = layout(_COLUMNS, width)
    title = Row(Span(" "), Span("acceltop", "*accent"), Span(f"  {clean(host)}", "dim"), back="bar").line()
    rows = sorted(devices.values(), key=lambda device: (device[0].kind == "cpu", device[0].index or 0))
    return [title, BLANK, rule(width, "devices"), heading(columns), *(table_row(columns, row) for row in rows)]


def _label(device: _Device, width: int) -> tuple[Span, ...]:
    return text_cell(clean(device_label(device[0])), width, "*text")


def _activity(device: _Device, width: int) -> tuple[Span, ...]:
    values = device[1]
    share = next((values[name] for name in (*ACTIVITY, HOST_ACTIVITY) if name in values), None)
    return tail_cell(bar(share, width - 6, "sm"), numbers.pct(share), width, "sm")


def _memory(device: _Device, width: int) -> tuple[Span, ...]:
    (found, values), prefix = device, "system" if device[0].kind == "cpu" else "hw.gpu"
    used, limit = values.get(f"{prefix}.memory.usage"), values.get(f"{prefix}.memory.limit", found.memory_bytes)
    text = "" if used is None else numbers.of(used, limit, "B")
    return (*bar(used / limit if used is not None and limit else None, 8, "memory"), *text_cell(f" {text}", width - 8))


_COLUMNS: Sequence[Column[_Device]] = (
    Column("device", "device", 12, _label),
    Column("activity", "busy", 16, _activity),
    Column("memory", "memory", 21, _memory),
)


def _write(text: str) -> None:
    sys.stderr.write(to_ascii(text) if default_glyphs() == "ascii" else text)  # where Textual's own output goes
    sys.stderr.flush()
