"""What stands on every screen: title, layers, time strip and keys, one line each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, cast

from textual import events

from acceltop.profiler import numbers
from acceltop.profiler.clock import NS_PER_S
from acceltop.profiler.history.subjects import ProcessState
from acceltop.profiler.model import LAYERS
from acceltop.profiler.numbers import pct
from acceltop.profiler.remote.hosts import own_pid, script_name
from acceltop.profiler.text import clean
from acceltop.views.draw.line import BLANK, Line, Row, Span, clipped, joined, spans_width
from acceltop.views.draw.rule import keys
from acceltop.views.draw.timestrip import strip, strip_cells
from acceltop.views.facts.awaited import is_watched
from acceltop.views.facts.devices import device_facts
from acceltop.views.facts.kernels import kernel_table
from acceltop.views.facts.notes import clock, exit_words
from acceltop.views.facts.steps import overdue_since, step_facts
from acceltop.views.scene import Scene
from acceltop.views.widgets.pane import Watcher

if TYPE_CHECKING:
    from acceltop.views.screens.page import Page

WIDE = 110
LABELLED = 140  # that layers have their labels
_LAYER_LABELS = {"framework": "framework", "compiler": "compilers", "platform": "platform", "hardware": "hardware",
                 "cloud": "cloud"}  # fmt: skip
_STRIP_SPANS_S = (60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 28_800, 43_200, 86_400)


class TitleBar(Watcher):
    """Machine and job at the left; state, cost and recording at the right."""

    DEFAULT_CSS = "TitleBar { height: 1; }"

    def draw(self, width: int, height: int) -> Sequence[Line]:
        wide = width >= WIDE
        job, state = _job(self.scene, wide), _state(self.scene, wide)
        while len(job) > 1 and spans_width(chain(*job, state)) >= width:
            job.pop()  # half a number would be another one
        return [joined(chain(*job), state, width, "bar")]


def _job(scene: Scene, wide: bool) -> list[list[Span]]:
    """In parts, of which the last gives way first."""
    parts = [[Span(" "), Span("acceltop", "*accent"), Span(f"{'  ' if wide else ' '}{_hosts(scene)}", "dim")]]
    process = scene.process
    if process is None:
        return parts
    pid = own_pid(process.found.pid)
    parts[0] += [Span(" ▸ ", "rule"), Span(clean(script_name(process.found.command), 40), "*text")]
    parts.append([Span(f" pid {pid}" if wide else f" {pid}", "dim")])
    if not is_watched(scene, process.found.pid):
        parts.append([Span("  not attached", "dim")])
    ranks = len(scene.ranks())
    if ranks > 1:
        parts.append([Span(f"  {ranks} ranks")])
    steps = step_facts(scene)
    if steps is not None:
        label = Span("  step " if wide else " step ", "dim" if wide else "")
        parts.append([label, Span(numbers.count(steps.last_index))])
    return parts


def _hosts(scene: Scene) -> str:
    hosts = scene.timeline.hosts
    return f"{len(hosts)} hosts" if len(hosts) > 1 else clean(next(iter(hosts), ""))


def _state(scene: Scene, wide: bool) -> list[Span]:
    gap = Span("   " if wide else " ")
    told = _mode(scene), _overdue(scene), _selected(scene), _dropped(scene), _cost(scene, wide), _recording(scene, wide)
    parts = [part for part in told if part]
    spans: list[Span] = []
    for part in parts:
        spans += [*part, gap]
    return [*spans[:-1], Span(" ")]


def _mode(scene: Scene) -> list[Span]:
    process, head = scene.process, scene.head
    if process and process.gone and process.gone.time_ns <= head.at_ns:
        return [Span("✖ ", "bad"), Span(exit_words(process.gone), "bad")]
    if head.state == "live":
        return [Span("● live", "good"), Span(f" {scene.link.interval_s:g} s", "dim")]
    if head.state == "paused":
        return [Span(f"▮▮ paused {clock(head.at_ns)}", "warn")]
    return [Span(f"{'▶' if head.playing else '▮▮'} replay ×{head.speed:g}", "accent")]


def _overdue(scene: Scene) -> list[Span]:
    since = overdue_since(scene)
    return [Span(f"▲ no step since {clock(since)}", "warn")] if since is not None else []


def _selected(scene: Scene) -> list[Span]:
    selection = scene.head.selection
    return [Span(f"{numbers.duration(selection[1] - selection[0])} selected", "accent")] if selection else []


def _dropped(scene: Scene) -> list[Span]:
    dropped = scene.link.dropped
    return [Span(f"▲ {numbers.count(dropped)} dropped", "warn")] if dropped else []


def _cost(scene: Scene, wide: bool) -> list[Span]:
    pid = scene.focus_pid
    cost = scene.timeline.cost(pid) if pid is not None and is_watched(scene, pid) else None
    now = scene.head.at_end  # of another moment the ratio alone is known
    ratio = cost.ratio if cost and now else scene.value("acceltop.cost", None, pid)
    if cost is None or ratio is None:
        return []
    over = cost.budget is not None and ratio > cost.budget
    about = "" if cost.measured and now else "≈ "
    value = Span(f"{about}{numbers.percent(ratio)}{' ▲' if over else ''}", "warn" if over else "good")
    return [Span("cost to the job " if wide else "cost ", "dim"), value]


def _recording(scene: Scene, wide: bool) -> list[Span]:
    recording = scene.link.recording
    if recording is None:
        return []
    spans = [Span("● rec", "bad")]
    if wide:
        age = max(scene.clock_ns() - recording.since_ns, 0)
        spans.append(Span(f" {_elapsed(age)}  {numbers.size(recording.size_bytes)}", "dim"))
    return spans


def _elapsed(ns: int) -> str:
    seconds = ns // NS_PER_S
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


class LayersBar(Watcher):
    """What the job is made of: framework, compilers with their share of time, platform, hardware, cloud."""

    DEFAULT_CSS = "LayersBar { height: 1; }"
    watches = ("ProcessFound", "KernelWindow", "Steps")

    def draw(self, width: int, height: int) -> Sequence[Line]:
        process = self.scene.process
        if process is None:
            return [BLANK]
        told = {layer: spans for layer in LAYERS if (spans := _layer(self.scene, process, layer))[0].text}
        if width < LABELLED:
            row = _in_one_row(told, Span(" · ", "rule"), {})
        else:
            row = _in_one_row(told, Span("   "), _LAYER_LABELS)
            if row.width > width:
                row = _in_one_row(told, Span("  "), _LAYER_LABELS)
        return [Line(clipped(row.line().spans, width))]


def _layer(scene: Scene, process: ProcessState, layer: str) -> list[Span]:
    loaded = [Span(clean(" · ".join(process.found.layers.get(layer, ())), 60))]
    return layer == "compiler" and _makers(scene) or loaded


def _in_one_row(told: Mapping[str, list[Span]], gap: Span, labels: Mapping[str, str]) -> Row:
    row = Row(Span(" "))
    for layer, spans in told.items():
        row.add([gap] if row.width > 1 else [])
        row.add([Span(f"{labels[layer]} ", "dim")] if labels else []).add(spans)
    return row


def _makers(scene: Scene) -> list[Span]:
    table = kernel_table(scene)
    spans: list[Span] = []
    for name, share in (table.makers if table else [])[:4]:
        spans += [Span(f"{'  ' if spans else ''}{name}"), Span(f" {pct(share)}", "dim")]
    return spans


class TimeStrip(Watcher):
    """All of the time that is known, as the activity of the first device. A click goes there, dragging selects."""

    DEFAULT_CSS = "TimeStrip { height: 1; }"

    def __init__(self) -> None:
        super().__init__()
        self._grid: tuple[int, tuple[int, int], int] | None = None  # first column, the time it covers, columns
        self._pressed: tuple[int, int] | None = None  # time and column where the button went down

    def draw(self, width: int, height: int) -> Sequence[Line]:
        scene, head = self.scene, self.scene.head
        span = scene.timeline.span
        if span is None:
            return [Row().put(f" {scene.link.busy or 'waiting for the first reading'}", "dim").line()]
        state = _strip_state(scene)
        start, cells = strip_cells(width)
        t0, t1 = span if head.recorded and span[0] < span[1] else _strip_range(span)
        self._grid = start, (t0, t1), cells
        pace = max((t1 - t0) // cells, 3 * NS_PER_S)
        key = (id(scene.timeline), span[1] // pace, t0, t1, cells)
        values = scene.memo("strip", key, lambda: _activity(scene, t0, t1, cells))
        times = (span[1], head.at_ns, *(head.selection or ()))
        end, at, *ends = (_cell(time_ns, t0, t1, cells) for time_ns in times)
        marked = (ends[0], ends[1] + 1) if ends else None
        mark = Span("▶", "good") if head.state == "live" or head.playing else Span("‖", "warn")
        elapsed = _elapsed(head.at_ns - span[0])
        # Readings hold for a while: after the end of what is known nothing must be drawn.
        history = scene.area("strip cells", values[: 2 * end + 2], 1)[0].ljust(cells)
        return [strip(width, mark, elapsed, history, at, marked, state)]

    def _time(self, x: int) -> int | None:
        """That column `x` stands for; None while there is nothing."""
        if self._grid is None:
            return None
        start, (t0, t1), cells = self._grid
        return t0 + (x - start) * (t1 - t0) // cells

    def on_mouse_down(self, event: events.MouseDown) -> None:
        time_ns = self._time(event.x)
        if time_ns is None:
            return
        self._pressed = time_ns, event.x
        self.capture_mouse()
        self.scene.head.clear()
        self.scene.head.seek(time_ns)
        self.host.redraw()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        time_ns = self._time(event.x)
        if self._pressed is None or time_ns is None or event.x == self._pressed[1]:
            return
        self._pressed = self._pressed[0], event.x
        self.scene.head.sweep(self._pressed[0], time_ns)
        self.host.redraw()

    def on_mouse_up(self) -> None:
        self._pressed = None
        self.release_mouse()


def _cell(time_ns: int, t0: int, t1: int, cells: int) -> int:
    return min(max((time_ns - t0) * cells // (t1 - t0), 0), cells - 1)


def _strip_state(scene: Scene) -> Span:
    state = scene.head.state
    if state == "live":
        return Span("live", "good")
    return Span("paused", "warn") if state == "paused" else Span(f"×{scene.head.speed:g}", "accent")


def _strip_range(span: tuple[int, int]) -> tuple[int, int]:
    """From the start to a round length, so that it fills from the left and seldom changes its scale."""
    length = max(span[1] - span[0], NS_PER_S)
    days = math.ceil(length / (86_400 * NS_PER_S)) * 86_400
    seconds = next((s for s in _STRIP_SPANS_S if s * NS_PER_S >= length), days)
    return span[0], span[0] + seconds * NS_PER_S


def _activity(scene: Scene, t0: int, t1: int, cells: int) -> list[float]:
    facts = device_facts(scene)
    fact = next((fact for fact in facts if fact.activity), None)
    if fact is None or fact.activity is None:
        return [math.nan] * cells * 2
    values: list[float] = scene.timeline.series(fact.keys[fact.activity], t0, t1, cells * 2).mean.tolist()
    return values


class KeyLine(Watcher):
    """What can be pressed here, or clicked, taken from the bindings themselves."""

    DEFAULT_CSS = "KeyLine { height: 1; }"

    def __init__(self) -> None:
        super().__init__()
        self._places: list[tuple[range, str]] = []  # columns, and the id of what is done there

    def draw(self, width: int, height: int) -> Sequence[Line]:
        pairs = self._pairs()
        gap = "   " if width >= WIDE else "  "
        while len(pairs) > 3 and spans_width(keys(*pairs.values(), gap=gap)) + 1 > width:
            del pairs[list(pairs)[-3]]  # help and quit stay
        row = Row(back="bar").put(" ")
        self._places = []
        for id, pair in pairs.items():
            row.put(gap if self._places else "")
            start = row.width
            self._places.append((range(start, row.add(keys(pair)).width), id))
        return [row.line()]

    def on_click(self, event: events.Click) -> None:
        for columns, id in self._places:
            if event.x in columns:
                self.host.act(id)

    def _pairs(self) -> dict[str, tuple[str, str]]:
        """By id, in the order of KEY_ORDER; the screens' digits, and what goes forth and back, as one."""
        shown: dict[str, tuple[str, str]] = {}
        page = cast("Page", self.screen)
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if binding.show and binding.description and not page.types(binding.key):
                key = self.app.get_key_display(binding)
                shown.setdefault(binding.id or "", (key, binding.description))
        for one, other, meaning in _TOGETHER:
            if one in shown and other in shown:
                shown[one] = f"{shown[one][0]} {shown.pop(other)[0]}", meaning
        screens = [key for _, (key, meaning) in shown.items() if meaning.startswith("screen:")]
        pairs = {id: pair for id, pair in shown.items() if not pair[1].startswith("screen:")}
        ordered = sorted(pairs, key=lambda id: _KEY_ORDER.get(id, _ELSEWHERE))
        first = {"": (f"{screens[0]}-{screens[-1]}", "screens")} if len(screens) > 1 else {}
        return {**first, **{id: pairs[id] for id in ordered}}


_TOGETHER = (
    ("kernel.next", "kernel.previous", "next, previous"),
    ("slices.in", "slices.out", "zoom"),
    ("slices.next", "slices.previous", "window"),
    ("stack.previous_thread", "stack.next_thread", "thread"),
)
_ELSEWHERE = 3  # keys of the pane itself
_ORDER = (
    "time.pause",
    "pane.next",
    "row.open",
    "",
    "filter",
    "table.sort",
    "record",
    "screen.findings",
    "palette",
    "help",
)
_KEY_ORDER = {id: at for at, id in enumerate(_ORDER)} | {"quit": 99, "filter.quit": 99}
