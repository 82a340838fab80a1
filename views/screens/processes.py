"""The picker: devices above, below them every process that one may attach to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from textual import events
from textual.widget import Widget

from acceltop.views.keys import is_text
from acceltop.views.screens.page import FilterInput, Page
from acceltop.views.widgets.devices import DevicesPane
from acceltop.views.widgets.processes import ProcessesPane

KEPT = ("q", "question_mark", "slash", "space")  # what a filter can't begin with


class ProcessesPage(Page):
    """Typing filters; a few keys keep their meaning."""

    AUTO_FOCUS = "ProcessesPane"

    def panes(self) -> Iterable[Widget]:
        yield DevicesPane(id="devices")
        yield ProcessesPane(id="processes")

    def share_out(self, width: int, height: int) -> Mapping[str, int]:
        devices = self.query_one(DevicesPane)
        devices.number = ""  # digits filter here
        rows = devices.within(max(height // 2, 3))
        return {"devices": rows, "processes": height - rows}

    def types(self, key: str) -> bool:
        return super().types(key) or (key not in KEPT and is_text(key))

    def on_key(self, event: events.Key) -> None:
        box = self.query_one(FilterInput)
        # The box keeps its own keys to itself; what comes here was typed before it had the focus.
        if not event.is_printable or (event.key in KEPT and not box.display):
            return
        event.stop()
        event.prevent_default()
        if not box.display:
            self.begin_filter()
        box.insert_text_at_cursor(event.character or "")
