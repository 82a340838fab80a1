"""Single calls of a window, and below them the same by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from textual.widget import Widget

from acceltop.views.screens.page import Page
from acceltop.views.widgets.calls import CallsPane
from acceltop.views.widgets.slices import SlicesPane

LEAST_CALLS = 6  # lines of the table, heading included


class TimelinePage(Page):
    AUTO_FOCUS = "SlicesPane"

    def panes(self) -> Iterable[Widget]:
        yield SlicesPane(id="slices")
        yield CallsPane(id="calls")

    def share_out(self, width: int, height: int) -> Mapping[str, int]:
        """In parts that don't depend on what is shown: a new window moves nothing."""
        calls = max(height * 2 // 5, LEAST_CALLS)
        return {"slices": height - calls, "calls": calls}

    def leave(self) -> bool:
        return self.query_one(SlicesPane).release()
