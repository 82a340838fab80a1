"""The base of all screens: title, layers, panes, time strip, keys; and the line in which a filter is typed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input

from acceltop.views.draw.line import Line, Row
from acceltop.views.keys import hidden, is_text
from acceltop.views.widgets.canvas import Canvas
from acceltop.views.widgets.frame import KeyLine, LayersBar, TimeStrip, TitleBar
from acceltop.views.widgets.pane import Pane, Watcher
from acceltop.views.widgets.table_pane import TablePane

if TYPE_CHECKING:
    from acceltop.views.app import AcceltopApp

LEAST = (60, 16)
FRAME_LINES = 4


class TooSmall(Watcher):
    """All that is left where there is no room."""

    DEFAULT_CSS = "TooSmall { display: none; }"

    def draw(self, width: int, height: int) -> Sequence[Line]:
        columns, rows = self.app.size
        told = Row().put(f" acceltop needs {LEAST[0]}×{LEAST[1]}, has {columns}×{rows}", "warn")
        return [told.put("; it goes on" if width >= LEAST[0] else "", "warn").line()]


class FilterInput(Input):
    """One line above the keys, there while a filter is typed."""

    DEFAULT_CSS = "FilterInput { display: none; background: $panel; &.-textual-compact { padding: 0 1; } }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "keep the filter", id="filter.keep"),
        Binding("escape", "screen.end_filter(True)", "clear it", id="filter.clear"),
        Binding("ctrl+c", "app.quit", "quit", id="filter.quit"),
    ]


class Page(Screen[None]):
    """A subclass gives `panes` and `share_out`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "pane(1)", "pane", id="pane.next"),
        hidden("shift+tab", "pane(-1)", "previous pane", "pane.previous"),
    ]
    DEFAULT_CSS = """
    Page { layout: vertical; background: $background; }
    Page #body { height: 1fr; }
    Page Horizontal { height: auto; }
    """

    _filtered: Widget | None = None
    """What had the keys before a filter was typed."""
    _settled: tuple[bool, Mapping[str, int]] | None = None
    """Whether there is room, and the lines of each pane."""

    @property
    def host(self) -> AcceltopApp:
        return cast("AcceltopApp", self.app)

    def panes(self) -> Iterable[Widget]:
        """What it shows, from the top; a Horizontal holds panes side by side."""
        raise NotImplementedError

    def share_out(self, width: int, height: int) -> Mapping[str, int]:
        """Lines for the panes of these ids, out of `height`; 0 hides one."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        yield TitleBar()
        yield LayersBar()
        with Vertical(id="body"):
            yield from self.panes()
        yield TooSmall()
        # Compact: a focused one has a border otherwise, and one line is all there is. Not selected: typing goes on.
        hint = "filter: enter keeps it, esc clears it"
        yield FilterInput(placeholder=hint, id="filter", compact=True, select_on_focus=False)
        yield TimeStrip()
        yield KeyLine()

    @cached_property
    def canvases(self) -> list[Watcher]:
        """All but the keys: those change with the focus alone, and asking for all bindings costs more than any pane."""
        return [canvas for canvas in self.query(Watcher).results() if not isinstance(canvas, KeyLine)]

    @cached_property
    def _box(self) -> FilterInput:
        return self.query_one(FilterInput)

    def redraw(self, moved_only: bool = False) -> None:
        """Looks again; what hasn't changed costs nothing on the wire. `moved_only`: nothing but new readings came."""
        if not self.is_mounted or not self.children:
            return
        self._settle()
        with self.host.pen:
            for canvas in self.canvases:
                if canvas.display and (canvas.moved() or not moved_only):
                    canvas.redraw()

    def on_resize(self) -> None:
        self.redraw()

    def on_screen_resume(self) -> None:
        self.redraw()
        self.query_one(KeyLine).redraw()

    def _settle(self) -> None:
        width, height = self.app.size
        fits = width >= LEAST[0] and height >= LEAST[1]
        shares = self.share_out(width, height - FRAME_LINES - self._box.display) if fits else {}
        if (fits, shares) != self._settled:
            self._settled = fits, shares
            for widget in self.children:  # Textual has widgets of its own among them
                if isinstance(widget, (Canvas, Vertical)):
                    _show(widget, isinstance(widget, TooSmall) != fits)
            for id, lines in shares.items():
                self._grant(self.query_one(f"#{id}"), lines)
        if fits and self.focused is None:  # what is hidden loses it
            self.focus_main()

    def _grant(self, widget: Widget, lines: int) -> None:
        _show(widget, lines > 0)
        height = widget.styles.height
        if height is None or height.value != lines:
            widget.styles.height = lines

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool:
        """Where there is one pane, or a filter is typed, no key goes to the next."""
        if action != "pane":
            return True
        return not isinstance(self.focused, FilterInput) and sum(pane.focusable for pane in self.query(Pane)) > 1

    def action_pane(self, direction: int) -> None:
        if direction > 0:
            self.focus_next(Pane)
        else:
            self.focus_previous(Pane)

    def leave(self) -> bool:
        """Esc: takes back the last thing that was entered on this screen; says whether there was one."""
        return False

    # --- filter

    @property
    def filterable(self) -> bool:
        return any(pane.noun for pane in self.query(TablePane))  # asked also before there are any

    def types(self, key: str) -> bool:
        """Whether this key is text here, whatever else it does elsewhere."""
        return isinstance(self.focused, FilterInput) and is_text(key)

    def begin_filter(self) -> None:
        self._box.value = self.host.scene.filter
        self._box.display = True
        self._settle()  # the panes make room for it: what lies under it would be written over it
        self._filtered = self.focused
        self.set_focus(self._box)  # at once: what is typed meanwhile belongs into it
        self.host.focus_moved()

    def on_input_changed(self, event: Input.Changed) -> None:
        self.host.scene.filter = event.value
        self.redraw()

    def on_input_submitted(self) -> None:
        """A second Enter right behind the first still comes to the box: it is for the pane."""
        if self._box.display:
            self.action_end_filter(False)
        elif isinstance(self.focused, TablePane):
            self.focused.action_open()

    def action_end_filter(self, clear: bool) -> None:
        if clear:
            self._box.value = ""
        self._box.display = False
        self._settle()
        if self._filtered is not None:
            self.set_focus(self._filtered)
        else:
            self.focus_main()

    def focus_main(self) -> None:
        """Back to the pane that keys are for."""
        for selector in (str(self.AUTO_FOCUS or "*"), "Pane"):
            for pane in self.query(selector).results(Pane):
                if pane.focusable:
                    pane.focus()
                    return


def _show(widget: Widget, shown: bool) -> None:
    if widget.display != shown:
        widget.display = shown


def row(*panes: Widget, id: str) -> Horizontal:
    """Panes side by side."""
    return Horizontal(*panes, id=id)
