"""Frame ↔ JSON: one object, its frame kind under "kind". Absent stays absent; unknown fields and kinds are ignored."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from functools import cache, lru_cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from acceltop.profiler.model import FRAMES, DeviceFound, Frame

MAX_LINE = 64 << 20  # bytes of one frame: a longer line is refused before it is parsed
_KIND_OF = {DeviceFound: "device"}  # these have a field called kind themselves
_KINDS: dict[str, type] = {kind.__name__: kind for kind in FRAMES}
MAX_INT = 2**63 - 1  # what a column of a Timeline and a time of a trace can hold
Convert = Callable[[Any], Any]


class CodecError(ValueError):
    """The text is not a Frame; the message says why."""


def encode(frame: Frame) -> str:
    """One line of JSON, without the newline."""
    return json.dumps(to_dict(frame), separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def to_dict(frame: Frame) -> dict[str, Any]:
    """Plain JSON types, "kind" first; what is absent or empty is left out."""
    return {"kind": type(frame).__name__, **_fields(frame)}


def decode(line: str | bytes) -> Frame | None:
    """The Frame, or None for a kind that this version does not know. Raises CodecError."""
    if len(line) > MAX_LINE:
        raise CodecError(f"a frame of {len(line)} bytes: more than {MAX_LINE}")
    try:
        return from_dict(json.loads(line))
    except (ValueError, RecursionError) as error:
        raise CodecError(str(error)) from None


def from_dict(data: object) -> Frame | None:
    """Inverse of `to_dict`; checks every type. Raises CodecError."""
    if not isinstance(data, dict):
        raise CodecError("a frame is a JSON object")
    kind = _KINDS.get(str(data.get("kind")))
    if kind is None:
        return None
    frame: Frame = _record(kind)(data)
    return frame


def _fields(record: Any) -> dict[str, Any]:
    kind: type = type(record)
    known = {}
    for field, name, convert in _writers(kind):
        value = getattr(record, field)
        if convert is not None and value is not None:
            value = None if value == () or value == {} else convert(value)
        if value is not None:
            known[name] = value
    return known


def wire_name(kind: type, field: str) -> str:
    """The name of a field in JSON: its own, unless that is taken by the frame's kind."""
    return f"{_KIND_OF[kind]}_kind" if field == "kind" and kind in _KIND_OF else field


@cache
def _writers(kind: type) -> tuple[tuple[str, str, Convert | None], ...]:
    hints = get_type_hints(kind)
    return tuple((f.name, wire_name(kind, f.name), _writer(hints[f.name])) for f in fields(kind))


def _writer(hint: Any) -> Convert | None:
    """What makes plain JSON of a value that is not None; it gives None for a number that isn't one."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _writer(_without_none(args))
    if origin is tuple:
        item = _writer(args[0])
        return lambda value: list(value if item is None else map(item, value))
    if origin is Mapping:
        item = _writer(args[1])
        if item is None:
            return dict
        return lambda value: {k: plain for k, v in value.items() if (plain := item(v)) is not None}
    if hasattr(hint, "__dataclass_fields__"):
        return _fields
    return (lambda value: value if math.isfinite(value) else None) if hint is float else None


def _without_none(args: tuple[Any, ...]) -> Any:
    return next(arg for arg in args if arg is not NoneType)


@cache
def _record(kind: type) -> Convert:
    hints = get_type_hints(kind)
    readers = {wire_name(kind, f.name): (f.name, _reader(hints[f.name])) for f in fields(kind)}
    # The empty value of a column or mapping is not written, so it is what an absent one means.
    needed = {
        f.name: _EMPTY.get(get_origin(hints[f.name]))
        for f in fields(kind)
        if f.default is MISSING and f.default_factory is MISSING
    }

    def read(data: Any) -> Any:
        known = {}
        name = ""
        try:
            for name, value in _expect(dict, data).items():
                if value is not None and name in readers:
                    field, reader = readers[name]
                    known[field] = reader(value)
        except CodecError:
            raise
        except (TypeError, ValueError, OverflowError) as error:
            raise CodecError(f"{kind.__name__}.{name}: {error}") from None
        for field, empty in needed.items():
            if field not in known:
                if empty is None:
                    raise CodecError(f"{kind.__name__}: no {wire_name(kind, field)}")
                known[field] = empty()
        return kind(**known)

    return read


_EMPTY: dict[Any, Callable[[], Any]] = {tuple: tuple, Mapping: dict}


def _reader(hint: Any) -> Convert:
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _reader(_without_none(args))
    if origin is tuple:
        item = _reader(args[0])
        return lambda value: tuple(map(item, _expect(list, value)))
    if origin is Mapping:
        item = _reader(args[1])
        return lambda value: {_str(k): item(v) for k, v in _expect(dict, value).items()}
    if hasattr(hint, "__dataclass_fields__"):
        return _record(hint)
    return _SCALARS[hint]


def _expect(kind: type, value: Any) -> Any:
    if not isinstance(value, kind):
        raise CodecError(f"expected {kind.__name__}, found {type(value).__name__}")
    return value


@lru_cache(maxsize=8192)
def _str(value: Any) -> str:
    """One object for equal texts: hundreds of windows are kept, and each names the same kernels and stacks."""
    text: str = _expect(str, value)
    return text


def _int(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(f"expected int, found {type(value).__name__}")
    if not -MAX_INT <= value <= MAX_INT:
        raise ValueError("more than 64 bits")
    return value


def _float(value: Any) -> float:
    if type(value) not in (int, float):
        raise TypeError(f"expected float, found {type(value).__name__}")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("not a finite number")
    return number


_SCALARS: dict[Any, Convert] = {
    int: _int,
    float: _float,
    str: _str,
    bool: lambda value: _expect(bool, value),
}
