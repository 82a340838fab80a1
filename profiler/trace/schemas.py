"""A JSON Schema for each Frame, so that any tool that opens a trace knows its fields."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from acceltop.profiler.codec import wire_name

_SCALARS = {int: "integer", float: "number", str: "string", bool: "boolean"}


@cache
def schema(kind: type) -> bytes:
    """JSON Schema of one kind of Frame."""
    described = _record(kind)
    described["title"] = kind.__name__
    described["properties"] = {"kind": {"const": kind.__name__}, **described["properties"]}
    return json.dumps(described, separators=(",", ":")).encode()


def _record(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    required = [f for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING]
    return {
        "type": "object",
        "properties": {wire_name(kind, f.name): _described(hints[f.name]) for f in fields(kind)},
        # A mapping or column that is empty is not written, even where the class wants one.
        "required": [wire_name(kind, f.name) for f in required if get_origin(hints[f.name]) not in (tuple, Mapping)],
    }


def _described(hint: Any) -> dict[str, Any]:
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _described(next(arg for arg in args if arg is not NoneType))
    if origin is tuple:
        return {"type": "array", "items": _described(args[0])}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _described(args[1])}
    return _record(hint) if hasattr(hint, "__dataclass_fields__") else {"type": _SCALARS[hint]}
