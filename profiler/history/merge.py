"""Sums of kernel and stack windows with a bounded number of rows: the smallest go into one row called (other)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from operator import attrgetter

from acceltop.profiler.model import KernelRow, KernelWindow, Launch, StackWindow

OTHER = "(other)"
_MAX_OTHERS = 64  # a row (other) for each device, on all machines that are
_KINDS = ("kernel", "memcpy", "memset", "op")


@dataclass(slots=True)
class _Sum:
    """Sums over the rows that are the same as `row` but for their numbers."""

    row: KernelRow
    calls: int
    total_ns: int
    min_ns: int
    max_ns: int
    bytes: int | None
    flops: int | None
    launch: Launch | None

    def add(self, row: KernelRow | _Sum) -> None:
        self.calls += row.calls
        self.total_ns += row.total_ns
        if row.min_ns < self.min_ns:
            self.min_ns = row.min_ns
        if row.max_ns > self.max_ns:
            self.max_ns, self.launch = row.max_ns, row.launch or self.launch
        self.bytes = _known_sum(self.bytes, row.bytes)
        self.flops = _known_sum(self.flops, row.flops)

    def result(self) -> KernelRow:
        row = self.row
        return KernelRow(  # `replace` takes three times as long
            row.name, row.kind, self.calls, self.total_ns, self.min_ns, self.max_ns, row.device, row.stream, row.thread,
            self.bytes, self.flops, row.op, row.module, row.location, row.origin, row.library, row.phase, self.launch,
        )  # fmt: skip


def _known_sum(a: int | None, b: int | None) -> int | None:
    """Bytes that are known for a part of the calls only are not known."""
    return None if a is None or b is None else a + b


_IDENTITY = attrgetter(
    "name", "kind", "device", "stream", "thread", "op", "module", "location", "origin", "library", "phase"
)


class KernelMerger:
    """Merges windows of one process and source. `t0_ns` of the first, `t1_ns` of the last; slices are let go."""

    def __init__(self, max_rows: int = 300) -> None:
        self.empty = True
        self._max_rows = max_rows
        self._rows: dict[object, _Sum] = {}
        self._sum: KernelWindow | None = None

    def add(self, window: KernelWindow) -> None:
        self.empty = False
        self._sum = replace(window, rows=(), slices=None) if self._sum is None else _added(self._sum, window)
        for row in window.rows:
            self._add_row(_IDENTITY(row), row)
        if len(self._rows) > 4 * self._max_rows:
            self._shorten()

    def _add_row(self, identity: object, row: KernelRow) -> None:
        known = self._rows.get(identity)
        if known is not None:
            known.add(row)
        else:
            numbers = (row.calls, row.total_ns, row.min_ns, row.max_ns, row.bytes, row.flops, row.launch)
            self._rows[identity] = _Sum(row, *numbers)

    def _shorten(self) -> None:
        others = [row for row in self._rows.values() if row.row.name == OTHER]
        single = sorted((row for row in self._rows.values() if row.row.name != OTHER), key=lambda row: -row.total_ns)
        self._rows = {_IDENTITY(row.row): row for row in single[: self._max_rows]}
        for small in (*single[self._max_rows :], *others):
            row = small.result()
            many = len(self._rows) > self._max_rows + _MAX_OTHERS
            other = KernelRow(
                OTHER, row.kind if row.kind in _KINDS else "op", row.calls, row.total_ns, row.min_ns, row.max_ns,
                device=None if many else row.device, bytes=row.bytes, flops=row.flops,
            )  # fmt: skip
            self._add_row(_IDENTITY(other), other)

    def window(self) -> KernelWindow:
        assert self._sum is not None, "nothing was added"
        if len(self._rows) > self._max_rows:
            self._shorten()
        return replace(self._sum, rows=tuple(row.result() for row in self._rows.values()))


def _added(a: KernelWindow, b: KernelWindow) -> KernelWindow:
    """Both without their rows."""
    return replace(
        a,
        t0_ns=min(a.t0_ns, b.t0_ns),
        t1_ns=max(a.t1_ns, b.t1_ns),
        profiled_ns=a.profiled_ns + b.profiled_ns,
        windows=a.windows + b.windows,
        sampled=a.sampled or b.sampled,
        steps=None if a.steps is None or b.steps is None else a.steps + b.steps,
        events=a.events + b.events,
        invalid=a.invalid + b.invalid,
        dropped=a.dropped + b.dropped,
        phases=dict(Counter(a.phases) + Counter(b.phases)),
    )


class StackMerger:
    """Merges stack windows of one process and source; `rate_hz` is that of the last."""

    def __init__(self, max_stacks: int = 2000) -> None:
        self.empty = True
        self._max = max_stacks
        self._last: StackWindow | None = None
        self._t0 = self._t1 = self._samples = self._errors = 0
        self._stacks: Counter[str] = Counter()
        self._idle: Counter[str] = Counter()
        self._gil: Counter[str] = Counter()

    def add(self, window: StackWindow) -> None:
        self._t0 = window.t0_ns if self.empty else min(self._t0, window.t0_ns)
        self._t1 = max(self._t1, window.t1_ns)
        self._last = window
        self.empty = False
        self._samples += window.samples
        self._errors += window.errors
        for mine, theirs in ((self._stacks, window.stacks), (self._idle, window.idle), (self._gil, window.gil)):
            mine.update(theirs)
            if len(mine) > 4 * self._max:
                _shorten(mine, self._max)

    def window(self) -> StackWindow:
        assert self._last is not None, "nothing was added"
        return StackWindow(
            t0_ns=self._t0,
            t1_ns=self._t1,
            pid=self._last.pid,
            source=self._last.source,
            rate_hz=self._last.rate_hz,
            samples=self._samples,
            stacks=self._bounded(self._stacks),
            idle=self._bounded(self._idle),
            gil=self._bounded(self._gil),
            errors=self._errors,
        )

    def _bounded(self, counts: Counter[str]) -> Mapping[str, int]:
        if len(counts) > self._max:
            _shorten(counts, self._max)
        return dict(counts)


def _shorten(counts: Counter[str], size: int) -> None:
    kept = counts.most_common(size)
    rest = counts.total() - sum(count for _, count in kept)
    counts.clear()
    counts.update(dict(kept))
    counts[OTHER] += rest
