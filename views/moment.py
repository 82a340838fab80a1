"""Which moment the screens show. Live, paused and replay are one thing: a cursor in time that moves differently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from acceltop.profiler.clock import NS_PER_S

SPANS_S = (30, 60, 240, 900, 3600, 21_600, 86_400)  # what a chart may cover: + and - go through them
SPEEDS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
USUAL = 2  # of them
RANGE_S = 60  # tables sum up this much before the cursor, unless a range is selected
BLOCK_NS = 20 * NS_PER_S  # from a multiple of this on, so that what was summed up before can be used again


class Extent(Protocol):
    """What a playhead must know of a Timeline: its first and last time, None while it holds nothing."""

    @property
    def span(self) -> tuple[int, int] | None: ...


@dataclass
class Playhead:
    """`live` follows the end of the timeline; otherwise the cursor stands, or plays at `speed`.

    `recorded`: the timeline is a recording, so its end is not "now".
    """

    timeline: Extent
    recorded: bool = False
    zoom: int = USUAL
    speed: float = 1.0
    playing: bool = False
    selection: tuple[int, int] | None = None
    cursor: int | None = None  # ns; None: at the end, whatever that is by then
    jumps: int = 0  # so often it was told where to be, rather than going on by itself
    _anchor: int | None = None

    @property
    def at_ns(self) -> int:
        """The moment that is shown; 0 while nothing is known."""
        if self.cursor is not None:
            return self.cursor
        span = self.timeline.span
        return span[1] if span else 0

    @property
    def at_end(self) -> bool:
        return self.cursor is None

    @property
    def state(self) -> str:
        """`live`, `paused` or `replay`."""
        if self.recorded:
            return "replay"
        return "live" if self.cursor is None else "paused"

    @property
    def history_ns(self) -> int:
        """How much time a chart covers."""
        return SPANS_S[self.zoom] * NS_PER_S

    def range_ns(self) -> tuple[int, int]:
        """What tables sum up."""
        if self.selection is not None:
            return self.selection
        at = self.at_ns
        start = at - RANGE_S * NS_PER_S
        return start - start % BLOCK_NS, at

    def window_ns(self) -> tuple[int, int]:
        """What charts show."""
        at = self.at_ns
        return at - self.history_ns, at

    def advance(self, seconds: float) -> bool:
        """Time went by; says whether the cursor moved. Playing ends at the end of the recording."""
        if not self.playing or self.cursor is None:
            return False
        self._go(self.cursor + int(seconds * self.speed * NS_PER_S))
        self.playing = self.cursor is not None
        return True

    def toggle(self) -> None:
        """Space: pause and go on. At the end of a recording it plays again from the start."""
        self.jumps += 1  # so that a picture that stands is in order, too
        if not self.recorded:
            self.cursor = self.at_ns if self.at_end else None
            return
        self.playing = not self.playing
        if self.at_end:
            self.seek(0)

    def follow(self) -> None:
        """Live again, whatever was selected before."""
        self.clear()
        self.jumps += 1
        self.cursor = None

    def seek(self, to_ns: int) -> None:
        """At or after the end it follows the end."""
        self.jumps += 1
        self._go(to_ns)

    def _go(self, to_ns: int) -> None:
        span = self.timeline.span
        if span is None:
            return
        self.cursor = None if to_ns >= span[1] else max(to_ns, span[0])
        if self._anchor is not None:
            self._select(self._anchor, self.at_ns)

    def move(self, cells: int, cells_in_strip: int) -> None:
        """←/→: by cells of the time strip, at least a second."""
        span = self.timeline.span
        if span is None:
            return
        step = max((span[1] - span[0]) // max(cells_in_strip, 1), NS_PER_S)
        self.playing = False
        self.seek(self.at_ns + cells * step)

    def mark(self) -> None:
        """Begins a selection at the cursor, or ends it."""
        self._anchor = None if self._anchor is not None else self.at_ns

    def sweep(self, start_ns: int, to_ns: int) -> None:
        """Selects what lies between, with the cursor at the end of it."""
        self._anchor, span = None, self.timeline.span
        self.seek(to_ns)
        if span is not None:
            self._select(min(max(start_ns, span[0]), span[1]), self.at_ns)

    def clear(self) -> bool:
        """Forgets the selection; says whether there was one."""
        had = self.selection is not None or self._anchor is not None
        self.selection = self._anchor = None
        self.jumps += had
        return had

    def faster(self, steps: int) -> None:
        nearest = min(range(len(SPEEDS)), key=lambda index: abs(SPEEDS[index] - self.speed))
        self.speed = SPEEDS[min(max(nearest + steps, 0), len(SPEEDS) - 1)]

    def zoom_by(self, steps: int) -> None:
        """Positive: nearer, less time."""
        self.zoom = min(max(self.zoom - steps, 0), len(SPANS_S) - 1)

    def zoom_usual(self) -> None:
        """So near that a recording which is shorter than usual fills the charts."""
        span = self.timeline.span if self.recorded else None
        length = span[1] - span[0] if span else SPANS_S[USUAL] * NS_PER_S
        self.zoom = next((at for at in range(USUAL) if SPANS_S[at] * NS_PER_S >= length), USUAL)

    def _select(self, start: int, end: int) -> None:
        self.selection = (min(start, end), max(start, end)) if start != end else None
