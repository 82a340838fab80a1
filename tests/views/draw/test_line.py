from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acceltop.profiler.numbers import cells
from acceltop.views.draw.line import Line, Row, Span, changed, changes, clipped, fit, joined, spans_width

TEXTS = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=30)
SPANS = st.lists(st.builds(Span, TEXTS, st.sampled_from(["", "dim", "sm@trough"])), max_size=6)


@given(TEXTS, st.integers(0, 40), st.sampled_from("<>^"))
def test_fit_takes_exactly_the_width(text: str, width: int, align: str) -> None:
    assert cells(fit(text, width, align)) == width


def test_a_name_loses_its_middle_and_prose_its_end() -> None:
    assert fit("flash_bwd_dq_dk_kernel", 12).strip().count("…") == 1
    assert fit("flash_bwd_dq_dk_kernel", 12).endswith("rnel")
    assert clipped([Span("check its airflow")], 8) == (Span("check i…"),)


@given(SPANS, st.integers(0, 50))
def test_clipped_is_never_wider(spans: list[Span], width: int) -> None:
    assert spans_width(clipped(spans, width)) <= width


@given(SPANS, SPANS, st.integers(10, 60))
def test_joined_ends_at_the_right_edge(left: list[Span], right: list[Span], width: int) -> None:
    if spans_width(right) <= width:
        assert spans_width(joined(left, right, width).spans) == width


@given(SPANS, SPANS)
def test_changed_covers_every_cell_that_differs(before: list[Span], after: list[Span]) -> None:
    old, new = Row(*before).line(), Row(*after).line()
    start, end = changed(old, new)
    was, now = _cells(old), _cells(new)
    width = max(len(was), len(now))
    was += [(" ", "")] * (width - len(was))
    now += [(" ", "")] * (width - len(now))
    touched = range(start, width if end < 0 else end)
    assert all(place in touched for place in range(width) if was[place] != now[place])


@given(SPANS, SPANS, st.sampled_from(["", "bar"]), st.integers(1, 60))
def test_changes_turn_one_line_into_the_other(before: list[Span], after: list[Span], back: str, width: int) -> None:
    old, new = Row(*before).line(), Row(*after, back=back).line()
    if max(old.width, new.width) > width or _combining(old.text + new.text):
        return
    screen = _on_ground(old, width)
    for column, (text, token), count in changes(old, new, width):
        screen[column : column + count] = _on_ground(Line((Span(text, token),), back), count)
    assert screen == _on_ground(new, width)


def test_what_moved_is_written_and_of_a_long_run_only_its_cells() -> None:
    old = Row().put("power ", "dim").put("451 W", "power").put(" ▁▂▃▄▅▆▇█▇▆▅▄▃▂▁ ", "sm@trough").line()
    new = Row().put("power ", "dim").put("452 W", "power").put(" ▁▂▃▄▅▆▇█▇▆▅▄▃▂▁▃", "sm@trough").line()
    assert list(changes(old, new, 30)) == [(6, Span("452 W", "power"), 5), (27, Span("▃", "sm@trough"), 1)]
    assert list(changes(old, old, 30)) == []


def _on_ground(line: Line, width: int) -> list[tuple[str, str, str]]:
    """(character, token, ground) of each cell; of a wide character in both of its cells."""
    found = [(char, token, line.back) for char, token in _cells(line)]
    return found + [(" ", "", line.back)] * (width - len(found))


def _combining(text: str) -> bool:
    return any(not cells(char) for char in text)


def _cells(line: Line) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for text, token in line.spans:
        for char in text:
            found += [(char, token)] * max(cells(char), 1)
    return found


def test_another_ground_changes_the_whole_line() -> None:
    assert changed(Line((Span("a"),)), Line((Span("a"),), "selected")) == (0, -1)


def test_row_knows_its_column() -> None:
    row = Row().put("ab").to(5).put("c")
    assert row.line().text == "ab   c"
    assert row.to(3).width == 6


@pytest.mark.parametrize(("text", "width"), [("漢字漢字", 5), ("e\u0301" * 4, 3), ("", 0)])
def test_wide_and_combining_characters(text: str, width: int) -> None:
    assert cells(fit(text, width)) == width
