from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acceltop.profiler import numbers

finite = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (2.31e12, "B/s", "2.31 TB/s"),
        (61.2e9, "B", "61.2 GB"),
        (648, "W", "648 W"),
        (999.6, "B", "1.00 kB"),
        (999_499, "B", "999 kB"),
        (0, "B", "0 B"),
        (0.27, "FLOP/B", "270 mFLOP/B"),
        (-1500, "B", "-1.50 kB"),
        (None, "B", "–"),
        (math.nan, "B", "–"),
    ],
)
def test_si(value: float | None, unit: str, text: str) -> None:
    assert numbers.si(value, unit) == text


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (812_000, "812 µs"),
        (18_200_000, "18.2 ms"),
        (1_820_000_000, "1.82 s"),
        (45, "45.0 ns"),
        (0, "0 s"),
        (99_900_000_000, "99.9 s"),
        (723_000_000_000, "12 min 03 s"),
        (3_599_900_000_000, "59 min 59 s"),
        (7_500_000_000_000, "2 h 05 min"),
        (273_600_000_000_000, "3 d 04 h"),
        (None, "–"),
    ],
)
def test_duration(ns: float | None, text: str) -> None:
    assert numbers.duration(ns) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (0.31, "31.0 %"),
        (0.003, "0.3 %"),
        (0.0001, "<0.1 %"),
        (0.0, "0 %"),
        (0.9996, "100 %"),
        (3.8, "380 %"),
        (None, "–"),
    ],
)
def test_percent(ratio: float | None, text: str) -> None:
    assert numbers.percent(ratio) == text


def test_of_whole_percents_a_little_is_not_nothing() -> None:
    told = {None: "–", math.nan: "–", 0.0: "0%", 1e-9: "<1%", 0.0099: "<1%", 0.01: "1%", 0.31: "31%", 1.0: "100%"}
    assert {ratio: numbers.pct(ratio) for ratio in told} == told


@pytest.mark.parametrize(
    ("value", "limit", "unit", "text"),
    [
        (648, 700, "W", "648/700 W"),
        (61.2e9, 80e9, "B", "61.2/80 GB"),
        (500e6, 80e9, "B", "0.500/80 GB"),
        (61.2e9, None, "B", "61.2 GB"),
        (None, 80e9, "B", "–"),
    ],
)
def test_value_beside_its_limit(value: float | None, limit: float | None, unit: str, text: str) -> None:
    assert numbers.of(value, limit, unit) == text


def test_metrics_are_written_in_their_own_unit() -> None:
    assert numbers.metric("hw.power", 648, 700) == "648/700 W"
    assert numbers.metric("hw.gpu.sm.active", 0.86) == "86.0 %"
    assert numbers.metric("hw.temperature", 64) == "64 °C"
    assert numbers.metric("hw.gpu.clock.sm", 1.755e9) == "1.75 GHz"
    assert numbers.metric("process.thread.count", 1234) == "1 234"
    assert numbers.metric("system.cpu.load_1m", 2.718) == "2.72"
    assert numbers.metric("hw.power", None) == "–"


@pytest.mark.parametrize(("value", "text"), [(99_999, "99 999"), (123_456, "123 k"), (1_234_567, "1.23 M")])
def test_a_count_without_room_has_a_prefix(value: int, text: str) -> None:
    assert numbers.count_in(value, 6) == text


def test_a_duration_beside_another_leaves_out_the_unit_that_they_share() -> None:
    assert numbers.duration_beside(31e6, 18e6) == "31.0"
    assert numbers.duration_beside(1.3e6, 940e3) == "1.30 ms"


def test_bar_in_eighths() -> None:
    assert numbers.bar(0.5, 4) == "██  "
    assert numbers.bar(1 / 32, 4) == "▏   "
    assert numbers.bar(1e-9, 4) == "▏   ", "something is never drawn as nothing"
    assert numbers.bar(7.0, 4, "·") == "████"
    assert numbers.bar(None, 4, "·") == "····"


def test_names_lose_their_middle() -> None:
    short = numbers.shorten("flash_bwd_dq_dk_dv_loop_seqk_parallel_kernel", 30)
    assert short == "flash_bwd_dq_dk_d…allel_kernel"
    assert numbers.shorten("gemm", 4) == "gemm"
    assert numbers.shorten("gemm", 1) == "…"
    assert numbers.shorten("gemm", 0) == ""


@given(st.text(max_size=80), st.integers(0, 40))
def test_a_shortened_name_fits(text: str, width: int) -> None:
    assert numbers.cells(numbers.shorten(text, width)) <= width


@given(st.one_of(st.none(), finite), st.integers(0, 40))
def test_a_bar_fills_its_width(ratio: float | None, width: int) -> None:
    assert len(numbers.bar(ratio, width)) == width


@given(finite)
def test_no_number_is_long(value: float) -> None:
    written = (numbers.three(value), numbers.si(value, "B"), numbers.percent(value), numbers.duration(value))
    assert all(len(text) <= 18 for text in written), written
    assert len(numbers.of(value, 1e-300, "W")) <= 24
    assert len(numbers.count(value)) <= 20


@given(st.floats(1e-12, 1e20))
def test_three_digits_always(value: float) -> None:
    number = numbers.si(value, "B").split(" ")[0]
    digits = re.sub(r"^0\.?0*", "", number.replace(".", "")) or number
    assert len(digits) == 3 or value < 1e-9 or value >= 999.5e18
    assert math.isclose(float(number), value / 1000 ** round(math.log10(value / float(number)) / 3), rel_tol=6e-3)


def test_the_line_of_a_place_survives() -> None:
    assert numbers.shorten("train.py:29 __iter__", 16) == "train.py:29 __i…"
    assert numbers.shorten("train.py:29 __iter__", 13) == "train.py:29…"
    assert numbers.shorten("train.py:29 __iter__", 11) == "train.py:29"
    assert numbers.shorten("train.py:29 __iter__", 8) == "trai…:29"


def test_the_folder_of_a_place_goes_first() -> None:
    assert numbers.shorten("/home/u/project/src/train.py:64 train", 17) == "train.py:64 train"
    assert numbers.shorten("/home/u/project/src/train.py:64 train", 14) == "train.py:64 t…"
    assert numbers.shorten("/home/u/project/src/train.py:64", 12) == "train.py:64"
