"""Single calls of a window."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from textual.widget import Widget

from acceltop.views.screens.page import Page
from acceltop.views.widgets.slices import SlicesPane


class TimelinePage(Page):
    AUTO_FOCUS = "SlicesPane"

    def panes(self) -> Iterable[Widget]:
        yield SlicesPane(id="slices")

    def share_out(self, width: int, height: int) -> Mapping[str, int]:
        return {"slices": height}

    def leave(self) -> bool:
        return self.query_one(SlicesPane).release()
