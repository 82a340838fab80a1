"""One kernel: what it is, how near to its device's peaks, how long it takes over time."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

from acceltop.profiler import numbers
from acceltop.profiler.model import DeviceFound
from acceltop.profiler.numbers import pct
from acceltop.profiler.text import clean
from acceltop.views.draw.chart import SCALE, beside, framed, short
from acceltop.views.draw.glyphs import Dots, bar
from acceltop.views.draw.line import Line, Row, Span, clipped, joined
from acceltop.views.draw.roofline import Mark, Plot, Roof
from acceltop.views.draw.rule import rule
from acceltop.views.facts.advice import advice
from acceltop.views.facts.kernels import KernelFact, kernel_table, kernel_windows, launch_words
from acceltop.views.facts.source import Source, source
from acceltop.views.facts.steps import nice_ceiling
from acceltop.views.widgets.findings import finding_lines
from acceltop.views.widgets.kernels import BOUND_TOKENS, on_stream, selected_kernel, short_name
from acceltop.views.widgets.pane import Pane
from acceltop.views.widgets.trends import span_words

_LABEL = 10
WIDE = 110
LEAST_CHART = 7  # lines
MOST_CHART = 28
AROUND = 2  # lines of source before and behind the one that calls it, where there is room
OTHERS = 20  # of the other kernels on the roofline


class KernelPane(Pane):
    """What the kernel of `identity` (kind, name) is, how near to its device's peaks, and what would make it faster."""

    title = "kernel"
    explains = (
        "One kernel. The roofline: left of the bend its device's memory bounds it, right of it its arithmetic; the "
        "diamond is this kernel, dots are others. Beside it: its mean time in each window. The launch is that of its "
        "longest call: blocks, threads of a block, registers of a thread, shared memory of a block, and the occupancy, "
        "an estimate of how full of threads the device is then. Its source is read from this machine, if it is the "
        "one that was measured and the file has not changed since the job began."
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
        facts, told = self._facts(fact, width), self._advice(fact, width)
        room = height - 1 - len(facts) - len(told)
        code = self._source(fact, width, min(AROUND, (room - 2) // 2))
        charts = self._charts(fact, width, room - len(code))
        if not charts and (charts := self._charts(fact, width, room)):
            code = []  # a chart, and what would make it faster, say more than the line
        return [heading, *facts, *charts, *code, *told]

    def hints(self) -> Iterable[Span]:
        table, fact = kernel_table(self.scene), self.fact()
        if table is None or fact is None:
            return ()
        return [Span(f"rank {table.rows.index(fact) + 1} of {len(table.rows)}", "dim")]

    # --- what it is

    def _facts(self, fact: KernelFact, width: int) -> list[Line]:
        wide = width >= WIDE
        each = (width - 4) // 2 if wide else width
        what, much = self._what(fact, each), self._how_much(fact, each)
        if not wide:
            return [*what, *much]
        return beside([(what, each), (much, each)], max(len(what), len(much)), 2)

    def _what(self, fact: KernelFact, width: int) -> list[Line]:
        kernel = fact.kernel
        names = [
            ("name", kernel.name),
            ("made by", kernel.origin),
            ("op", kernel.op),
            ("module", _module(fact)),
            ("line", kernel.location),
        ]
        lines = [_pair(label, numbers.shorten(clean(text), width - _LABEL), width) for label, text in names if text]
        placed = [*launch_words(kernel.launch), *on_stream(kernel)]
        if placed:
            lines.append(_pair("launch" if kernel.launch else "runs on", " · ".join(placed), width))
        return lines

    def _how_much(self, fact: KernelFact, width: int) -> list[Line]:
        kernel = fact.kernel
        calls, per_step = numbers.count(kernel.calls), kernel.calls_per_step
        often = f"{numbers.three(per_step)} a step, {calls}" if per_step is not None else calls
        took = "" if kernel.per_step_ns is None else f", {numbers.duration(kernel.per_step_ns)} a step"
        of = "device" if kernel.kind != "op" else "op"
        lines = [
            _pair("share", f"{numbers.percent(kernel.share)} of {of} time{took}", width),
            _pair("calls", f"{often} in profiled windows", width),
            _pair("time", _times(fact), width),
        ]
        for label, share, token, rate in _peaks(fact):
            row = Row().put(f" {label}", "dim", _LABEL).add(bar(share, 16, token))
            lines.append(row.put(f" {pct(share)} ", token).put(rate, "dim").line())
        if fact.bound:
            lines.append(Row().put(" bound", "dim", _LABEL).put(fact.bound, BOUND_TOKENS[fact.bound]).line())
        return lines

    # --- charts

    def _charts(self, fact: KernelFact, width: int, height: int) -> list[Line]:
        """Side by side, or where that is too narrow below each other; none in less than LEAST_CHART lines."""
        height = min(height, MOST_CHART if width >= WIDE else 2 * MOST_CHART)
        if height < LEAST_CHART:
            return []
        each = (width - 4) // 2
        if width >= WIDE and (roof := self._roofline(fact, each, height)):
            return beside([(roof, each), (self._history(fact, each, height), each)], height, 2)
        roof = self._roofline(fact, width, height // 2) if height >= 2 * LEAST_CHART else []
        return [*roof, *self._history(fact, width, height - len(roof))]

    def _roofline(self, fact: KernelFact, width: int, height: int) -> list[Line]:
        own, roof = _mark(fact, "this one"), _roof(fact)
        if own is None or roof is None:
            return []
        plot = Plot(roof, own, self._others(fact), width - SCALE, height - 2, self.scene.glyphs)
        told = f"{numbers.three(own.intensity)} FLOP/byte · {self._peak_words(fact, roof)}"
        title = rule(width, "roofline", hints=[Span(told, "dim")])
        return [title, *framed([], plot.lines(), roof.labels(), width)[1:], plot.axis()]

    def _others(self, fact: KernelFact) -> list[Mark]:
        """The next kernels by time on the same device; without their names, which would cover each other."""
        table = kernel_table(self.scene)
        rows = table.rows if table else []
        alike = [row for row in rows if row.kernel.device == fact.kernel.device and row.name != fact.name]
        marks = [mark for row in alike[: 2 * OTHERS] if (mark := _mark(row)) is not None]
        return marks[:OTHERS]

    def _peak_words(self, fact: KernelFact, roof: Roof) -> str:
        device = self._device(fact)
        kinds = device.peak_flop_per_s.items() if device else ()
        kind = next((kind for kind, peak in kinds if abs(peak - roof.flop_per_s) < 1e-6 * peak), "")
        return f"{kind} · {clean(device.name, 30)}" if device else kind

    def _device(self, fact: KernelFact) -> DeviceFound | None:
        state = self.scene.timeline.devices.get(fact.kernel.device or "")
        return state.found if state is not None else None

    def _history(self, fact: KernelFact, width: int, height: int) -> list[Line]:
        points = kernel_windows(self.scene, fact.name)
        if height < LEAST_CHART or len(points) < 2:
            return []
        cells, rows = width - SCALE, height - 2
        dots = Dots(cells, rows, self.scene.glyphs)
        t0, t1 = self.scene.head.window_ns()
        top = nice_ceiling(max(mean for _, mean, _, _ in points))
        for time_ns, mean, _, _ in points:
            dots.set((time_ns - t0) * (dots.width - 1) // max(t1 - t0, 1), round((1 - mean / top) * (dots.height - 1)))
        lines = [Line((Span(text, "dram"),)) for text in dots.rows()]
        title = rule(width, "how long it takes", hints=[Span("mean of each window", "dim")])
        labels = short(numbers.duration(top)), short(numbers.duration(top / 2)), "0"
        ago = Row().to(SCALE).put(f"−{span_words(t1 - t0)}", "dim").to(width - 5).put("now", "dim")
        return [title, *framed([], lines, labels, width)[1:], ago.line()]

    # --- where, and what next

    def _source(self, fact: KernelFact, width: int, around: int) -> list[Line]:
        """The line that calls it within `around` lines before and behind; nothing where not even the line has room."""
        found = source(self.scene, fact.kernel.location, around) if around >= 0 else None
        if found is None:
            return []
        place = Span(numbers.shorten(clean(fact.kernel.location or ""), max(width - 30, 10)), "dim")
        heading = rule(width, "where it is called", hints=[place])
        return [heading, *(self.waiting(found.problem) if found.problem else _code(found, fact, width))]

    def _advice(self, fact: KernelFact, width: int) -> list[Line]:
        found = advice(self.scene, fact)
        lines = [line for finding in found for line in finding_lines(finding, width)]
        return [rule(width, "what would make it faster"), *lines]


def _code(found: Source, fact: KernelFact, width: int) -> list[Line]:
    """The calling line stands out, with what it costs behind it."""
    lines = []
    for number, text in found.lines:
        here = number == found.line
        row = Row(back="selected" if here else "").put(" ▶ " if here else "   ", "accent")
        row.put(str(number), "accent" if here else "dim", 6, ">").put(f"  {text}", "*text" if here else "")
        cost = Span(f"  {numbers.percent(fact.kernel.share)} ", "dram") if here else Span("")
        lines.append(joined(row.line().spans, [cost], width, row.back))
    return lines


def _roof(fact: KernelFact) -> Roof | None:
    """The peaks that its shares are of."""
    kernel, roof = fact.kernel, fact.roof
    if not (roof.of_compute and roof.of_memory and kernel.flop_per_s and kernel.bytes_per_s):
        return None
    return Roof(kernel.flop_per_s / roof.of_compute, kernel.bytes_per_s / roof.of_memory)


def _mark(fact: KernelFact, label: str = "") -> Mark | None:
    moved, done = fact.kernel.bytes_per_s, fact.kernel.flop_per_s
    return Mark(done / moved, done, label) if moved and done else None


def _peaks(fact: KernelFact) -> list[tuple[str, float, str, str]]:
    kernel, roof, peaks = fact.kernel, fact.roof, []
    if roof.of_memory is not None:
        peaks.append(("memory", roof.of_memory, "dram", numbers.si(kernel.bytes_per_s, "B/s")))
    if roof.of_compute is not None:
        peaks.append(("compute", roof.of_compute, "tensor", numbers.si(kernel.flop_per_s, "FLOP/s")))
    return peaks


def _module(fact: KernelFact) -> str | None:
    kernel = fact.kernel
    more = f" and {kernel.modules - 1} more" if kernel.modules > 1 else ""
    return f"{kernel.module}{more}" if kernel.module else None


def _times(fact: KernelFact) -> str:
    kernel = fact.kernel
    low, mean, high = (numbers.duration(ns) for ns in (kernel.min_ns, kernel.mean_ns, kernel.max_ns))
    return f"min {low}  mean {mean}  max {high}"


def _pair(label: str, text: str, width: int) -> Line:
    return Line(clipped(Row().put(f" {label}", "dim", _LABEL).put(text).line().spans, width))
