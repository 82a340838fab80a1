"""One kernel, opened."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from acceltop.views.facts.kernels import kernel_table
from acceltop.views.screens.page import Page
from acceltop.views.widgets.kernel import KernelPane


class KernelPage(Page):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "step(1)", "next kernel", id="kernel.next"),
        Binding("p", "step(-1)", "previous kernel", id="kernel.previous"),
        Binding("y", "copy", "copy name", id="kernel.copy"),
    ]

    def __init__(self, identity: Hashable) -> None:
        super().__init__()
        self._identity = identity

    def panes(self) -> Iterable[Widget]:
        pane = KernelPane(id="kernel")
        pane.identity = self._identity
        yield pane

    def share_out(self, width: int, height: int) -> Mapping[str, int]:
        return {"kernel": height}

    def action_step(self, steps: int) -> None:
        """To the next kernel in the ranking."""
        table, pane = kernel_table(self.host.scene), self.query_one(KernelPane)
        names = [(row.kind, row.name) for row in table.rows] if table else []
        if pane.identity in names:
            pane.identity = names[(names.index(pane.identity) + steps) % len(names)]
            self.redraw()

    def action_copy(self) -> None:
        self.query_one(KernelPane).copy_name()
