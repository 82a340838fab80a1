"""A line of the screen before it has colours: spans of text, each with a theme token (`views/theme.py`).

A token is `name`, `*name` (bold), and either with `@back` for a background of its own. Lines compare by value, so a
pane that draws the same thing twice costs nothing on the way to the terminal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from typing import NamedTuple

from acceltop.profiler import numbers
from acceltop.profiler.numbers import shorten

# Latin, Greek, Cyrillic, punctuation, arrows, boxes, blocks, shapes, braille: all one cell wide. Nearly every line is
# made of these, and asking Unicode for each character was a third of the work of a redraw.
_NARROW = re.compile("[ -~¡-\u02ff\u0370-\u0482\u048a-\u052f\u2010-\u2027\u2190-\u22ff\u2500-\u25fc\u2800-\u28ff]*")


class Span(NamedTuple):
    text: str
    token: str = ""


class Line(NamedTuple):
    """`back` is the background where a span has none of its own; `counted` are its cells, where its maker knew them."""

    spans: tuple[Span, ...]
    back: str = ""
    counted: int | None = None

    @property
    def width(self) -> int:
        """In cells."""
        return spans_width(self.spans) if self.counted is None else self.counted

    @property
    def text(self) -> str:
        return "".join(span.text for span in self.spans)


BLANK = Line((), "", 0)
SENT_WHOLE = 16  # cells of a span: to find out which of so few have changed takes longer than to send them


@cache
def blank(cells: int) -> Span:
    """So many empty cells."""
    return Span(" " * cells)


def cells(text: str) -> int:
    """Cells on the screen; a wide character takes two."""
    return len(text) if text.isascii() else _cells(text)


@lru_cache(maxsize=4096)  # bars, rules and the runs of charts come again and again
def _cells(text: str) -> int:
    return len(text) if _narrow(text) else numbers.cells(text)


def _narrow(text: str) -> bool:
    """Each character takes one cell."""
    return text.isascii() or _NARROW.fullmatch(text) is not None


def spans_width(spans: Iterable[Span]) -> int:
    width = 0
    for text, _ in spans:  # asked for most of what is drawn: no call that isn't needed
        width += len(text) if text.isascii() else cells(text)
    return width


def fit(text: str, width: int, align: str = "<") -> str:
    """Exactly `width` cells, shortened or padded; `align` is one of `<` `>` `^`."""
    if len(text) <= width and text.isascii() and align != "^":
        return text.ljust(width) if align == "<" else text.rjust(width)
    text = shorten(text, width)
    gap = width - cells(text)
    if gap <= 0:
        return text
    if align == "<":
        return text + " " * gap
    left = gap if align == ">" else gap // 2
    return " " * left + text + " " * (gap - left)


class Row:
    """Builds a line from left to right and knows its column."""

    def __init__(self, *spans: Span, back: str = "") -> None:
        self._spans: list[Span] = []
        self.back = back
        self.width = 0
        self.add(spans)

    def put(self, text: str, token: str = "", width: int | None = None, align: str = "<") -> Row:
        """Appends `text`, fitted to `width` cells where given."""
        if width is not None:
            text = fit(text, width, align)
        if text:
            self._spans.append(Span(text, token))
            self.width += len(text) if text.isascii() else cells(text)
        return self

    def within(self, line: Line, width: int) -> Row:
        """Appends the line's spans as far as they fit into `width` cells."""
        length = line.width
        if length > width:
            return self.add(clipped(line.spans, width))
        self._spans += line.spans
        self.width += length
        return self

    def add(self, spans: Iterable[Span]) -> Row:
        for span in spans:
            self.put(*span)
        return self

    def to(self, column: int) -> Row:
        """Blank up to `column`; nothing if that is behind."""
        if column > self.width:
            self._spans.append(blank(column - self.width))
            self.width = column
        return self

    def line(self) -> Line:
        return Line(tuple(self._spans), self.back, self.width)


def joined(left: Iterable[Span], right: Iterable[Span], width: int, back: str = "") -> Line:
    """`left` from the left edge, `right` up to the right edge; `left` gives way where both don't fit."""
    tail = tuple(right)
    row = Row(back=back).add(clipped(left, max(width - spans_width(tail) - 1, 0)))
    return row.to(width - spans_width(tail)).add(tail).line()


def clipped(spans: Iterable[Span], width: int) -> tuple[Span, ...]:
    """The spans up to `width` cells; the last one that fits only in part ends in `…`: prose loses its end."""
    kept: list[Span] = []
    for span in spans:
        length = cells(span.text)
        if length > width:
            if width > 0:
                kept.append(Span(_head(span.text, width - 1) + "…", span.token))
            break
        kept.append(span)
        width -= length
    return tuple(kept)


def _head(text: str, width: int) -> str:
    while cells(text) > width:
        text = text[:width] if len(text) > width else text[:-1]
    return text


def changed(old: Line, new: Line) -> tuple[int, int]:
    """Columns [start, end) in which two lines differ; (0, 0) when they are the same. `end` is -1 for the whole rest."""
    if old == new:
        return 0, 0
    if old.back != new.back:
        return 0, -1
    same = _common(old.spans, new.spans)
    start = spans_width(new.spans[:same])
    if old.width != new.width:
        return start, -1
    same = _common(old.spans[::-1], new.spans[::-1])
    return start, max(new.width - spans_width(new.spans[len(new.spans) - same :]), start + 1)


def _common(before: Sequence[object], after: Sequence[object]) -> int:
    """How many of them are the same, from the first on."""
    count = 0
    for one, other in zip(before, after, strict=False):
        if one != other:
            break
        count += 1
    return count


def changes(old: Line, new: Line, width: int) -> Iterator[tuple[int, Span, int]]:
    """(column, what to write there, its cells) that turn `old` into `new`, where lines have `width` cells."""
    known, wanted = filled(old, width) if old.back == new.back else (), filled(new, width)
    column = 0
    for at, (before, span) in enumerate(zip(known, wanted, strict=False)):
        text = span.text
        count = len(text) if text.isascii() else _cells(text)
        if before is not span and before != span:
            if cells(before.text) != count:
                yield from _unaligned(known[at:], wanted[at:], column)
                return
            if 0 < count <= SENT_WHOLE:
                yield column, span, count
            elif count:
                yield from _rewritten(column, before, span, count)
        column += count
    yield from _unaligned((), wanted[len(known) :], column)


def _unaligned(known: Sequence[Span], wanted: Sequence[Span], column: int) -> Iterator[tuple[int, Span, int]]:
    """As `changes`, of what begins at `column`, where spans no longer end at the same columns."""
    rest = iter(known)
    before, edge = next(rest, None), column  # the old span that is not left of the column, and where it begins
    for span in wanted:
        while before is not None and (edge < column or not before.text):
            edge += cells(before.text)
            before = next(rest, None)
        if not (count := cells(span.text)):
            continue
        if edge != column:
            yield column, span, count
        elif before != span:
            yield from _rewritten(column, before, span, count)
        column += count


def filled(line: Line, width: int) -> tuple[Span, ...]:
    """Its spans, cut or with blanks up to `width`."""
    spans, length = line.spans, line.width
    if length > width:
        spans = clipped(spans, width)
        length = spans_width(spans)
    return (*spans, blank(width - length)) if length < width else spans


def _rewritten(column: int, before: Span | None, span: Span, count: int) -> Iterator[tuple[int, Span, int]]:
    """Of a long run only what has changed of it."""
    long = SENT_WHOLE < count == len(span.text)
    if not long or before is None or before.token != span.token or not _narrow(before.text):
        yield column, span, count
        return
    first, text = _moved(before.text, span.text)
    if text:
        yield column + first, Span(text, span.token), len(text)


def _moved(before: str, after: str) -> tuple[int, str]:
    """Where two texts begin to differ, and what of `after` differs from there on."""
    first = _common(before, after)
    last = _common(before[:first:-1], after[:first:-1]) if len(before) == len(after) else 0
    return first, after[first : len(after) - last]
