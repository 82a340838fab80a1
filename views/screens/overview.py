"""One argument from top to bottom: devices, what a step costs, which kernels, so what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from textual.widget import Widget

from acceltop.views.screens.page import Page
from acceltop.views.widgets.devices import DevicesPane
from acceltop.views.widgets.findings import FindingsPane
from acceltop.views.widgets.kernels import KernelsPane
from acceltop.views.widgets.pane import Pane
from acceltop.views.widgets.trends import StepsPane, TrendsPane

LEAST_KERNELS = 6
LEAST_STEPS = 15  # lines of all: in fewer there would be no kernel


class OverviewPage(Page):
    AUTO_FOCUS = "KernelsPane"

    def panes(self) -> Iterable[Widget]:
        yield DevicesPane(id="devices")
        yield TrendsPane(id="trends")
        yield StepsPane(id="steps")
        yield KernelsPane(id="kernels")
        yield FindingsPane(id="findings")

    def share_out(self, width: int, height: int) -> Mapping[str, int]:
        devices, findings = self.query_one(DevicesPane), self.query_one(FindingsPane)
        devices.headless = height < 28
        found = findings.wanted(width)
        rows = devices.within(max(height * 2 // 5, 3))
        charts = 0
        if width >= 110 and height >= 28:
            charts = min(height // 4, 10) if height >= 40 else 7
        steps = 0 if charts or height < LEAST_STEPS else 4
        rest = height - found - rows - charts - steps
        gap = int(rest > LEAST_KERNELS + 8)
        for canvas in self.canvases:
            if isinstance(canvas, Pane):
                canvas.spare = gap
        return {
            "devices": rows + gap,
            "trends": charts and charts + gap,
            "steps": steps,
            "kernels": rest - 3 * gap,
            "findings": found + gap,
        }
