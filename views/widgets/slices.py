"""Single calls over time, by stream or thread, down to one kernel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import ClassVar

from textual import events
from textual.binding import BindingType

from acceltop.profiler import numbers
from acceltop.profiler.model import KernelWindow
from acceltop.profiler.text import clean
from acceltop.views.draw.icicle import colour_of
from acceltop.views.draw.line import BLANK, Line, Row, Span, clipped, fit
from acceltop.views.draw.rule import keys
from acceltop.views.facts.awaited import CALLS, awaited
from acceltop.views.facts.notes import clock
from acceltop.views.facts.slices import (
    Lane,
    SliceView,
    alike,
    callers,
    lane_cells,
    longest,
    nearest,
    slice_view,
    sliced_windows,
)
from acceltop.views.keys import arrows, hidden
from acceltop.views.widgets.kernels import short_name
from acceltop.views.widgets.pane import Pane

LABEL = 14
NAMED = 6  # cells of one call from which its name stands in them
TALLEST = 3  # lines of a lane, where there are few
_LEVELS = " ▁▂▃▄▅▆▇█"
_PHASE_COLOURS = ("phase.forward", "phase.backward", "phase.data", "phase.optimizer", "phase.communication", "dram")


class SlicesPane(Pane):
    """One window at a time: n and p go to the next and the previous one."""

    watches = ("KernelWindow", "ProcessFound")
    number, title = "6", "timeline"
    explains = (
        "Each row is a stream or a thread; what a call calls is in the row below it. A cell has the colour of the "
        "call that takes most of it, and is as high as its time is covered. Arrows go from call to call, + and - zoom "
        "around the chosen one, the wheel around the mouse. A filter leaves its matches their colour."
    )
    can_focus = True
    BINDINGS: ClassVar[list[BindingType]] = [
        *arrows("slices", "lane", "line above", "line below", "call", "previous call", "next call"),
        hidden("y", "copy", "copy the name", "slices.copy"),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.window_t1: int | None = None  # of the window that is held; None: the newest
        self.lane = 0
        self.call: int | None = None
        self.view: tuple[int, int] | None = None  # ns after the window's start
        self._top, self._tall = 0, 1  # the first lane that is drawn, and the lines of each

    def window(self) -> KernelWindow | None:
        windows = sliced_windows(self.scene)
        held = next((w for w in windows if w.t1_ns == self.window_t1), None)
        return held or (windows[-1] if windows else None)

    def shown(self) -> SliceView | None:
        window = self.window()
        return slice_view(self.scene, window) if window else None

    def hints(self) -> Iterable[Span]:
        window, shown = self.window(), self.shown()
        if window is None or shown is None:
            return ()
        held = "held" if self.window_t1 is not None else "newest"
        told = f"{held} window, {clock(window.t1_ns)} · {numbers.count(shown.calls)} calls"
        pairs = [("n p", "window"), ("+ -", "zoom")] if self.size.width >= 100 else []
        back = [("esc", "newest")] if self.window_t1 is not None else []
        return [Span(f"{told}  " if pairs or back else told, "dim"), *keys(*pairs, *back)]

    def span(self, shown: SliceView) -> tuple[int, int]:
        """What is in sight, in ns after the window's start."""
        return self.view or (shown.start_ns, shown.end_ns)

    def body(self, width: int, height: int) -> Sequence[Line]:
        shown = self.shown()
        if shown is None:
            return self.waiting(awaited(self.scene, CALLS))
        t0, t1 = self.span(shown)
        cells = max(width - LABEL - 2, 8)
        lines = [_scale(t0, t1, shown.start_ns, cells), BLANK]
        room = max(height - 5, 1)
        self.lane = min(self.lane, len(shown.lanes) - 1)
        self._tall = min(max(room // len(shown.lanes), 1), TALLEST)
        rows = room // self._tall
        self._top = min(max(self.lane - rows // 2, 0), max(len(shown.lanes) - rows, 0))
        for at, lane in list(enumerate(shown.lanes))[self._top : self._top + rows]:
            lines += self._lane(shown, at, lane, t0, t1, cells)
        return [*lines, *[BLANK] * (height - 2 - len(lines)), *self._told(shown, width)]

    def _lane(self, shown: SliceView, at: int, lane: Lane, t0: int, t1: int, cells: int) -> list[Line]:
        found = lane_cells(lane, t0, t1, cells)
        drawn = zip(found.name.tolist(), (found.covered * 8 * self._tall).round().astype(int).tolist(), strict=True)
        runs = [
            (name, full, [level for _, level in run])
            for (name, full), run in groupby(drawn, key=lambda cell: (cell[0], cell[1] == 8 * self._tall))
        ]
        chosen = at == self.lane
        lines = []
        for line in range(self._tall):
            row = Row(back="selected" if chosen else "").put("▌" if chosen else " ", "accent")
            label = "" if lane.depth or line else clean(lane.label)
            row.put(label, "*text" if chosen else "dim", LABEL - 2).put(" ")
            for name, full, levels in runs:
                row.put(*self._run(shown, name, full, levels, line))
            lines.append(row.line())
        if chosen and self.call is not None:
            column = int((lane.start[self.call] - t0) * cells / max(t1 - t0, 1)) + LABEL
            return [_with_cursor(line, column, cells) for line in lines]
        return lines

    def _run(self, shown: SliceView, name: int, full: bool, levels: list[int], line: int) -> tuple[str, str]:
        """Neighbouring cells of one name in one line of a lane: as high as they are covered, with the name in them
        where it has room."""
        token = self._token(shown, name)
        if full and name >= 0 and len(levels) >= NAMED and self.scene.palette.coloured:
            text = f" {short_name(shown.names[name])}" if line == self._tall // 2 else ""
            return fit(text, len(levels)), f"base@{token}"
        below = 8 * (self._tall - 1 - line)
        return "".join(_LEVELS[_level(level, below) if name >= 0 else 0] for level in levels), token

    def _token(self, shown: SliceView, name: int) -> str:
        if name < 0:
            return ""
        if self.scene.filter.lower() not in shown.names[name].lower():
            return "faint"
        return _PHASE_COLOURS[int(colour_of(shown.names[name]).rpartition(".")[2])]

    def _told(self, shown: SliceView, width: int) -> list[Line]:
        """The chosen call in words."""
        lane = shown.lanes[self.lane]
        if self.call is None or self.call >= len(lane.start):
            hint = Row().put(" ").add(keys(("← →", "choose a call"), ("↑ ↓", "stream or thread"), ("+", "zoom in")))
            return [hint.line()]
        name = shown.names[int(lane.name[self.call])]
        start, duration = int(lane.start[self.call]), int(lane.duration[self.call])
        count, together = alike(shown, lane, int(lane.name[self.call]))
        before = start - int(lane.start[self.call - 1] + lane.duration[self.call - 1]) if self.call else 0
        second = (
            f"  {numbers.duration(duration)} · at {numbers.duration(start - shown.start_ns)} of the window · "
            f"gap before {numbers.duration(max(before, 0))} · {numbers.count(count)} of this name, together "
            f"{numbers.duration(together)}"
        )
        outer = [shown.names[int(shown.lanes[at].name[call])] for at, call in callers(shown, self.lane, self.call)]
        first = Row(back="bar").put("  ").put(numbers.shorten(short_name(name), width - 4), "*text")
        first.put("".join(f" ← {short_name(name)}" for name in outer), "dim")
        return [Line(clipped(spans, width), "bar") for spans in (first.line().spans, [Span(second, "dim")])]

    # --- hands

    def action_call(self, steps: int) -> None:
        shown = self.shown()
        if shown is None:
            return
        self._hold()
        lane = shown.lanes[self.lane]
        self.call = 0 if self.call is None else min(max(self.call + steps, 0), len(lane.start) - 1)
        self._follow(shown, int(lane.start[self.call]))
        self.host.redraw()

    def action_lane(self, steps: int) -> None:
        shown = self.shown()
        if shown is None:
            return
        at = int(shown.lanes[self.lane].start[self.call]) if self.call is not None else None
        self.lane = min(max(self.lane + steps, 0), len(shown.lanes) - 1)
        self.call = nearest(shown.lanes[self.lane], at) if at is not None else None
        self.host.redraw()

    def zoom(self, factor: float) -> None:
        """Around the chosen call, else around the middle; 0 shows all."""
        shown = self.shown()
        if shown is None:
            return
        middle = sum(self.span(shown)) // 2
        if self.call is not None:
            lane = shown.lanes[self.lane]
            middle = int(lane.start[self.call] + lane.duration[self.call] // 2)
        self._zoom(shown, factor, middle)

    def _zoom(self, shown: SliceView, factor: float, at: int) -> None:
        """What is at that time comes into the middle."""
        self._hold()
        t0, t1 = self.span(shown)
        length = max(int((t1 - t0) * factor), 200)
        whole = not factor or length >= shown.end_ns - shown.start_ns
        self.view = None if whole else _around(shown, at, length)
        self.host.redraw()

    def go_to(self, name: str) -> None:
        """Chooses the longest call of that name in sight."""
        shown = self.shown()
        if shown is None or name not in shown.names:
            return
        self._hold()
        self.lane, self.call = longest(shown, name, *self.span(shown))
        self.host.redraw()

    def go_through(self, steps: int) -> None:
        """To a later window, or an earlier one."""
        windows, now = sliced_windows(self.scene), self.window()
        if now is None:
            return
        at = [w.t1_ns for w in windows].index(now.t1_ns) + steps
        self.window_t1 = windows[min(max(at, 0), len(windows) - 1)].t1_ns
        self.call, self.view = None, None
        self.host.redraw()

    def action_copy(self) -> None:
        shown = self.shown()
        if shown is not None and self.call is not None:
            self.copy(clean(shown.names[int(shown.lanes[self.lane].name[self.call])]))

    def release(self) -> bool:
        """Follows the newest window again; says whether one was held."""
        held = self.window_t1 is not None
        self.window_t1 = self.call = self.view = None
        return held

    def clicked(self, x: int, y: int) -> None:
        shown = self.shown()
        at = self._top + (y - 2) // self._tall
        if shown is None or y < 2 or at >= len(shown.lanes):
            return
        self._hold()
        self.lane = at
        self.call = nearest(shown.lanes[self.lane], self._time(shown, x))
        self.host.redraw()

    def _time(self, shown: SliceView, x: int) -> int:
        """Of a column."""
        t0, t1 = self.span(shown)
        return t0 + (x - LABEL) * (t1 - t0) // max(self.size.width - LABEL - 2, 8)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._wheel(event, 0.8)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._wheel(event, 1.25)

    def _wheel(self, event: events.MouseEvent, factor: float) -> None:
        """What is under the mouse stays there."""
        event.stop()
        shown = self.shown()
        if shown is not None:
            at = self._time(shown, event.x)
            self._zoom(shown, factor, at + int((sum(self.span(shown)) // 2 - at) * factor))

    def _hold(self) -> None:
        window = self.window()
        self.window_t1 = window.t1_ns if window else None

    def _follow(self, shown: SliceView, at: int) -> None:
        """Moves the view so that this time is in it."""
        if self.view is not None and not self.view[0] <= at < self.view[1]:
            self.view = _around(shown, at, self.view[1] - self.view[0])


def _around(shown: SliceView, at: int, length: int) -> tuple[int, int]:
    """So long a part of the window, with this time in its middle where that can be."""
    first = min(max(at - length // 2, shown.start_ns), shown.end_ns - length)
    return first, first + length


def _level(covered: int, below: int) -> int:
    """Eighths of a line that are covered, where so many lie below it; what is there at all shows in the lowest."""
    return min(max(covered - below, 0 if below else 1), 8)


def _scale(t0: int, t1: int, origin: int, cells: int) -> Line:
    """Times at five places."""
    row = Row().to(LABEL)
    for part in range(5):
        text = numbers.duration(t0 - origin + (t1 - t0) * part // 4) if part or t0 > origin else "0"
        row.to(LABEL + part * (cells - 9) // 4).put(f"╷{text}", "dim")
    return row.line()


def _with_cursor(line: Line, column: int, cells: int) -> Line:
    if not LABEL <= column < LABEL + cells:
        return line
    row, at = Row(back=line.back), 0
    for span in line.spans:
        end = at + len(span.text)
        if at <= column < end:
            cut = column - at
            row.put(span.text[:cut], span.token).put("▌", "*accent").put(span.text[cut + 1 :], span.token)
        else:
            row.add((span,))
        at = end
    return row.line()
