"""Chunks and attachments of an MCAP file, read without trust in what they say of themselves."""

from __future__ import annotations

import struct
import zlib
from array import array
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import zstandard

MAGIC = b"\x89MCAP0\r\n"
HEAD = struct.Struct("<BQ")
CHUNK_HEAD = struct.Struct("<QQQII")  # start, end, uncompressed size, its CRC, length of the compression's name
_MESSAGE = struct.Struct("<HIQQ")  # channel, sequence, time, time of publication
_MESSAGE_OPCODE = 0x05
MAX_RECORD = 256 << 20  # bytes, also of what is unpacked from one
_MAX_WINDOW = 128 << 20


class Damaged(ValueError):
    """The bytes are not what was written; the message says in what."""


class Place(NamedTuple):
    """A record of the file with the time of its messages, ns."""

    start_ns: int
    end_ns: int
    offset: int
    length: int


class Places:
    """In the order of the file; in numbers, since objects for all the chunks of a day would take 20 MB."""

    def __init__(self) -> None:
        self._numbers = array("Q")  # four for each

    def add(self, place: Place) -> None:
        self._numbers.extend(place)

    def add_packed(self, places: bytearray) -> None:
        """As they stand in an index: little-endian. Elsewhere they are in no order then, and the file is scanned."""
        self._numbers.frombytes(places)

    def __len__(self) -> int:
        return len(self._numbers) // 4

    def __getitem__(self, at: int) -> Place:
        first = 4 * range(len(self))[at]
        return Place(*self._numbers[first : first + 4])

    @property
    def span(self) -> tuple[int, int] | None:
        """ns; None: there are none."""
        return (min(self._numbers[::4]), max(self._numbers[1::4])) if self._numbers else None

    def within(self, t0_ns: int, t1_ns: int) -> Iterator[Place]:
        """Those that may hold messages of that time."""
        times = zip(self._numbers[::4], self._numbers[1::4], strict=True)
        return (self[at] for at, (start, end) in enumerate(times) if start <= t1_ns and end >= t0_ns)

    def in_order(self, end: int) -> bool:
        """One after another before `end`: an index that points twice to one place would make a small file endless."""
        last = len(MAGIC)
        for offset, length in zip(self._numbers[2::4], self._numbers[3::4], strict=True):
            if offset < last or length > MAX_RECORD or offset + length > end:
                return False
            last = offset + length
        return True


def read_at(file: BinaryIO, offset: int, length: int) -> bytes:
    """As much of it as there is."""
    file.seek(offset)
    return file.read(length)


def chunk(file: BinaryIO, place: Place) -> bytes:
    """The records in a chunk. Raises Damaged."""
    body = _body(file, place.offset, place.length)
    try:
        _, _, size, crc, name_length = CHUNK_HEAD.unpack_from(body)
        name = body[CHUNK_HEAD.size :][:name_length]
        packed_at = CHUNK_HEAD.size + name_length + 8
        (length,) = struct.unpack_from("<Q", body, packed_at - 8)
    except struct.error:
        raise Damaged("a chunk is too short") from None
    if name not in (b"zstd", b""):
        raise Damaged(f"compressed as {name[:16].decode('ascii', 'replace')!r}, which is not read here")
    if length != len(body) - packed_at:
        raise Damaged("a chunk is not as long as it says")
    packed = body[packed_at:]
    data = unpacked(packed, size) if name else packed
    if len(data) != size or (crc and zlib.crc32(data) != crc):
        raise Damaged("a checksum is wrong")
    return data


def is_whole(file: BinaryIO, place: Place) -> bool:
    try:
        return bool(chunk(file, place))
    except Damaged:
        return False


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Time (ns) and content of each message of a chunk. Raises Damaged."""
    place = 0
    while place < len(data):
        if place + HEAD.size > len(data):
            raise Damaged("a chunk ends within a record")
        opcode, length = HEAD.unpack_from(data, place)
        place += HEAD.size
        if length > len(data) - place:
            raise Damaged("a record is longer than its chunk")
        if opcode == _MESSAGE_OPCODE and length >= _MESSAGE.size:
            yield _MESSAGE.unpack_from(data, place)[2], data[place + _MESSAGE.size : place + length]
        place += length


def attachment(file: BinaryIO, offset: int, length: int) -> bytes:
    """What is attached, unpacked. Raises Damaged."""
    body = _body(file, offset, length)
    if len(body) < 4 or struct.unpack("<I", body[-4:])[0] != zlib.crc32(body[:-4]):
        raise Damaged("an attachment's checksum is wrong")
    try:
        place = 16
        for _ in ("name", "media type"):
            place += 4 + struct.unpack_from("<I", body, place)[0]
        (size,) = struct.unpack_from("<Q", body, place)
    except struct.error:
        raise Damaged("an attachment is too short") from None
    return unpacked(body[place + 8 : place + 8 + size], MAX_RECORD)


def unpacked(packed: bytes, limit: int) -> bytes:
    """At most `limit` bytes: a small file may say that it holds a large one. Raises Damaged."""
    if limit > MAX_RECORD:
        raise Damaged(f"a chunk of {limit} bytes: more than {MAX_RECORD}")
    data = bytearray()
    try:
        with zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW).stream_reader(packed) as reader:
            while len(data) <= limit and (piece := reader.read(1 << 20)):
                data += piece
    except zstandard.ZstdError as error:
        raise Damaged(f"it can't be unpacked ({error})") from None
    if len(data) > limit:
        raise Damaged("it unpacks to more than it says")
    return bytes(data)


def _body(file: BinaryIO, offset: int, length: int) -> bytes:
    if not HEAD.size < length <= MAX_RECORD:
        raise Damaged(f"a record of {length} bytes")
    data = read_at(file, offset, length)
    if len(data) < length or HEAD.unpack_from(data)[1] != length - HEAD.size:
        raise Damaged("a record is not as long as the index says")
    return data[HEAD.size :]
