"""The stream between two machines: lines of JSON, each with a number, in one zlib stream flushed line by line.

A line is a Frame, or a word between the two programs, whose kind begins with `remote.`.
"""

from __future__ import annotations

import json
import zlib
from typing import Any

from acceltop.profiler.text import clean

WORD = "remote."
DATA = f"{WORD}data"
OUT = f"{WORD}out"
NUMBER = "n"
MAX_LINE = 16 << 20  # bytes: more than any Frame of ours, and what a hostile stream can make us hold
_PIECE = 1 << 16
_MAX_DEPTH = 12


class WireError(ValueError):
    """What came is no such stream."""


def numbered(line: str, number: int) -> bytes:
    """An encoded Frame as it goes out."""
    return b'{"%s":%d,%s\n' % (NUMBER.encode(), number, line[1:].encode(errors="replace"))


def word(kind: str, **fields: object) -> bytes:
    """A word between the programs."""
    return json.dumps({"kind": WORD + kind, **fields}, separators=(",", ":")).encode() + b"\n"


class Packer:
    """Lines → bytes. What went before is the dictionary of what follows: a Frame costs about a tenth of its text."""

    def __init__(self) -> None:
        self._zlib = zlib.compressobj(6)

    def pack(self, data: bytes) -> bytes:
        """The other side can read all of it at once."""
        return self._zlib.compress(data) + self._zlib.flush(zlib.Z_SYNC_FLUSH)


class Unpacker:
    """Bytes → lines, in bounded memory whatever comes. Raises WireError."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj()
        self._line = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that became whole."""
        lines: list[bytes] = []
        size = 0
        while data:
            try:
                piece = self._zlib.decompress(data, _PIECE)
            except zlib.error as error:
                raise WireError(f"not our stream ({error})") from None
            data = self._zlib.unconsumed_tail
            size += len(piece)
            lines += self._lines(piece)
            if self._zlib.eof:
                raise WireError("the stream was ended within")
            if max(size, len(self._line)) > MAX_LINE:
                raise WireError(f"a line of more than {MAX_LINE >> 20} MB")
        return lines

    def _lines(self, piece: bytes) -> list[bytes]:
        first, *rest = piece.split(b"\n")
        self._line += first
        if not rest:
            return []
        whole = [bytes(self._line), *rest[:-1]]
        self._line[:] = rest[-1]
        return whole


def parse(line: bytes) -> dict[str, Any]:
    """The object of a line with every string in it made harmless. Raises WireError."""
    try:
        value = json.loads(line)
        if not (isinstance(value, dict) and value.get("kind") in (DATA, OUT)):  # those hold bytes, and many of them
            value = _harmless(value, _MAX_DEPTH)
    except (ValueError, RecursionError) as error:
        raise WireError(clean(str(error), 200)) from None
    if not isinstance(value, dict):
        raise WireError("a line that is no object")
    return value


def _harmless(value: Any, depth: int) -> Any:
    if depth == 0:
        raise WireError("an object that is too deep")
    if isinstance(value, str):
        return clean(value, _MAX_STRING)
    if isinstance(value, list):
        # Columns of numbers are long: leave them as they are.
        return [_harmless(item, depth - 1) if isinstance(item, (str, list, dict)) else item for item in value]
    if isinstance(value, dict):
        return {clean(key, _MAX_STRING): _harmless(item, depth - 1) for key, item in value.items()}
    return value


_MAX_STRING = 8192  # a folded stack
