"""Bytes of a trace → Frames, fast. What the fast way refuses goes through the codec, which has the last word."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import msgspec

from acceltop.profiler import codec
from acceltop.profiler.codec import CodecError
from acceltop.profiler.model import FRAMES, DeviceFound, Frame
from acceltop.profiler.text import clean

# DeviceFound has a field that is called otherwise in JSON: the codec knows.
_FAST = {kind.__name__.encode(): msgspec.json.Decoder(kind) for kind in FRAMES if kind is not DeviceFound}
_KIND = re.compile(rb'\{"kind":"(\w{1,64})"')
# Text beyond ASCII that could move a cursor; text within is told by its escapes.
_SUSPECT = re.compile(rb"\xc2[\x80-\x9f]|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]|\xed[\xa0-\xbf]")
_MAX_TEXT = 1 << 16  # a folded stack is long


def decode(data: bytes) -> Frame | None:
    """The Frame, its texts clean; None for a kind that is not known here. Raises CodecError."""
    frame = _decoded(data)
    return _cleaned(frame) if frame is not None and _suspect(data) else frame


def _suspect(data: bytes) -> bool:
    return b"\\" in data or b"\x7f" in data or (not data.isascii() and _SUSPECT.search(data) is not None)


def _decoded(data: bytes) -> Frame | None:
    start = _KIND.match(data)
    decoder = _FAST.get(start[1]) if start else None
    if decoder is not None and len(data) <= codec.MAX_LINE:
        try:
            frame: Frame = decoder.decode(data)
            return frame
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass  # the codec allows more (null, empty columns left out), and says what is wrong
    return codec.decode(data)


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value, _MAX_TEXT)
    if isinstance(value, tuple):
        return tuple(map(_cleaned, value))
    if isinstance(value, Mapping):
        return {_cleaned(key): _cleaned(inner) for key, inner in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: _cleaned(getattr(value, field.name)) for field in fields(value)})
    return value


__all__ = ["CodecError", "decode"]
