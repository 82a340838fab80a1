"""Steps over time, how they spread, the slowest ones, and the ranks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from textual.widget import Widget

from acceltop.views.screens.page import Page, row
from acceltop.views.widgets.steps import HistogramPane, SlowestPane, StepChartPane


class StepsPage(Page):
    AUTO_FOCUS = "SlowestPane"

    def panes(self) -> Iterable[Widget]:
        yield StepChartPane(id="chart")
        yield row(HistogramPane(id="histogram"), SlowestPane(id="slowest"), id="below")

    def share_out(self, width: int, height: int) -> Mapping[str, int]:
        chart = height // 2
        below = height - chart
        return {"chart": chart, "below": below, "histogram": below if width >= 100 else 0, "slowest": below}
