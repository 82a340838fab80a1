"""Every Frame survives the codec; what is unknown is absent; what is bad is refused in words."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.profiler.strategies import frames

from acceltop.profiler import codec
from acceltop.profiler.codec import CodecError
from acceltop.profiler.model import FRAMES, DeviceLost, Frame, KernelRow, KernelWindow, Note, Sample, StackWindow, Steps

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("kind", FRAMES)
@given(st.data())
def test_every_frame_survives(kind: type[Frame], data: st.DataObject) -> None:
    frame = data.draw(frames(kind))
    line = codec.encode(frame)
    assert "\n" not in line
    assert codec.decode(line) == frame
    assert codec.decode(line.encode()) == frame


@given(frames(), st.dictionaries(st.text().map(lambda name: f"x-{name}"), json_values, max_size=3))
def test_unknown_fields_are_ignored(frame: Frame, news: dict[str, Any]) -> None:
    assert codec.from_dict({**news, **codec.to_dict(frame)}) == frame


@pytest.mark.parametrize("line", ['{"kind":"Hologram","time_ns":1}', '{"time_ns":1}', '{"kind":7}', "{}"])
def test_unknown_kinds_are_ignored(line: str) -> None:
    assert codec.decode(line) is None


@given(frames())
def test_unknown_is_absent_never_null(frame: Frame) -> None:
    assert not [path for path, value in leaves(codec.to_dict(frame)) if value is None]


@given(frames(Sample), st.sampled_from([math.nan, math.inf, -math.inf]))
def test_a_number_that_is_none_is_not_written(sample: Frame, bad: float) -> None:
    assert isinstance(sample, Sample)
    broken = Sample(sample.time_ns, sample.source, {**sample.values, "hw.power": bad})
    assert "hw.power" not in codec.to_dict(broken).get("values", {})
    json.loads(codec.encode(broken), parse_constant=pytest.fail)


def test_absent_stays_none() -> None:
    row = codec.from_dict(
        {"kind": "KernelWindow", "t0_ns": 0, "t1_ns": 1, "pid": 2, "source": "torch", "profiled_ns": 1}
    )
    assert isinstance(row, KernelWindow)
    assert row.rows == () and row.steps is None and row.slices is None


def test_null_is_absent() -> None:
    note = codec.decode('{"kind":"Note","time_ns":1,"level":"info","code":"a","text":"b","pid":null,"next_step":null}')
    assert note == Note(1, "info", "a", "b")


@given(json_values)
def test_any_json_is_a_frame_or_refused(value: Any) -> None:
    for data in (value, {"kind": "Sample", "values": value}, {"kind": "Steps", "duration_ns": value, "start_ns": 1}):
        try:
            codec.from_dict(data)
        except CodecError as error:
            assert str(error)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_frame_or_refused(data: bytes) -> None:
    try:
        codec.decode(data)
    except CodecError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("time_ns", "12"),
        ("time_ns", 1.5),
        ("time_ns", True),
        ("time_ns", 1 << 63),
        ("values", []),
        ("values", {"hw.power": "9"}),
        ("values", {"hw.power": True}),
        ("values", {"hw.power": 10**400}),
        ("source", 3),
        ("pid", [1]),
    ],
)
def test_wrong_types_are_named(field: str, value: object) -> None:
    data = {"kind": "Sample", "time_ns": 1, "source": "nvml", "values": {}, field: value}
    with pytest.raises(CodecError, match="expected|finite|64 bits|large"):
        codec.from_dict(data)


@pytest.mark.parametrize("line", ['{"kind":"Sample","values":{"a":NaN}}', '{"kind":"Sample","values":{"a":1e999}}'])
def test_numbers_that_json_has_not(line: str) -> None:
    with pytest.raises(CodecError):
        codec.decode(line.replace("{", '{"time_ns":1,"source":"x",', 1))


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(CodecError):
        codec.decode("[" * 100_000)


def test_a_long_line_is_refused_before_it_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "MAX_LINE", 10)
    with pytest.raises(CodecError, match="more than 10"):
        codec.decode('{"kind":"Note"}')


def test_columns_keep_their_length() -> None:
    steps = Steps(0, 1, 5, (1, 2), {"data": (), "forward": (3, 4)}, (True, False))
    stacks = StackWindow(0, 1, 2, "py-spy", 100.0, 1, {"main;f (a.py:1)": 1})
    window = KernelWindow(0, 1, 2, "torch", (KernelRow("gemm", "kernel", 1, 2, 2, 2),), 1)
    for frame in (steps, stacks, window):
        assert codec.decode(codec.encode(frame)) == frame


def leaves(value: Any, path: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [leaf for key, inner in value.items() for leaf in leaves(inner, f"{path}.{key}")]
    if isinstance(value, list):
        return [leaf for inner in value for leaf in leaves(inner, f"{path}[]")]
    return [(path, value)]


def test_frames_are_equal_where_kind_and_fields_are() -> None:
    first, same, other = (Sample(1, "host", {"a": value}) for value in (1.0, 1.0, 2.0))
    assert first == same and first != other and first != DeviceLost(1, "host", "gone")
    assert hash(DeviceLost(1, "gpu", "gone")) == hash(DeviceLost(1, "gpu", "gone"))
    assert repr(DeviceLost(1, "gpu", "gone")) == "DeviceLost(time_ns=1, device='gpu', reason='gone')"


def test_equal_texts_of_many_windows_are_one_object() -> None:
    row = KernelRow("gemm", "kernel", 1, 1, 1, 1, module="model.layers.1")
    line = codec.encode(KernelWindow(1, 2, 7, "torch", (row,), 1))
    a, b = (codec.decode(line), codec.decode(line))
    assert isinstance(a, KernelWindow) and isinstance(b, KernelWindow)
    assert a.rows[0].name is b.rows[0].name and a.rows[0].module is b.rows[0].module
    stacks = [codec.decode(codec.encode(StackWindow(1, 2, 7, "py-spy", 100.0, 1, {"main;train": 1}))) for _ in range(2)]
    keys = [key for window in stacks if isinstance(window, StackWindow) for key in window.stacks]
    assert keys[0] is keys[1]
