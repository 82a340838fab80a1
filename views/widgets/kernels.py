"""Kernels by the time they take."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from operator import attrgetter

from acceltop.profiler import numbers
from acceltop.profiler.analysis.hotspots import Kernel
from acceltop.profiler.numbers import pct
from acceltop.profiler.text import clean
from acceltop.views.draw.glyphs import bar
from acceltop.views.draw.line import Line, Row, Span, clipped, fit
from acceltop.views.draw.rule import keys
from acceltop.views.draw.table import Column, Order, tail_cell, text_cell
from acceltop.views.facts.awaited import KERNELS, awaited
from acceltop.views.facts.kernels import KernelFact, KernelTable, kernel_table, launch_words
from acceltop.views.scene import Scene
from acceltop.views.widgets.table_pane import TablePane

BOUND_TOKENS = {"memory": "dram", "compute": "tensor", "latency": "warn", "copy": "memory", "comm": "sm"}
LARGE = 0.1  # of all kernel time: such a kernel is named also where its row has no room
_PREFIXES = ("void ", "aten::")
_identity, _total_ns = attrgetter("kind", "name"), attrgetter("total_ns")  # asked of hundreds: without a frame


def short_name(name: str) -> str:
    """Without what every kernel's name begins with."""
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return clean(name.replace("at::native::", ""))


class KernelsPane(TablePane[KernelFact]):
    watches = ("KernelWindow", "DeviceFound", "ProcessFound")
    number, title, noun = "2", "kernels", "kernel"
    explains = (
        "Kernels, copies and ops by their time in the range shown. share: of all kernel time. bound: the device's peak "
        "that it comes near to; latency: it is near none; –: not known. Calls and times are those of profiled windows."
    )

    def __init__(self, *, id: str | None = None, details: bool = True) -> None:
        super().__init__(id=id)
        self.details = details

    def hints(self) -> Iterable[Span]:
        table = kernel_table(self.scene)
        spans = [
            *self.filtering(),
            Span("  "),
            *keys(("t", f"by {self.sorting('share')}")),
        ]
        if table and self.size.width >= 110:
            spans.append(Span(f"  {coverage_words(table)}", "dim"))
        return spans

    def items(self) -> Sequence[KernelFact]:
        table = kernel_table(self.scene)
        if table is None:
            return ()
        wanted = self.scene.filter.lower()
        return [row for row in table.rows if wanted in _searched(row)] if wanted else table.rows

    def identity(self, item: KernelFact) -> Hashable:
        identity: Hashable = _identity(item)
        return identity

    def order(self) -> Order[KernelFact]:
        return Order(_identity)

    def name_of(self, item: KernelFact) -> str:
        return clean(item.name)

    def empty(self) -> str:
        return awaited(self.scene, KERNELS)

    def opened(self, item: KernelFact) -> None:
        self.host.open_kernel(item)

    def more(self, hidden: Sequence[KernelFact]) -> Line:
        """Names a large one: rows keep their places for a while after a key, and it may have come since."""
        table = kernel_table(self.scene)
        share = table.whole.share(sum(map(_total_ns, hidden))) if table else 0.0
        row = Row().to(13).put(f"+ {len(hidden)} more, {numbers.percent(share)}", "dim")
        largest = max(hidden, key=_total_ns)
        if largest.share >= LARGE:
            name = numbers.shorten(short_name(largest.name), 28)
            row.put(", among them ", "dim").put(f"{name} {numbers.percent(largest.share)}")
        return row.line()

    def columns(self, width: int) -> Sequence[Column[KernelFact]]:
        table = kernel_table(self.scene)
        counted = table is not None and table.counted
        peaks = [
            Column[KernelFact](
                "memory", "of memory peak", 15, _peak("memory"), lambda f: f.roof.of_memory or -1.0, needs=130
            ),
            Column[KernelFact](
                "compute", "of compute peak", 15, _peak("compute"), lambda f: f.roof.of_compute or -1.0, needs=130
            ),
            Column[KernelFact]("bound", "bound", 7, _bound, lambda f: f.bound, False),
        ]
        phase = [Column[KernelFact]("phase", "phase", 9, _phase, lambda f: f.kernel.phase or "", False, needs=78)]
        stepped = table is not None and any(row.kernel.per_step_ns is not None for row in table.rows[:1])
        per_step = Column[KernelFact](
            "step", "ms/step", 7, _per_step, lambda f: f.kernel.per_step_ns or 0, align=">", needs=110
        )
        return [
            Column("share", "share", 11, _share(table), _total_ns),
            Column("name", "kernel", 0, self._kernel, lambda f: f.name, False),
            Column("origin", "made by", 14, _origin, lambda f: f.kernel.origin or "", False, needs=110),
            Column("calls", "calls", 6, _calls, lambda f: f.kernel.calls, align=">"),
            Column("mean", "mean", 8, _mean, lambda f: f.kernel.mean_ns, align=">"),
            *([per_step] if stepped else []),
            *(peaks if counted else phase),
            Column("where", "where", _where_width(width, counted), _where, lambda f: f.where, False),
        ]

    def footer(self, width: int) -> Sequence[Line]:
        item = self.current
        if not self.details or item is None or width < 100:
            return ()
        return [Line(clipped(line.spans, width), "bar") for line in explained(item)]

    def _kernel(self, fact: KernelFact, width: int) -> tuple[Span, ...]:
        bold = "*text" if self.identity(fact) == self.selected else ""
        return text_cell(short_name(fact.name), width, bold)


def _searched(row: KernelFact) -> str:
    kernel = row.kernel
    return f"{kernel.name} {kernel.origin} {kernel.op} {kernel.module} {kernel.phase} {kernel.location}".lower()


def coverage_words(table: KernelTable) -> str:
    """How much of the time was looked at."""
    cover = table.coverage
    window = f"{numbers.duration(table.window_ns)} windows · " if table.window_ns else ""
    seen = f"{numbers.percent(cover.ratio)} of the time · "
    calls = "samples" if table.sampled else "calls"
    return f"{window}{seen}{numbers.count(cover.events)} {calls} · {numbers.count(cover.dropped)} dropped"


def explained(fact: KernelFact) -> list[Line]:
    """The two lines under a table: who calls it, and how near to which peak."""
    kernel = fact.kernel
    chain = [text for text in (kernel.op, kernel.module, kernel.location) if text]
    row = Row().put(f"  {numbers.shorten(short_name(kernel.name), 60)}   ", "*text")
    for at, text in enumerate(chain):
        row.put(" ← " if at else "", "dim").put(
            clean(text), "accent" if text == kernel.location else "dim" if at == 0 else ""
        )
    facts = [
        _rate(kernel.bytes_per_s, fact.roof.of_memory, "B/s"),
        _rate(kernel.flop_per_s, fact.roof.of_compute, "FLOP/s"),
        kernel.phase or "",
        *launch_words(kernel.launch)[:3],
        *on_stream(kernel),
        f"min {numbers.duration(kernel.min_ns)} max {numbers.duration(kernel.max_ns)}",
        f"called from {kernel.modules} modules" if kernel.modules > 1 else "",
    ]
    second = Row().put("  " + " · ".join(text for text in facts if text), "dim").put("   ")
    second.add(keys(("enter", "history, roofline, source")))
    return [row.line(), second.line()]


def on_stream(kernel: Kernel) -> list[str]:
    return [] if kernel.stream is None else [f"stream {kernel.stream}"]


def percent_figure(share: float) -> str:
    """In at most four cells, for a column that says what it is."""
    return "<0.1" if 0 < share < 0.0005 else f"{share * 100:.1f}"[:4].rstrip(".")


def _share(table: KernelTable | None) -> Callable[[KernelFact, int], tuple[Span, ...]]:
    top = table.rows[0].share if table and table.rows else 1.0

    def draw(fact: KernelFact, width: int) -> tuple[Span, ...]:
        share = fact.share
        return tail_cell(bar(share / top if top else None, width - 5, "share"), percent_figure(share), width)

    return draw


def _rate(rate: float | None, share: float | None, unit: str) -> str:
    """`2.88/3.35 TB/s`: with the peak that it is a share of."""
    return "" if rate is None else numbers.of(rate, rate / share if share else None, unit)


def _peak(which: str) -> Callable[[KernelFact, int], tuple[Span, ...]]:
    token = "dram" if which == "memory" else "tensor"

    def draw(fact: KernelFact, width: int) -> tuple[Span, ...]:
        share = fact.roof.of_memory if which == "memory" else fact.roof.of_compute
        near = fact.bound == which
        return tail_cell(bar(share, 8, token), pct(share), width - 1, token if near else "dim")

    return draw


def _origin(fact: KernelFact, width: int) -> tuple[Span, ...]:
    return text_cell(clean(fact.kernel.origin or numbers.UNKNOWN), width, "dim")


def _calls(fact: KernelFact, width: int) -> tuple[Span, ...]:
    return text_cell(numbers.count_in(fact.kernel.calls, width), width, "", ">")


def _mean(fact: KernelFact, width: int) -> tuple[Span, ...]:
    return text_cell(numbers.duration(fact.kernel.mean_ns), width, "", ">")


def _per_step(fact: KernelFact, width: int) -> tuple[Span, ...]:
    return text_cell(milliseconds_figure(fact.kernel.per_step_ns), width, "", ">")


def milliseconds_figure(ns: float | None) -> str:
    """In seven cells, for a column that names the unit."""
    return "<0.001" if ns and ns < 1e3 else numbers.three(None if ns is None else ns / 1e6)


def _bound(fact: KernelFact, width: int) -> tuple[Span, ...]:
    return text_cell(fact.bound or numbers.UNKNOWN, width, BOUND_TOKENS.get(fact.bound, "dim"))


def _phase(fact: KernelFact, width: int) -> tuple[Span, ...]:
    phase = fact.kernel.phase
    return text_cell(clean(phase or numbers.UNKNOWN), width, f"phase.{phase}" if phase in _PHASES else "dim")


def _where_width(width: int, counted: bool) -> int:
    """Where peaks aren't known, there is room for a whole place in a file, or for its function too."""
    if width >= (190 if counted else 150):
        return 24
    return 16 if width >= 110 else 8 if counted else 11


def _where(fact: KernelFact, width: int) -> tuple[Span, ...]:
    return (Span(fit(clean(fact.where), width)),)


_PHASES = ("data", "forward", "backward", "optimizer", "communication", "other")


def selected_kernel(scene: Scene, identity: Hashable) -> KernelFact | None:
    """The kernel of that kind and name in the range shown now."""
    table = kernel_table(scene)
    rows = table.rows if table else []
    return next((row for row in rows if (row.kind, row.name) == identity), None)
