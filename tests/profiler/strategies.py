"""Hypothesis strategies for every Frame, made from its annotations: a new field is tested without a line here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from acceltop.profiler.codec import MAX_INT
from acceltop.profiler.model import FRAMES, Frame

names = st.text(st.characters(codec="utf-8"), max_size=12)
_SCALARS: dict[type, st.SearchStrategy[Any]] = {
    int: st.integers(-MAX_INT, MAX_INT),
    float: st.floats(allow_nan=False, allow_infinity=False),
    str: names,
    bool: st.booleans(),
}


def of_type(hint: Any) -> st.SearchStrategy[Any]:
    """Values of one annotation."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return st.one_of(*map(of_type, args))
    if origin is tuple:
        return st.lists(of_type(args[0]), max_size=4).map(tuple)
    if origin is Mapping:
        return st.dictionaries(names, of_type(args[1]), max_size=4)
    if hint is NoneType:
        return st.none()
    return record(hint) if hasattr(hint, "__dataclass_fields__") else _SCALARS[hint]


def record(kind: type) -> st.SearchStrategy[Any]:
    hints = get_type_hints(kind)
    return st.builds(kind, **{spec.name: of_type(hints[spec.name]) for spec in fields(kind)})


def frames(*kinds: type[Frame]) -> st.SearchStrategy[Frame]:
    """Frames of these kinds, or of all."""
    return st.one_of(*map(record, kinds or FRAMES))
