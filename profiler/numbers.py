"""How numbers and names are written for a person, in the report and on the screens: three significant digits, the unit
beside them, `–` for what is unknown. Values come in SI (durations in ns); None is unknown."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from functools import lru_cache
from unicodedata import combining, east_asian_width

from acceltop.profiler import metrics

UNKNOWN = "–"
_PREFIXES = {-4: "p", -3: "n", -2: "µ", -1: "m", 0: "", 1: "k", 2: "M", 3: "G", 4: "T", 5: "P", 6: "E"}
_LEAST, _MOST = min(_PREFIXES), max(_PREFIXES)
_POWERS_END = [999.5 * 1000.0**power for power in range(_LEAST, _MOST)]  # from there on three digits are of the next
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_UNITS = {
    metrics.BYTES: "B",
    metrics.BYTES_PER_S: "B/s",
    metrics.WATT: "W",
    metrics.CELSIUS: "°C",
    metrics.HERTZ: "Hz",
    metrics.JOULE: "J",
}


def three(value: float | None) -> str:
    """Three significant digits: 2.31, 18.2, 648, 1234; with an exponent only where that would be very long."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    size = abs(value)
    if size != 0 and not 1e-6 <= size < 1e9:
        return f"{value:.2e}"
    if size == 0 or size >= 999.5:
        return f"{value:.0f}"
    decimals = 0 if size >= 99.95 else 1 if size >= 9.995 else 2 if size >= 0.9995 else 2 - _magnitude(size)
    return f"{value:.{decimals}f}"


def si(value: float | None, unit: str) -> str:
    """`2.31 TB/s`."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    power = _power(value)
    return f"{three(value / 1000.0**power)} {_PREFIXES[power]}{unit}"


def size(value: float | None) -> str:
    """Bytes: `61.2 GB`, `512 B`."""
    return si(value, "B")


def of(value: float | None, limit: float | None, unit: str) -> str:
    """A value and its limit under one prefix: `648/700 W`, `61.2/80 GB`."""
    if value is None or limit is None or limit <= 0:
        return si(value, unit)
    power, top = _top(limit)
    return f"{three(value / 1000.0**power)}/{top} {_PREFIXES[power]}{unit}"


@lru_cache(maxsize=1024)  # limits stay what they are
def _top(limit: float) -> tuple[int, str]:
    """The power of 1000 that it is written under, and its digits without needless zeros."""
    power = _power(limit)
    top = three(limit / 1000.0**power)
    return power, top.rstrip("0").rstrip(".") if "." in top and "e" not in top else top


def percent(ratio: float | None) -> str:
    """`31.0 %`, `0.3 %`, `<0.1 %`, `100 %`."""
    if ratio is None or not math.isfinite(ratio):
        return UNKNOWN
    value = ratio * 100
    if 0 < value < 0.05:
        return "<0.1 %"
    if abs(value) >= 1e6:
        return f"{value:.0e} %"
    return f"{value:.0f} %" if abs(value) >= 99.95 or value == 0 else f"{value:.1f} %"


def pct(ratio: float | None) -> str:
    """In at most four cells up to 999 %: `31%`, `<1%`; a little is not nothing."""
    if ratio is None or not math.isfinite(ratio):
        return UNKNOWN
    return "<1%" if 0 < ratio < 0.01 else f"{ratio * 100:.0f}%"


def duration(ns: float | None) -> str:
    """`812 µs`, `18.2 ms`, `1.82 s`, `12 min 03 s`, `2 h 05 min`, `3 d 04 h`."""
    if ns is None or not math.isfinite(ns):
        return UNKNOWN
    seconds = ns / 1e9
    if abs(seconds) < 99.95:
        return "0 s" if ns == 0 else si(seconds, "s")
    _, big, big_name, small, small_name = next(row for row in _CLOCK if abs(seconds) < row[0])
    whole, rest = divmod(int(abs(seconds) // small), big // small)
    if whole >= 1e6:
        return f"{seconds:.2e} s"
    return f"{'-' if seconds < 0 else ''}{whole} {big_name} {rest:02d} {small_name}"


def duration_beside(ns: float, other_ns: float) -> str:
    """With its unit only where that differs: `31.0` beside `18.0 ms`, `1.30 ms` beside `940 µs`."""
    _, _, unit = duration(other_ns).partition(" ")
    return duration(ns).removesuffix(f" {unit}")


_CLOCK: tuple[tuple[float, int, str, int, str], ...] = (
    (3600, 60, "min", 1, "s"),
    (86400, 3600, "h", 60, "min"),
    (math.inf, 86400, "d", 3600, "h"),
)


def count(value: float | None) -> str:
    """`2 412`: whole, in groups of three."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    return f"{value:,.0f}".replace(",", " ") if abs(value) < 1e15 else f"{value:.2e}"


def count_in(value: float | None, cells: int) -> str:
    """A count in so many cells, whole where it fits: `99 999`, `1.23 M`. Unlike a name it can't lose its middle."""
    whole = count(value)
    return whole if len(whole) <= cells else si(value, "").rstrip()


def metric(name: str, value: float | None, limit: float | None = None) -> str:
    """A value of the registry with its unit, and its limit where that is known."""
    unit = metrics.METRICS[name].unit if name in metrics.METRICS else metrics.COUNT
    if unit == metrics.RATIO:
        return percent(value)
    if unit == metrics.CELSIUS:
        return UNKNOWN if value is None else f"{count(value)} °C"
    if unit == metrics.COUNT:
        return three(value) if value is not None and value % 1 else count(value)
    return of(value, limit, _UNITS[unit])


def bar(ratio: float | None, width: int, trough: str = " ") -> str:
    """A bar of `width` cells in eighths; unknown and negative are empty, more than 1 is full."""
    return filled(eighths(ratio, width), width, trough)


def eighths(ratio: float | None, width: int) -> int:
    """How much of a bar of `width` cells is full; more than nothing is at least one."""
    if ratio is None or not ratio > 0 or width < 1:  # NaN too
        return 0
    return max(round(min(ratio, 1.0) * width * 8), 1)


def filled(eighths: int, width: int, trough: str = " ") -> str:
    """A bar of `width` cells with so many eighths of a cell."""
    full, part = divmod(eighths, 8)
    drawn = "█" * full + (_EIGHTHS[part] if part else "")
    return drawn + trough * (width - len(drawn))


def cells(text: str) -> int:
    """Columns that `text` takes in a terminal."""
    return len(text) if text.isascii() else sum(map(_cell, text))


_PLACE = re.compile(r"\S+:\d+(?= |$)")


def shorten(text: str, width: int) -> str:
    """At most `width` columns, by taking away the middle: both ends of a kernel's name tell it from its siblings.

    Of a place in a source file (`job/train.py:64 forward`) first the folder goes, then the function, the line last.
    """
    if cells(text) <= width:
        return text
    if width < 1:
        return ""
    if place := _PLACE.match(text):
        return _shorten_place(place[0].rpartition("/")[2], text[place.end() :], width)
    return _without_middle(text, width)


def _shorten_place(line: str, function: str, width: int) -> str:
    if cells(line + function) <= width:
        return line + function
    if cells(line) < width:
        return f"{_fitting(line + function, width - 1).rstrip()}…"
    return line if cells(line) == width else _without_middle(line, width)


@lru_cache(maxsize=1024)  # a table shows the same names each second
def _without_middle(text: str, width: int) -> str:
    head = _fitting(text, (width - 1) * 3 // 5)
    tail = _fitting(text[::-1], width - 1 - cells(head))[::-1]
    return f"{head}…{tail}"


def _fitting(text: str, width: int) -> str:
    used = 0
    for at, char in enumerate(text):
        used += _cell(char)
        if used > width:
            return text[:at]
    return text


def _cell(char: str) -> int:
    return 0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1


def _magnitude(size: float) -> int:
    """The power of ten of a positive number once rounded to three digits: 9.996 counts as 10."""
    return int(f"{size:.2e}"[5:])


def _power(value: float) -> int:
    """The power of 1000 under which the rounded value has one to three digits before its point."""
    return _LEAST + bisect_right(_POWERS_END, abs(value)) if value else 0
