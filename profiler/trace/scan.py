"""Where the chunks of an MCAP file are: from its index, or, where that is missing or damaged, record by record.

Nothing here trusts a length or a place that the file tells: each is checked against the file before use.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from acceltop.profiler.trace.records import CHUNK_HEAD, HEAD, MAGIC, MAX_RECORD, Place, Places, is_whole, read_at

CHUNK, CHUNK_INDEX, ATTACHMENT, ATTACHMENT_INDEX, DATA_END, FOOTER = 0x06, 0x08, 0x09, 0x0A, 0x0F, 0x02
_KNOWN = range(0x01, 0x10)
_INDEX = struct.Struct("<BQ32s")  # HEAD; of a chunk its Place
_FOOTER = struct.Struct("<BQQQI")
MAX_SUMMARY = 512 << 20
MAX_DAMAGE = 1000  # places; a file with more is not worth the hours
_WINDOW = 1 << 20
_NAMES = (b"\x04\x00\x00\x00zstd",)
_TO_NAME = HEAD.size + CHUNK_HEAD.size - 4  # from the start of a chunk to its compression's name


class Attached(NamedTuple):
    """An attachment: `place` is that of its record."""

    name: str
    time_ns: int
    offset: int
    length: int


@dataclass
class Layout:
    """What a file consists of."""

    chunks: Places = field(default_factory=Places)
    attachments: list[Attached] = field(default_factory=list)
    whole: bool = False  # it was closed well
    damage: list[str] = field(default_factory=list)
    end: int = len(MAGIC)  # all before it is known


def layout(file: BinaryIO, size: int) -> Layout:
    """Of a file of `size` bytes."""
    found = _indexed(file, size)
    if found is None:
        found = scanned(file, size)
        if found.whole:
            found.damage.append("the index at its end is damaged")
    return found


# --- the index at the end


def _indexed(file: BinaryIO, size: int) -> Layout | None:
    length = _FOOTER.size + len(MAGIC)
    if size < 2 * len(MAGIC) + length:
        return None
    footer = read_at(file, size - length, length)
    opcode, eight, start, offsets, crc = _FOOTER.unpack_from(footer)
    summary_length = size - length - start
    if opcode != FOOTER or eight != 20 or not footer.endswith(MAGIC) or not 0 < summary_length <= MAX_SUMMARY:
        return None
    summary = read_at(file, start, summary_length)
    if crc and zlib.crc32(footer[: _FOOTER.size - 4], zlib.crc32(summary)) != crc:
        return None
    found = Layout(whole=True, end=size)
    _list(summary, found)
    found.attachments = [it for it in found.attachments if it.offset + it.length <= start]
    return found if found.chunks and found.chunks.in_order(start) else None


def _list(summary: bytes, found: Layout) -> None:
    """In few calls a record: a day has 86,400 chunks, and they were a tenth of the way to its first picture."""
    at, end, head, chunks = 0, len(summary), _INDEX.unpack_from, bytearray()
    while at + _INDEX.size <= end:
        opcode, length, place = head(summary, at)
        body, at = at + HEAD.size, at + HEAD.size + length
        if opcode == CHUNK_INDEX and length >= len(place) and at <= end:
            chunks += place
        elif opcode == ATTACHMENT_INDEX and at <= end:
            found.attachments.extend(_attached(summary[body:at]))
    found.chunks.add_packed(chunks)


def _attached(body: bytes) -> Iterator[Attached]:
    if len(body) >= 44:
        offset, length, time_ns, _, _, name_length = struct.unpack_from("<QQQQQI", body)
        yield Attached(body[44 : 44 + name_length].decode("utf-8", "replace"), time_ns, offset, length)


# --- record by record


def scanned(file: BinaryIO, size: int, known: Layout | None = None) -> Layout:
    """Goes on where `known` ends: a file that grows is scanned once."""
    found = known or Layout()
    while not found.whole and found.end + HEAD.size <= size:
        if not _step(file, size, found):
            break
    return found


def _step(file: BinaryIO, size: int, found: Layout) -> bool:
    """One record further. False: what is at the end is not there as a whole."""
    offset = found.end
    head = read_at(file, offset, 64)
    opcode, length = HEAD.unpack_from(head)
    if head[_TO_NAME:].startswith(_NAMES):
        opcode = CHUNK  # a chunk is known by more than its first byte
    end = offset + HEAD.size + length
    if opcode not in _KNOWN or length > MAX_RECORD or end > size:
        return _resume(file, size, found)
    first, last = CHUNK_HEAD.unpack_from(head, HEAD.size)[:2] if opcode == CHUNK and len(head) == 64 else (0, 0)
    place = Place(first, last, offset, end - offset)
    # A record whose length is wrong is followed by anything; a chunk that can be read is right all the same.
    if not _follows(file, end, size) and not (opcode == CHUNK and is_whole(file, place)):
        return _resume(file, size, found)
    if opcode == CHUNK:
        found.chunks.add(place)
    elif opcode == ATTACHMENT and len(head) == 64:
        found.attachments.append(_attachment(head, place))
    found.whole = opcode == DATA_END and length == 4
    found.end = end
    return True


def _follows(file: BinaryIO, offset: int, size: int) -> bool:
    """A record, or the end of the file, is there."""
    head = read_at(file, offset, HEAD.size)
    return len(head) < HEAD.size or head[0] in _KNOWN or head.startswith(MAGIC)


def _attachment(head: bytes, place: Place) -> Attached:
    time_ns, _, name_length = struct.unpack_from("<QQI", head, HEAD.size)
    name = head[HEAD.size + 20 :][:name_length].decode("utf-8", "replace")
    return Attached(name, time_ns, place.offset, place.length)


def _resume(file: BinaryIO, size: int, found: Layout) -> bool:
    """Looks for the next chunk after damage."""
    place = found.end + 1
    if len(found.damage) >= MAX_DAMAGE:
        return False
    while place + _TO_NAME < size:
        window = read_at(file, place, _WINDOW + _TO_NAME + 8)
        hits = [hit for name in _NAMES if (hit := window.find(name, _TO_NAME)) >= 0]
        if hits:
            start = place + min(hits) - _TO_NAME
            found.damage.append(f"{start - found.end} bytes at {found.end} are damaged and left out")
            found.end = start
            return True
        place += _WINDOW
    return False
