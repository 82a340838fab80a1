"""The stream: what goes in comes out, and what a hostile end sends is bounded and harmless."""

from __future__ import annotations

import json
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.profiler.strategies import frames

from acceltop.profiler.codec import encode, from_dict
from acceltop.profiler.model import Frame
from acceltop.profiler.remote import wire


@settings(max_examples=50, deadline=None)
@given(st.lists(frames(), max_size=5), st.integers(1, 4096))
def test_frames_come_out_in_order_however_the_bytes_are_cut(sent: list[Frame], cut: int) -> None:
    packer, unpacker = wire.Packer(), wire.Unpacker()
    data = b"".join(packer.pack(wire.numbered(encode(frame), n)) for n, frame in enumerate(sent))
    lines = [line for at in range(0, len(data), cut) for line in unpacker.feed(data[at : at + cut])]
    assert [json.loads(line)["n"] for line in lines] == list(range(len(sent)))
    assert [encode(got) for line in lines if (got := from_dict(json.loads(line)))] == [encode(f) for f in sent]


def test_a_line_can_be_read_before_the_next_one_comes() -> None:
    packer, unpacker = wire.Packer(), wire.Unpacker()
    assert unpacker.feed(packer.pack(b"one\n")) == [b"one"]
    assert unpacker.feed(packer.pack(b"tw")) == []
    assert unpacker.feed(packer.pack(b"o\nthree\n")) == [b"two", b"three"]


def test_a_bomb_is_refused_before_it_grows() -> None:
    bomb = zlib.compress(b"0" * (64 << 20))
    with pytest.raises(wire.WireError):
        wire.Unpacker().feed(bomb)


@pytest.mark.parametrize("data", [b"hello", zlib.compress(b"x")])
def test_what_is_no_stream_or_ends_within_is_refused(data: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.Unpacker().feed(data)


@pytest.mark.parametrize("line", [b"", b"7", b"[]", b"{", b"[" * 100_000, b'{"a":' * 20 + b"1" + b"}" * 20, b"\xff"])
def test_what_is_no_object_is_refused(line: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.parse(line)


def test_strings_are_harmless_wherever_they_stand() -> None:
    evil = "\x1b]0;title\x07\u202e"
    line = json.dumps({"kind": "Note", "text": evil, evil: [evil, {"a": evil}], "long": "x" * 100_000})
    parsed = wire.parse(line.encode())
    assert "\x1b" not in str(parsed) and "\u202e" not in str(parsed)
    assert len(parsed["long"]) <= 8192
