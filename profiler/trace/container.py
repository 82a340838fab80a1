"""An MCAP file as it is written: https://mcap.dev/spec. The records are the mcap package's; putting them together is
ours, since its Writer keeps an object for each chunk: at a chunk a second, a day of them is 90 MB of memory."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import zstandard
from mcap.data_stream import RecordBuilder
from mcap.opcode import Opcode
from mcap.records import (
    Attachment,
    AttachmentIndex,
    Channel,
    Chunk,
    ChunkIndex,
    DataEnd,
    Footer,
    Header,
    McapRecord,
    Message,
    MessageIndex,
    Schema,
    Statistics,
    SummaryOffset,
)

from acceltop.profiler.trace.records import MAGIC

CHUNK_BYTES = 1 << 20
_INDEX_BLOCK = 1 << 16


class _Packed:
    """Bytes that are written much later: compressed until then."""

    def __init__(self) -> None:
        self.number = 0
        self._open = bytearray()
        self._blocks: list[bytes] = []

    def add(self, data: bytes) -> None:
        self.number += 1
        self._open += data
        if len(self._open) > _INDEX_BLOCK:
            self._blocks.append(zlib.compress(self._open))
            self._open.clear()

    def __iter__(self) -> Iterator[bytes]:
        for block in self._blocks:
            yield zlib.decompress(block)
        yield bytes(self._open)


def _bytes_of(record: McapRecord) -> bytes:
    builder = RecordBuilder()
    record.write(builder)
    return bytes(builder.end())  # type: ignore[no-untyped-call]


def _widened(span: tuple[int, int] | None, start: int, end: int) -> tuple[int, int]:
    return (start, end) if span is None else (min(span[0], start), max(span[1], end))


class Container:
    """Appends to a stream that need not be seekable. Whatever was flushed is readable without what comes after.

    OSErrors of the stream go through; `size` is then the length that is known to be whole.
    """

    def __init__(self, stream: BinaryIO, profile: str, library: str) -> None:
        self._stream = stream
        self._zstd = zstandard.ZstdCompressor(level=3)
        self._chunk = RecordBuilder()
        self._message_indexes: dict[int, MessageIndex] = {}
        self._schemas: list[Schema] = []
        self._channels: list[Channel] = []
        self._attachments: list[AttachmentIndex] = []
        self._chunk_indexes = _Packed()
        self._counts: Counter[int] = Counter()
        self._range: tuple[int, int] | None = None  # of the open chunk
        self._whole_range: tuple[int, int] | None = None
        self.size = 0
        self._write(MAGIC + _bytes_of(Header(profile, library)))

    @property
    def pending(self) -> int:
        """Bytes, not yet compressed, that wait for `flush`."""
        return int(self._chunk.count)

    def channel(self, topic: str, schema: bytes) -> int:
        """A new channel of JSON messages; its id."""
        number = len(self._channels) + 1
        self._schemas.append(Schema(id=number, data=schema, encoding="jsonschema", name=topic))
        self._channels.append(Channel(id=number, topic=topic, message_encoding="json", schema_id=number, metadata={}))
        self._schemas[-1].write(self._chunk)
        self._channels[-1].write(self._chunk)
        return number

    def message(self, channel: int, time_ns: int, data: bytes) -> None:
        index = self._message_indexes.setdefault(channel, MessageIndex(channel, []))
        index.records.append((time_ns, self._chunk.count))
        self._counts[channel] += 1
        Message(channel, time_ns, data, time_ns, self._counts[channel] & 0xFFFFFFFF).write(self._chunk)
        self._range = _widened(self._range, time_ns, time_ns)
        if self._chunk.count > CHUNK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Ends the open chunk, if anything is in it, and hands it to the system."""
        if self._range is None:
            return
        start, end = self._range
        data = self._chunk.end()  # type: ignore[no-untyped-call]
        packed = self._zstd.compress(data)
        chunk = Chunk("zstd", packed, end, start, zlib.crc32(data), len(data))
        record = bytearray(_bytes_of(chunk))
        chunk_length, offsets = len(record), {}
        for channel, index in self._message_indexes.items():
            offsets[channel] = self.size + len(record)
            record += _bytes_of(index)
        place = self.size
        self._message_indexes, self._range = {}, None
        self._write(record)
        self._whole_range = _widened(self._whole_range, start, end)
        self._chunk_indexes.add(
            _bytes_of(
                ChunkIndex(
                    chunk_length, place, "zstd", len(packed), end, len(record) - chunk_length, offsets, start, len(data)
                )
            )
        )

    def attachment(self, name: str, media_type: str, time_ns: int, data: bytes) -> None:
        self.flush()
        record = _bytes_of(
            Attachment(create_time=time_ns, log_time=time_ns, name=name, media_type=media_type, data=data)
        )
        place = self.size
        self._write(record)
        self._attachments.append(
            AttachmentIndex(
                offset=place,
                length=len(record),
                create_time=time_ns,
                log_time=time_ns,
                data_size=len(data),
                name=name,
                media_type=media_type,
            )
        )

    def finish(self) -> None:
        """The summary: nothing can be added after it. The stream stays open."""
        self.flush()
        self._write(_bytes_of(DataEnd(0)))
        start, crc = self.size, 0
        offsets = bytearray()
        for opcode, blocks in self._summary():
            place = self.size
            for block in blocks:
                crc = zlib.crc32(block, crc)
                self._write(block)
            if self.size > place:
                offsets += _bytes_of(SummaryOffset(opcode, place, self.size - place))
        footer = struct.pack("<BQQQ", Opcode.FOOTER, 20, start, self.size)
        crc = zlib.crc32(footer, zlib.crc32(offsets, crc))
        self._write(offsets + _bytes_of(Footer(start, self.size, crc)) + MAGIC)

    def _summary(self) -> list[tuple[Opcode, Iterable[bytes]]]:
        return [
            (Opcode.SCHEMA, [_bytes_of(record) for record in self._schemas]),
            (Opcode.CHANNEL, [_bytes_of(record) for record in self._channels]),
            (Opcode.STATISTICS, [_bytes_of(self._statistics())]),
            (Opcode.CHUNK_INDEX, self._chunk_indexes),
            (Opcode.ATTACHMENT_INDEX, [_bytes_of(record) for record in self._attachments]),
        ]

    def _statistics(self) -> Statistics:
        start, end = self._whole_range or (0, 0)
        return Statistics(
            attachment_count=len(self._attachments),
            channel_count=len(self._channels),
            channel_message_counts=dict(self._counts),
            chunk_count=self._chunk_indexes.number,
            message_count=self._counts.total(),
            message_end_time=end,
            message_start_time=start,
            metadata_count=0,
            schema_count=len(self._schemas),
        )

    def _write(self, data: bytes | bytearray) -> None:
        rest = memoryview(data)
        while rest:  # an unbuffered stream may take a part
            rest = rest[self._stream.write(rest) :]
        self._stream.flush()
        self.size += len(data)
