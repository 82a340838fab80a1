from __future__ import annotations

from dataclasses import dataclass

from acceltop.views.draw.table import Column, Order, column_at, heading, layout, table_row, text_cell


@dataclass(frozen=True)
class Item:
    name: str
    calls: int


NAME = Column[Item]("name", "kernel", 0, lambda item, width: text_cell(item.name, width), lambda item: item.name, False)
CALLS = Column[Item](
    "calls",
    "calls",
    6,
    lambda item, width: text_cell(str(item.calls), width, "", ">"),
    lambda item: item.calls,
    align=">",
)
WIDE = Column[Item]("wide", "wide", 10, lambda item, width: text_cell("w", width), needs=60)


def test_one_column_takes_what_is_left_and_some_give_way() -> None:
    assert [(p.column.id, p.x, p.width) for p in layout([NAME, CALLS, WIDE], 40)] == [("name", 1, 30), ("calls", 33, 6)]
    assert [p.column.id for p in layout([NAME, CALLS, WIDE], 60)] == ["name", "calls", "wide"]


def test_values_stand_under_their_titles() -> None:
    placed = layout([NAME, CALLS], 30)
    assert heading(placed, "calls").text.endswith("calls")
    row = table_row(placed, Item("addmm", 12))
    assert row.text.index("addmm") == 1
    assert row.text.endswith("12")
    assert len(row.text) == len(heading(placed).text)


def test_a_selected_row_has_a_bar_and_another_ground() -> None:
    row = table_row(layout([NAME], 20), Item("addmm", 1), selected=True)
    assert row.text.startswith("▌addmm")
    assert row.back == "selected"


def test_a_faded_row_keeps_the_colour_of_what_is_wrong_alone() -> None:
    state = Column[Item]("state", "state", 10, lambda item, width: text_cell("since 12:03:44", width, "warn"))
    named = Column[Item]("name", "kernel", 0, lambda item, width: text_cell(item.name, width, "sm@trough"))
    row = table_row(layout([named, state], 40), Item("addmm", 1), faded=True)
    assert [span.token for span in row.spans if span.text.strip()] == ["faint@trough", "warn"]


def test_clicks_find_their_column() -> None:
    placed = layout([NAME, CALLS], 30)
    assert column_at(placed, 25) is not None
    assert column_at(placed, 0) is None


A, B, C = Item("a", 3), Item("b", 2), Item("c", 1)


def _names(items: list[Item]) -> str:
    return "".join(item.name for item in items)


def _order() -> Order[Item]:
    return Order(lambda item: item.name)


def test_the_order_settles_for_two_seconds() -> None:
    order = _order()
    assert _names(order.arrange([A, B, C], CALLS, False, 100.0, 0.0)) == "abc"
    later = [Item("a", 0), B, C]
    assert _names(order.arrange(later, CALLS, False, 101.9, 0.0)) == "abc"
    assert [order.is_due(at_s, 0.0) for at_s in (103.9, 104.1)] == [False, True]
    assert _names(order.arrange(later, CALLS, False, 102.1, 0.0)) == "bca"
    assert not order.is_due(105.0, 0.0)


def test_no_row_moves_soon_after_a_key() -> None:
    order = _order()
    order.arrange([A, B, C], CALLS, False, 107.5, 0.0)
    later = [Item("a", 0), B, C]
    assert _names(order.arrange(later, CALLS, False, 110.0, 108.0)) == "abc"
    assert _names(order.arrange(later, CALLS, False, 112.0, 108.0)) == "bca"


def test_the_key_that_brings_a_table_back_keeps_no_old_order() -> None:
    order = _order()
    order.arrange([A, B, C], CALLS, False, 100.0, 99.0)
    assert _names(order.arrange([Item("a", 0), B, C], CALLS, False, 200.0, 200.0)) == "bca"


def test_the_held_row_keeps_its_place() -> None:
    order = _order()
    order.arrange([A, B, C], CALLS, False, 100.0, 0.0)
    later = [Item("a", 3), Item("b", 0), C]
    assert _names(order.arrange(later, CALLS, False, 110.0, 0.0, held="b")) == "abc"


def test_who_asks_for_another_order_gets_it_at_once() -> None:
    order = _order()
    order.arrange([A, B, C], CALLS, False, 100.0, 99.9)
    assert _names(order.arrange([A, B, C], CALLS, True, 100.1, 100.1, held="a")) == "cba"


def test_new_rows_come_last_until_then() -> None:
    order = _order()
    order.arrange([B, C], CALLS, False, 100.0, 0.0)
    assert _names(order.arrange([A, B, C], CALLS, False, 100.5, 0.0)) == "bca"
