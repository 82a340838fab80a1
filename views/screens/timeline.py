"""Single calls of a window, and below them the same by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from acceltop.views.keys import hidden
from acceltop.views.screens.page import Page
from acceltop.views.widgets.calls import CallsPane
from acceltop.views.widgets.slices import SlicesPane

LEAST_CALLS = 6  # lines of the table, heading included


class TimelinePage(Page):
    """Both panes are of one window, and of the same part of it: wherever one is, keys change both."""

    AUTO_FOCUS = "SlicesPane"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("plus,equals_sign", "zoom(0.5)", "zoom in", id="slices.in"),
        Binding("minus", "zoom(2)", "zoom out", id="slices.out"),
        hidden("0", "zoom(0)", "whole window", "slices.all"),
        Binding("n", "window(1)", "next window", id="slices.next"),
        Binding("p", "window(-1)", "previous window", id="slices.previous"),
    ]

    def panes(self) -> Iterable[Widget]:
        yield SlicesPane(id="slices")
        yield CallsPane(id="calls")

    def share_out(self, width: int, height: int) -> Mapping[str, int]:
        """In parts that don't depend on what is shown: a new window moves nothing."""
        calls = max(height * 2 // 5, LEAST_CALLS)
        return {"slices": height - calls, "calls": calls}

    def leave(self) -> bool:
        return self.query_one(SlicesPane).release()

    def action_zoom(self, factor: float) -> None:
        self.query_one(SlicesPane).zoom(factor)

    def action_window(self, steps: int) -> None:
        self.query_one(SlicesPane).go_through(steps)
