"""What a trace holds, without reading all of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from acceltop.profiler.codec import CodecError
from acceltop.profiler.history.levels import Buckets
from acceltop.profiler.history.store import History, Key, StepKey
from acceltop.profiler.model import Frame
from acceltop.profiler.trace.decode import decode
from acceltop.profiler.trace.overview import VERSION
from acceltop.profiler.trace.records import Damaged


@dataclass(frozen=True)
class Summary:
    """`whole`: it was closed well. Times in ns, `size` in bytes; `counts` by kind of Frame, empty where unknown."""

    t0_ns: int
    t1_ns: int
    hosts: tuple[str, ...]
    size: int
    whole: bool
    counts: dict[str, int]


class Levels(msgspec.Struct):
    """One level of one series, in columns."""

    width_ns: int
    start_ns: list[int]
    low: list[float]
    total: list[float]
    high: list[float]
    calls: list[int]
    metric: str | None = None
    phase: str | None = None
    device: str | None = None
    pid: int | None = None

    @property
    def key(self) -> Key | StepKey:
        if self.metric is None:
            return StepKey(self.pid or 0, self.phase or "")
        return Key(self.metric, self.device, self.pid)

    def buckets(self) -> Buckets:
        """Raises OverflowError for columns that can't be: of different lengths, or of no readings."""
        columns = Buckets(self.start_ns, self.low, self.total, self.high, self.calls)
        lengths = {len(self.start_ns), len(self.low), len(self.total), len(self.high), len(self.calls)}
        if len(lengths) != 1 or (self.calls and min(self.calls) < 1):
            raise OverflowError("columns of different lengths")
        return columns


class _Document(msgspec.Struct):
    version: int
    levels: list[Levels]
    frames: list[msgspec.Raw] = []
    counts: dict[str, int] = {}
    t0_ns: int = 0
    t1_ns: int = 0


_DECODER = msgspec.json.Decoder(_Document)


@dataclass(frozen=True)
class Overview:
    """A trace in short: all devices, processes and notes, totals of kernels and stacks, levels of all series."""

    t0_ns: int
    t1_ns: int
    counts: dict[str, int]
    frames: tuple[Frame, ...]
    levels: tuple[Levels, ...]

    def fill(self, history: History) -> None:
        """Into an empty Timeline."""
        history.load_summary(self.frames)
        load(history, self.levels)
        history.widen(self.t0_ns, self.t1_ns)


def load(history: History, levels: Iterable[Levels]) -> None:
    for level in levels:
        try:
            history.load_level(level.key, level.width_ns, level.buckets())
        except OverflowError:
            history.rejected += 1


def parse(data: bytes) -> Overview:
    """Raises Damaged."""
    try:
        document = _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Damaged(f"the overview is not one ({error})") from None
    if document.version != VERSION:
        raise Damaged(f"the overview is of version {document.version}")
    frames = tuple(_frames(document.frames))
    return Overview(document.t0_ns, document.t1_ns, document.counts, frames, tuple(document.levels))


def _frames(raw: Iterable[Any]) -> Iterator[Frame]:
    for data in raw:
        try:
            frame = decode(bytes(data))
        except CodecError as error:
            raise Damaged(f"the overview holds a bad frame ({error})") from None
        if frame is not None:
            yield frame
