"""Where the Python code spends its time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from textual.widget import Widget

from acceltop.views.screens.page import Page
from acceltop.views.widgets.stacks import IciclePane, LinesPane


class StacksPage(Page):
    AUTO_FOCUS = "IciclePane"

    def panes(self) -> Iterable[Widget]:
        yield IciclePane(id="icicle")
        yield LinesPane(id="lines")

    def share_out(self, width: int, height: int) -> Mapping[str, int]:
        icicle = max(height // 2, 6)
        return {"icicle": icicle, "lines": height - icicle}
