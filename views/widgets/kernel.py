"""One kernel: what it is, how near to its device's peaks, how long it takes over time."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence

from acceltop.profiler import numbers
from acceltop.profiler.model import DeviceFound
from acceltop.profiler.text import clean
from acceltop.views.draw.chart import SCALE, framed, short
from acceltop.views.draw.glyphs import Dots, bar
from acceltop.views.draw.line import BLANK, Line, Row, Span, clipped
from acceltop.views.draw.rule import rule
from acceltop.views.facts.kernels import KernelFact, kernel_table, kernel_windows
from acceltop.views.facts.steps import nice_ceiling
from acceltop.views.widgets.devices import pct
from acceltop.views.widgets.kernels import BOUND_TOKENS, selected_kernel, short_name
from acceltop.views.widgets.pane import Pane
from acceltop.views.widgets.trends import span_words

_LABEL = 10


class KernelPane(Pane):
    """Facts, roofline and history of the kernel of `identity` (kind, name)."""

    title = "kernel"
    explains = (
        "One kernel. The roofline: left of the bend its device's memory bounds it, right of it its arithmetic; the "
        "diamond is this kernel. Below: its mean time in each window."
    )
    identity: Hashable = None
    can_focus = True

    def fact(self) -> KernelFact | None:
        return selected_kernel(self.scene, self.identity)

    def copy_name(self) -> None:
        fact = self.fact()
        if fact is not None:
            self.copy(clean(fact.name))

    def draw(self, width: int, height: int) -> Sequence[Line]:
        fact = self.fact()
        heading = rule(width, short_name(fact.name) if fact else "kernel", hints=self.hints(), focused=self.has_focus)
        if fact is None:
            return [heading, *self.waiting("choose a kernel" if self.identity is None else "not seen in this range")]
        facts = self._facts(fact, width)
        lines = [heading, *facts, BLANK]
        room = height - len(lines)
        roof = self._roofline(fact, width, min(room // 2, 18)) if room >= 16 else []
        return [*lines, *roof, *self._history(fact, width, height - len(lines) - len(roof))]

    def hints(self) -> Iterable[Span]:
        table, fact = kernel_table(self.scene), self.fact()
        if table is None or fact is None:
            return ()
        return [Span(f"rank {table.rows.index(fact) + 1} of {len(table.rows)}", "dim")]

    # --- facts

    def _facts(self, fact: KernelFact, width: int) -> list[Line]:
        kernel = fact.kernel
        pairs = [
            ("name", clean(kernel.name)),
            ("made by", clean(kernel.origin or numbers.UNKNOWN)),
            ("op", clean(kernel.op or numbers.UNKNOWN)),
            ("module", _module(fact)),
            ("line", clean(kernel.location or numbers.UNKNOWN)),
            ("share", f"{numbers.percent(kernel.share)} of {'device' if kernel.kind != 'op' else 'op'} time"),
            ("calls", f"{numbers.count(kernel.calls)} in profiled windows"),
            ("time", _times(fact)),
            ("a step", numbers.duration(kernel.per_step_ns)),
        ]
        lines = [_pair(label, text, width) for label, text in pairs if text != numbers.UNKNOWN]
        for label, share, token, rate in self._peaks(fact):
            row = Row().put(f" {label}", "dim", _LABEL).add(bar(share, 16, token))
            lines.append(row.put(f" {pct(share)} ", token).put(rate, "dim").line())
        if fact.bound:
            lines.append(Row().put(" bound", "dim", _LABEL).put(fact.bound, BOUND_TOKENS[fact.bound]).line())
        return lines

    def _peaks(self, fact: KernelFact) -> list[tuple[str, float, str, str]]:
        kernel, peaks = fact.kernel, []
        if fact.roof.of_memory is not None:
            peaks.append(("memory", fact.roof.of_memory, "dram", numbers.si(kernel.bytes_per_s, "B/s")))
        if fact.roof.of_compute is not None:
            peaks.append(("compute", fact.roof.of_compute, "tensor", numbers.si(kernel.flop_per_s, "FLOP/s")))
        return peaks

    # --- roofline

    def _roofline(self, fact: KernelFact, width: int, height: int) -> list[Line]:
        device = self._device(fact)
        own = _intensity(fact)
        if device is None or own is None or height < 6:
            return []
        peak = max(device.peak_flop_per_s.values())
        cells, rows = width - SCALE, height - 2
        plot = _Log(cells * 2, rows * 4, peak, device.peak_bytes_per_s or 1.0, own[0])
        dots = Dots(cells, rows, self.scene.glyphs)
        for x in range(dots.width):
            dots.set(x, plot.y(plot.roof(plot.intensity(x))))
        lines = [Line((Span(text, "dram"),)) for text in dots.rows()]
        at = (plot.x(own[0]) // 2, plot.y(own[1]) // 4)
        marked = [_mark(line, at[0]) if row == at[1] else line for row, line in enumerate(lines)]
        top, middle, bottom = (short(numbers.si(plot.top / part, "")) for part in (1, 100, 1e4))
        labels = top, middle, bottom
        title = [Span("roofline  ", "*text"), Span(f"{numbers.three(own[0])} FLOP/byte · {clean(device.name)}", "dim")]
        return [*framed([Span(" "), *title], marked, labels, width), plot.axis()]

    def _device(self, fact: KernelFact) -> DeviceFound | None:
        state = self.scene.timeline.devices.get(fact.kernel.device or "")
        known = state is not None and state.found.peak_bytes_per_s and state.found.peak_flop_per_s
        return state.found if state is not None and known else None

    # --- history

    def _history(self, fact: KernelFact, width: int, height: int) -> list[Line]:
        points = kernel_windows(self.scene, fact.name)
        if height < 5 or len(points) < 2:
            return []
        cells, rows = width - SCALE, height - 2
        dots = Dots(cells, rows, self.scene.glyphs)
        t0, t1 = self.scene.head.window_ns()
        top = nice_ceiling(max(mean for _, mean, _, _ in points))
        for time_ns, mean, _, _ in points:
            dots.set((time_ns - t0) * (dots.width - 1) // max(t1 - t0, 1), round((1 - mean / top) * (dots.height - 1)))
        lines = [Line((Span(text, "dram"),)) for text in dots.rows()]
        title = [Span(" how long it takes", "*text"), Span("  mean of each window", "dim")]
        labels = short(numbers.duration(top)), short(numbers.duration(top / 2)), "0"
        ago = Row().to(SCALE).put(f"−{span_words(t1 - t0)}", "dim").to(width - 5).put("now", "dim")
        return [*framed(title, lines, labels, width), ago.line()]


class _Log:
    """Logarithmic axes around the bend of the roof and the kernel's own place. Dots to values and back."""

    def __init__(self, width: int, height: int, peak: float, bandwidth: float, own: float) -> None:
        self._peak, self._bandwidth = peak, bandwidth
        bend = peak / bandwidth
        self._left = min(math.log10(bend) - 3, math.log10(own) - 0.5)
        self._right = max(math.log10(bend) + 1.2, math.log10(own) + 0.5)
        self._width, self._height = width, height
        self.top = 10 ** math.ceil(math.log10(peak))

    def axis(self) -> Line:
        """FLOP/byte at powers of ten."""
        row = Row()
        for power in range(math.ceil(self._left), math.floor(self._right) + 1):
            row.to(SCALE + self.x(10**power) // 2).put(f"{10.0**power:g}", "dim")
        return row.put(" FLOP/byte", "dim").line()

    def intensity(self, x: int) -> float:
        return float(10 ** (self._left + (self._right - self._left) * x / self._width))

    def roof(self, intensity: float) -> float:
        return min(self._peak, intensity * self._bandwidth)

    def x(self, intensity: float) -> int:
        place = (math.log10(max(intensity, 1e-12)) - self._left) / (self._right - self._left)
        return min(max(round(place * self._width), 0), self._width - 1)

    def y(self, flop_per_s: float) -> int:
        place = (math.log10(self.top) - math.log10(max(flop_per_s, 1.0))) / 4
        return min(max(round(place * self._height), 0), self._height - 1)


def _mark(line: Line, cell: int) -> Line:
    """The line with a diamond at `cell`."""
    text, label = line.text, "◆ this one"
    token = line.spans[0].token
    return Line(
        (Span(text[:cell], token), Span(label[: len(text) - cell], "*accent"), Span(text[cell + len(label) :], token))
    )


def _intensity(fact: KernelFact) -> tuple[float, float] | None:
    """FLOP/byte and FLOP/s."""
    moved, done = fact.kernel.bytes_per_s, fact.kernel.flop_per_s
    return (done / moved, done) if moved and done else None


def _module(fact: KernelFact) -> str:
    kernel = fact.kernel
    if not kernel.module:
        return numbers.UNKNOWN
    more = f" and {kernel.modules - 1} more" if kernel.modules > 1 else ""
    return f"{clean(kernel.module)}{more}"


def _times(fact: KernelFact) -> str:
    kernel = fact.kernel
    low, mean, high = (numbers.duration(ns) for ns in (kernel.min_ns, kernel.mean_ns, kernel.max_ns))
    return f"min {low}  mean {mean}  max {high}"


def _pair(label: str, text: str, width: int) -> Line:
    return Line(clipped(Row().put(f" {label}", "dim", _LABEL).put(text).line().spans, width))
