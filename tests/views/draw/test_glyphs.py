from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acceltop.views.draw.glyphs import ASCII, FULL, PLAIN_BLOCKS, Dots, Glyphs, area, band_of, bar, to_ascii
from acceltop.views.draw.line import Span, spans_width


@given(st.one_of(st.none(), st.floats(-1, 2), st.just(math.nan)), st.integers(1, 20))
def test_a_bar_takes_its_width_whatever_it_shows(ratio: float | None, width: int) -> None:
    assert spans_width(bar(ratio, width, "sm")) == width


@given(st.one_of(st.none(), st.floats(0, 1)), st.integers(1, 20), st.lists(st.floats(0, 1), min_size=2, max_size=9))
def test_what_is_drawn_becomes_ascii_of_the_same_width(ratio: float | None, width: int, values: list[float]) -> None:
    for text in (bar(ratio, width, "sm")[0].text, area(values, 1, ASCII)[0]):
        assert to_ascii(text).isascii()
        assert len(to_ascii(text)) == len(text)


def test_a_bar_in_eighths_on_its_trough() -> None:
    assert bar(0.5625, 2, "sm") == (Span("█▏", "sm@trough"),)
    assert bar(0.0001, 2, "sm") == (Span("▏ ", "sm@trough"),)
    assert bar(None, 2, "sm") == (Span("  "),)


def test_zero_keeps_a_ground_line_and_unknown_is_blank() -> None:
    assert area([0.0, 0.0, math.nan, math.nan], 1) == ["⣀ "]


def test_a_band_is_filled_up_to_the_lowest_and_dotted_up_to_the_highest() -> None:
    unknown = math.nan
    assert band_of([[1.0, 1.0], [1.0, 1.0], [1.0, 1.0]], 1) == ["⣿"]
    assert band_of([[0.5, 0.5], [0.5, 0.5], [1.0, 1.0]], 1) == ["⣮"]
    assert band_of([[unknown, unknown], [0.75, 0.75], [1.0, 1.0]], 1) == ["⡾"]
    assert band_of([[unknown, 0.5], [unknown, 0.5], [unknown, 0.5]], 2) == [" ", "⢸"]


def test_heights_fill_from_below() -> None:
    assert area([1.0, 1.0], 2) == ["⣿", "⣿"]
    assert area([0.5, 0.5], 2) == [" ", "⣿"]
    assert area([0.25, 0.75], 1) == ["⣰"]


def test_an_odd_number_of_values_ends_at_the_right() -> None:
    assert area([1.0], 1) == ["⢸"]


@given(st.lists(st.floats(0, 1), min_size=2, max_size=40), st.integers(1, 5))
@pytest.mark.parametrize("glyphs", [FULL, PLAIN_BLOCKS, ASCII])
def test_areas_have_their_size(glyphs: Glyphs, values: list[float], rows: int) -> None:
    drawn = area(values, rows, glyphs)
    assert len(drawn) == rows
    assert {len(line) for line in drawn} == {(len(values) + 1) // 2}


def test_other_terminals_get_no_braille() -> None:
    assert area([0.5, 0.5], 1, PLAIN_BLOCKS) == ["▄"]
    assert to_ascii(area([0.5, 0.5], 1, ASCII)[0]) == "-"


def test_dots_outside_are_left_out() -> None:
    dots = Dots(2, 1)
    for x, y in ((0, 0), (3, 3), (-1, 0), (4, 0), (0, 4)):
        dots.set(x, y)
    assert dots.rows() == ["⠁⢀"]
