"""A pane with rows to choose from: keys and mouse, sorting, filter, and an order that doesn't jump."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import ClassVar, Generic, TypeVar

from textual import events
from textual.binding import Binding, BindingType

from acceltop.views.draw.line import Line, Row, Span
from acceltop.views.draw.rule import keys
from acceltop.views.draw.table import Column, Order, Placed, column_at, heading, layout, table_row
from acceltop.views.widgets.pane import Pane

T = TypeVar("T")


class TablePane(Pane, Generic[T]):
    """A subclass gives `columns`, `items`, `identity`; and `opened` if Enter does something."""

    can_focus = True
    noun = ""
    """What one of its rows is, if the filter is about them."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "previous row", id="row.up", show=False),
        Binding("down,j", "move(1)", "next row", id="row.down", show=False),
        Binding("pageup,ctrl+b", "page(-1)", "page up", id="row.page_up", show=False),
        Binding("pagedown,ctrl+f", "page(1)", "page down", id="row.page_down", show=False),
        Binding("g", "move(-100000)", "first row", id="row.first", show=False),
        Binding("G", "move(100000)", "last row", id="row.last", show=False),
        Binding("enter", "open", "open", id="row.open"),
        Binding("t", "sort(1)", "sort", id="table.sort"),
        Binding("T", "reverse", "reverse the order", id="table.reverse", show=False),
        Binding("y", "copy", "copy the name", id="row.copy", show=False),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.selected: Hashable = None
        self.headless = False
        self.sort = ""
        self.reverse = False
        self._order = self.order()
        self._sight: Hashable = None
        self._shown: list[T] = []
        self._laid_out: Sequence[Column[T]] = ()
        self._placed: list[Placed] = []
        self._top = 0
        self._rows = 1

    def columns(self, width: int) -> Sequence[Column[T]]:
        raise NotImplementedError

    def items(self) -> Sequence[T]:
        """All rows; filtered already."""
        raise NotImplementedError

    def identity(self, item: T) -> Hashable:
        raise NotImplementedError

    def order(self) -> Order[T]:
        """One that knows of no rows yet."""
        return Order(self.identity)

    def sight(self) -> Hashable:
        """Who looks at another one asks for its order, too."""
        return self.scene.place

    def name_of(self, item: T) -> str:
        """What `y` copies."""
        return str(self.identity(item))

    def empty(self) -> str:
        """What it says without rows, filter or not."""
        return "nothing yet"

    def opened(self, item: T) -> None:
        """Enter, or a second click."""

    def hints(self) -> Iterable[Span]:
        """Rows that a filter hides are not hidden silently."""
        return self.filtering() if self.noun and self.scene.filter else ()

    def filtering(self) -> tuple[Span, ...]:
        return keys(("/", f"filter {self.scene.filter}".rstrip()))

    def faded(self, item: T) -> bool:
        """Whether what the row says is not of now."""
        return False

    def footer(self, width: int) -> Sequence[Line]:
        """Lines below the rows."""
        return ()

    def more(self, hidden: Sequence[T]) -> Line:
        """The line that stands for rows without room."""
        return Row().put(f" + {len(hidden)} more", "dim").line()

    # --- drawing

    def moved(self) -> bool:
        return super().moved() or self._order.is_due(self.scene.clock_s(), self.scene.last_key_s)

    def body(self, width: int, height: int) -> Sequence[Line]:
        items = self.items()
        columns = self.columns(width)
        if columns is not self._laid_out:
            self._laid_out, self._placed = columns, layout(columns, width)
        by = self._sorted_by(columns)
        if not items or by is None:
            self._shown = []
            unmatched = self.noun and self.scene.filter
            told = f"no {self.noun} matches “{self.scene.filter}”: esc clears the filter" if unmatched else self.empty()
            return self.waiting(told)
        self._look_anew()
        self._shown = self._order.arrange(
            items, by, self.reverse, self.scene.clock_s(), self.scene.last_key_s, self.selected
        )
        head = [] if self.headless else [heading(self._placed, by.id)]
        footer = self.footer(width)
        rows = self._visible(max(height - len(head) - len(footer), 1))
        return [*head, *rows, *footer]

    def _look_anew(self) -> None:
        sight = self.sight()
        if sight != self._sight:
            self._sight, self._order = sight, self.order()

    def sorting(self, usual: str) -> str:
        """The title of the column that the user chose to sort by, and whether the other way round."""
        title = next((placed.column.title for placed in self._placed if placed.column.id == self.sort), usual)
        return f"{title} reversed" if self.reverse else title

    def _sorted_by(self, columns: Sequence[Column[T]]) -> Column[T] | None:
        sortable = [column for column in columns if column.key is not None]
        return next((column for column in sortable if column.id == self.sort), sortable[0] if sortable else None)

    def _visible(self, room: int) -> list[Line]:
        place = self.place
        crowded = len(self._shown) > room
        self._rows = rows = room - crowded
        self._top = top = min(max(self._top, place - rows + 1), place, max(len(self._shown) - rows, 0))
        lines = [self._row(item) for item in self._shown[top : top + rows]]
        if crowded:
            return [*lines, self.more([*self._shown[:top], *self._shown[top + rows :]])]
        return [*lines, *[Line(())] * (rows - len(lines))]

    def _row(self, item: T) -> Line:
        """Where nothing has been selected yet keys begin at the first row: it shows that as soon as they come here."""
        begins = self.selected is None and self.has_focus and item is self._shown[0]
        return table_row(self._placed, item, begins or self.identity(item) == self.selected, self.faded(item))

    @property
    def place(self) -> int:
        """Index of the selected row; without one the first row is where keys begin."""
        if self.selected is None:
            return 0
        return next((at for at, item in enumerate(self._shown) if self.identity(item) == self.selected), 0)

    @property
    def current(self) -> T | None:
        """The selected item; the first where none is selected."""
        return self._shown[self.place] if self._shown else None

    # --- hands

    def action_move(self, rows: int) -> None:
        if not self._shown:
            return
        self.choose(self._shown[min(max(self.place + rows, 0), len(self._shown) - 1)])

    def action_page(self, pages: int) -> None:
        self.action_move(pages * max(self._rows - 1, 1))

    def choose(self, item: T) -> None:
        self.selected = self.identity(item)
        self.host.redraw()

    def action_open(self) -> None:
        item = self.current
        if item is not None:
            self.selected = self.identity(item)
            self.opened(item)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool:
        """A key that does nothing here is not offered."""
        return action != "open" or type(self).opened is not TablePane.opened

    def action_sort(self, steps: int) -> None:
        sortable = [placed.column for placed in self._placed if placed.column.key is not None]
        if sortable:
            names = [column.id for column in sortable]
            now = names.index(self.sort) if self.sort in names else 0
            self._sort_by(sortable[(now + steps) % len(sortable)], reverse=False)

    def action_reverse(self) -> None:
        self.reverse = not self.reverse
        self.redraw()

    def action_copy(self) -> None:
        item = self.current
        if item is not None:
            self.copy(self.name_of(item))

    def clicked(self, x: int, y: int) -> None:
        y += self.headless
        if y == 0:
            column = column_at(self._placed, x)
            if column is not None and column.key is not None:
                again = column is self._sorted_by([placed.column for placed in self._placed])
                self._sort_by(column, reverse=again and not self.reverse)
            return
        at = self._top + y - 1
        if 0 < y <= self._rows and at < len(self._shown):
            again = self.identity(self._shown[at]) == self.selected
            self.choose(self._shown[at])
            if again:
                self.action_open()

    def _sort_by(self, column: Column[T], reverse: bool) -> None:
        self.sort, self.reverse = column.id, reverse
        self._top = 0
        self.redraw()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.action_move(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.action_move(-3)
