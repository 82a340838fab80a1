from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from acceltop.views.draw.chart import beside, ends, framed, short
from acceltop.views.draw.icicle import Box, colour_of, icicle_row
from acceltop.views.draw.line import Line, Span, spans_width
from acceltop.views.draw.rule import keys, rule
from acceltop.views.draw.stacked import legend, stacked
from acceltop.views.draw.timestrip import strip


def test_half_cells_show_two_parts_in_one_row() -> None:
    assert stacked([(1.0, 1.0)], ["a", "b"], 1, 2.0) == [Line((Span("▄", "a@b"),), "", 1)]
    assert stacked([(2.0, 0.0)], ["a", "b"], 1, 2.0) == [Line((Span("█", "a"),), "", 1)]
    assert stacked([(1.0,)], ["a"], 1, 2.0) == [Line((Span("▄", "a"),), "", 1)]


def test_neighbours_of_one_colour_are_one_span() -> None:
    assert stacked([(2.0,)] * 5, ["a"], 1, 2.0) == [Line((Span("█████", "a"),), "", 5)]


def test_unknown_columns_stay_blank_and_high_ones_are_cut() -> None:
    (line,) = stacked([(math.nan,), (9.0,)], ["a"], 1, 2.0)
    assert line.text == " █"


@given(st.lists(st.tuples(*[st.floats(0, 100)] * 3), min_size=1, max_size=20), st.integers(1, 8), st.booleans())
def test_stacked_has_its_size(columns: list[tuple[float, ...]], rows: int, colours: bool) -> None:
    lines = stacked(columns, ["a", "b", "c"], rows, 150.0, colours=colours)
    assert [spans_width(line.spans) for line in lines] == [len(columns)] * rows


def test_without_colours_shades_tell_the_parts() -> None:
    (line,) = stacked([(2.0, 0.0), (0.0, 2.0)], ["a", "b"], 1, 2.0, colours=False)
    assert line.text == "▓▒"
    assert "".join(span.text for span in legend(["x", "y"], ["a", "b"], colours=False)) == "▓x ▒y"


@given(st.integers(10, 200), st.text(max_size=100))
def test_a_rule_is_as_wide_as_its_pane(width: int, hint: str) -> None:
    line = rule(width, "x", "1", [Span(hint)] if hint.isprintable() else [])
    assert spans_width(line.spans) == width


def test_keys_stand_out_from_what_they_do() -> None:
    assert keys(("/", "filter")) == (Span("/", "*accent"), Span(" filter", "dim"))


def test_a_scale_is_short() -> None:
    assert [short(text) for text in ("1.00 ms", "1.50 ms", "200 µs", "0 s")] == ["1ms", "1.5ms", "200µs", "0s"]


def test_frames_stand_side_by_side() -> None:
    block = framed([Span("t")], [Line((Span("xx"),))], ("9", "", "0"), 8)
    lines = beside([(block, 8), (block, 8)], 2)
    assert lines[0].text.count("t") == 2
    assert lines[1].text == "     0│xx       0│xx"[:4] + lines[1].text[4:]


def test_ends_drop_the_right_where_there_is_no_room() -> None:
    assert spans_width(ends([Span("ab")], [Span("cd")], 10)) == 10
    assert ends([Span("ab")], [Span("cd")], 5) == (Span("ab"),)


def test_boxes_keep_their_place_and_their_files_colour() -> None:
    line = icicle_row([Box(1, 12, "main", "train.py:64", 1.0), Box(20, 10, "fit", "train.py:7", 0.25)], True)
    assert line.text.index("main") == 2
    assert line.text[19:21] == "  "
    assert colour_of("train.py") == colour_of("train.py")
    assert line.spans[1].token == line.spans[3].token


def test_the_strip_marks_cursor_and_selection() -> None:
    line = strip(80, Span("▶"), "00:00:10", "⣿" * 20, 10, (2, 5), Span("live"))
    assert line.text.index("┃") == 13 + 10
    assert [span.text for span in line.spans if span.token == "accent"] == ["⣿⣿⣿"]
