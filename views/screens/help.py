"""`?`: what the focused pane shows, its keys, and every metric on it with its unit."""

from __future__ import annotations

from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from acceltop.profiler.metrics import METRICS
from acceltop.views.screens.page import Page
from acceltop.views.widgets.pane import Pane

_UNITS = {"1": "share", "By": "bytes", "By/s": "bytes/s", "W": "W", "Cel": "°C", "Hz": "Hz", "J": "J", "{count}": ""}


class HelpScreen(ModalScreen[None]):
    """Over the screen that it explains. Its text can be selected."""

    DEFAULT_CSS = """
    HelpScreen { align: center middle; }
    HelpScreen VerticalScroll { width: 90%; max-width: 110; height: 90%; background: $surface; padding: 1 2; }
    HelpScreen Static { height: auto; }
    HelpScreen:nocolor VerticalScroll { border: solid; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,f1,q", "dismiss", "close", id="help.close"),
        Binding("down,j", "scroll(1)", "down", id="help.down", show=False),
        Binding("up,k", "scroll(-1)", "up", id="help.up", show=False),
    ]

    def __init__(self, explained: Screen[Any]) -> None:
        super().__init__()
        self._text = help_text(explained)

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static(self._text)

    def action_scroll(self, lines: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)


def help_text(screen: Screen[Any]) -> Text:
    pane = screen.focused if isinstance(screen.focused, Pane) else None
    text = Text()
    if pane is not None:
        text.append(f"{pane.title}\n", "bold").append(f"{pane.explains}\n\n")
    text.append("keys\n", "bold")
    for keys, meaning in _keys(screen):
        text.append(f"  {keys:<22} ", "cyan bold").append(f"{meaning}\n")
    shown = [METRICS[name] for name in (pane.metrics if pane else ()) if name in METRICS]
    if shown:
        text.append("\nmetrics\n", "bold")
    for metric in shown:
        unit = f" ({_UNITS.get(metric.unit, metric.unit)})" if _UNITS.get(metric.unit) else ""
        text.append(f"  {metric.label}{unit}", "bold").append(f"  {metric.name}\n", "dim").append(
            f"    {metric.meaning}\n"
        )
    return text


def _keys(screen: Screen[Any]) -> list[tuple[str, str]]:
    """Keys of the focused pane first, then those of the whole; several keys of one meaning in one line."""
    meanings: dict[str, list[str]] = {}
    for active in screen.active_bindings.values():
        typed = isinstance(screen, Page) and screen.types(active.binding.key)
        if active.binding.description and active.binding.id and not typed:
            key = screen.app.get_key_display(active.binding)
            meanings.setdefault(active.binding.description, []).append(key)
    return [(" ".join(dict.fromkeys(keys)), meaning) for meaning, keys in meanings.items()]
