"""Numbers over time: the last readings as they are, older ones as min, mean and max of 10 s and of 5 min."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from acceltop.profiler.clock import NS_PER_S

SECOND_NS, FINE_NS, COARSE_NS = NS_PER_S, 10 * NS_PER_S, 300 * NS_PER_S
MAX_TIME_NS = 1 << 62  # the year 2116, and room to count on in 64 bits
RAW_CAPACITY, FINE_CAPACITY, COARSE_CAPACITY = 3600, 2160, 4032  # an hour at 1 Hz, 6 hours, 2 weeks
_LUMP = 15  # rows; where more go at once an array takes other memory, and the holes of hundreds of them add up


class Columns:
    """Arrays of equal length, one a type code, that keep at least the last `capacity` rows, oldest first."""

    __slots__ = ("arrays", "capacity", "trimmed", "most")

    def __init__(self, codes: str, capacity: int) -> None:
        self.arrays: tuple[array[float], ...] = tuple(array(code) for code in codes)
        self.capacity = capacity
        self.trimmed = False
        self.most = capacity + max(_LUMP, capacity // 256) - 1
        """Rows that there may be: trimmed in lumps, since moving the rest for each row would cost more."""

    def append(self, *row: float) -> None:
        for column, value in zip(self.arrays, row):  # noqa: B905  (strict is slow, and this is the hottest line)
            column.append(value)
        if len(self.arrays[0]) > self.most:
            self.trim()

    def extend(self, columns: Iterable[array[int] | array[float]]) -> None:
        """Many rows at once: columns of equal length, of the right type codes."""
        for column, values in zip(self.arrays, columns, strict=True):
            column.extend(values)
        if len(self.arrays[0]) > self.most:
            self.trim()

    def trim(self) -> None:
        """Forget all but the last `capacity` rows."""
        surplus = len(self.arrays[0]) - self.capacity
        if surplus > 0:
            self.trimmed = True
            for column in self.arrays:
                del column[:surplus]

    def clear(self) -> None:
        self.trimmed = False
        for column in self.arrays:
            del column[:]

    def __len__(self) -> int:
        return len(self.arrays[0])


class Buckets(NamedTuple):
    """Finished buckets in columns of equal length. `start_ns` is a first reading: nothing is said of before."""

    start_ns: list[int]
    low: list[float]
    total: list[float]
    high: list[float]
    calls: list[int]


class Level:
    """Readings summed into buckets of `width_ns`; a bucket that is finished goes on to the `coarser` level."""

    __slots__ = ("width_ns", "rows", "coarser", "_bucket", "_start", "_low", "_total", "_high", "_count")
    CODES = "qdddq"  # first reading of the bucket (ns), low, total, high, readings

    def __init__(self, width_ns: int, capacity: int, coarser: Level | None = None) -> None:
        self.width_ns = width_ns
        self.rows = Columns(self.CODES, capacity)
        self.coarser = coarser
        self._bucket = 0
        self._start, self._low, self._total, self._high, self._count = 0, 0.0, 0.0, 0.0, 0

    def add(self, time_ns: int, low: float, total: float, high: float, count: int = 1) -> None:
        """Raises OverflowError for a time beyond MAX_TIME_NS."""
        bucket = time_ns // self.width_ns
        if bucket != self._bucket or not self._count:
            if abs(time_ns) > MAX_TIME_NS:
                raise OverflowError(f"{time_ns} is no time")
            self.finish()
            self._bucket = bucket
            self._start, self._low, self._total, self._high, self._count = time_ns, low, total, high, count
            return
        if low < self._low:
            self._low = low
        if high > self._high:
            self._high = high
        self._total += total
        self._count += count

    def add_all(self, times_ns: Sequence[int], values: Sequence[float]) -> None:
        """Readings in the order of their times; those of one bucket at once, as most of them are."""
        first, size = 0, min(len(times_ns), len(values))
        while first < size:
            end = times_ns[first] - times_ns[first] % self.width_ns + self.width_ns
            last = max(bisect_left(times_ns, end, first, size), first + 1)  # a hostile column may not be in order
            part = values[first:last]
            self.add(times_ns[first], min(part), sum(part), max(part), len(part))
            first = last

    def finish(self) -> None:
        """End the open bucket, if there is one."""
        if self._count:
            self.rows.append(self._start, self._low, self._total, self._high, self._count)
            if self.coarser is not None:
                self.coarser.add(self._start, self._low, self._total, self._high, self._count)
        self._count = 0

    def begins_before(self, time_ns: int) -> bool:
        """Whether it, or a coarser one, knows of a time before that."""
        first = self.rows.arrays[0][0] if self.rows else self._start if self._count else time_ns
        return first < time_ns or (self.coarser is not None and self.coarser.begins_before(time_ns))

    def columns(self, rows: slice) -> list[array[float]]:
        """Copies of the columns, with the bucket that is still open as the last row."""
        copies = [column[rows] for column in self.rows.arrays]
        if self._count:
            last = (self._start, self._low, self._total, self._high, self._count)
            for column, value in zip(copies, last, strict=True):
                column.append(value)
        return copies

    def take(self) -> Buckets:
        """The finished buckets, which are then forgotten here."""
        start, low, total, high, calls = (column.tolist() for column in self.rows.arrays)
        self.rows.clear()
        return Buckets(start, low, total, high, calls)  # type: ignore[arg-type]  # ints are in integer columns

    def load(self, buckets: Buckets) -> None:
        """Buckets from elsewhere; the coarser level is not told."""
        start, calls = array("q", buckets.start_ns), array("q", buckets.calls)
        low, total, high = array("d", buckets.low), array("d", buckets.total), array("d", buckets.high)
        self.rows.extend((start, low, total, high, calls))


class Series:
    """One metric of one subject. Readings whose clock went back are kept: whoever reads sorts."""

    __slots__ = ("raw", "fine", "time_ns", "value", "source", "_times", "_values", "_most")

    def __init__(self, raw_capacity: int = RAW_CAPACITY, fine_capacity: int = FINE_CAPACITY) -> None:
        self.raw = Columns("qd", raw_capacity)
        self.fine = Level(FINE_NS, fine_capacity, Level(COARSE_NS, COARSE_CAPACITY))
        self.time_ns, self.value, self.source = 0, 0.0, ""  # the last reading
        self._times, self._values = self.raw.arrays
        self._most = self.raw.most

    def add(self, time_ns: int, value: float, source: str) -> None:
        """Called for every reading there is: no call more than needed. Raises OverflowError for too big a number."""
        self._values.append(value)
        self._times.append(time_ns)
        self.time_ns, self.value, self.source = time_ns, value, source
        if len(self._times) > self._most:
            self.settle()

    def settle(self) -> None:
        """Readings that have no room as they came go on into the levels: many at once cost less."""
        surplus = max(len(self._times) - self.raw.capacity, 0)
        times, values = self._times[:surplus].tolist(), self._values[:surplus].tolist()
        self.fine.add_all(times, values)  # type: ignore[arg-type]  # ints are in an integer column
        self.raw.trim()
