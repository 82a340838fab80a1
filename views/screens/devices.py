"""One device in full: its charts, who uses it, and every metric that it gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from textual.widget import Widget

from acceltop.views.screens.page import Page
from acceltop.views.widgets.device import DeviceChartsPane, MetricsPane, UsersPane
from acceltop.views.widgets.devices import DevicesPane


class DevicesPage(Page):
    AUTO_FOCUS = "DevicesPane"

    def panes(self) -> Iterable[Widget]:
        yield DevicesPane(id="devices")
        yield DeviceChartsPane(id="charts")
        yield UsersPane(id="users")
        yield MetricsPane(id="metrics")

    def share_out(self, width: int, height: int) -> Mapping[str, int]:
        devices = self.query_one(DevicesPane)
        scene = self.host.scene
        if scene.device is not None:
            devices.selected, scene.device = scene.device, None
        rows = devices.within(max(height // 3, 4))
        users = self.query_one(UsersPane).wanted()
        charts = min(max((height - rows - users) // 2, 0), 12) if height >= 28 else 0
        return {"devices": rows, "charts": charts, "users": users, "metrics": height - rows - charts - users}
