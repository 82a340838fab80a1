"""All findings with their time and source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from textual.widget import Widget

from acceltop.views.screens.page import Page
from acceltop.views.widgets.findings import NotesPane


class FindingsPage(Page):
    AUTO_FOCUS = "NotesPane"

    def panes(self) -> Iterable[Widget]:
        yield NotesPane(id="notes")

    def share_out(self, width: int, height: int) -> Mapping[str, int]:
        return {"notes": height}
