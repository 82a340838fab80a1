"""The table of kernels in full, with the chosen one beside it where there is room."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from textual.widget import Widget

from acceltop.views.screens.page import Page, row
from acceltop.views.widgets.kernel import KernelPane
from acceltop.views.widgets.kernels import KernelsPane

BESIDE = 140


class KernelsPage(Page):
    AUTO_FOCUS = "KernelsPane"
    DEFAULT_CSS = """
    KernelsPage KernelsPane { width: 2fr; }
    KernelsPage KernelPane { width: 1fr; }
    """

    def panes(self) -> Iterable[Widget]:
        yield row(KernelsPane(id="kernels"), KernelPane(id="kernel"), id="side")

    def share_out(self, width: int, height: int) -> Mapping[str, int]:
        table = self.query_one(KernelsPane)
        table.details = width < BESIDE
        chosen = table.current
        self.query_one(KernelPane).identity = table.identity(chosen) if chosen else None
        return {"side": height, "kernels": height, "kernel": height if width >= BESIDE else 0}
