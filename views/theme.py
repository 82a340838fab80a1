"""Theme tokens: what a colour means, and how it looks in each theme. Views name tokens, never colours."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from rich.color import ColorSystem
from rich.style import Style

# One colour a metric everywhere; red and yellow only for what is wrong, with a mark or a word beside them.
TOKENS = (
    "text",
    "dim",
    "faint",
    "rule",
    "accent",
    "good",
    "warn",
    "bad",
    "sm",
    "tensor",
    "dram",
    "memory",
    "power",
    "link",
    "share",
    "phase.data",
    "phase.forward",
    "phase.backward",
    "phase.optimizer",
    "phase.communication",
    "phase.other",
    "frame.0",
    "frame.1",
    "frame.2",
    "frame.3",
    "frame.4",
    "frame.5",
    "base",
    "bar",
    "trough",
    "selected",
)
_DARK = (
    "#c8d0da #6c7684 #454e5a #333b46 #6cb6ff #62c073 #f0c24b #f47067 "
    "#3fc5b0 #b48cf0 #e5b454 #5aa7e8 #c8d0da #c8d0da #5aa7e8 "
    "#e8825a #5aa7e8 #b48cf0 #62c073 #3fc5b0 #6c7684 "
    "#2f5d8a #3d6d7a #5a5090 #3f6b4f #7a5a3d #6b4a5a "
    "#0e1116 #151a21 #20262f #1d2733"
)
_LIGHT = (
    "#1f2328 #6a737d #a0a8b2 #c4cad1 #0a5fc2 #1a7f37 #9a6700 #c62828 "
    "#0b7d6e #7040c8 #a06a00 #1f6fc0 #1f2328 #1f2328 #1f6fc0 "
    "#c2501f #1f6fc0 #7040c8 #1a7f37 #0b7d6e #6a737d "
    "#a8cdf0 #a5d8de #cdc2f2 #b3dcbc #ecd0b0 #e6c0d0 "
    "#ffffff #eef1f4 #e3e7ec #dbe9fa"
)
_HIGH_CONTRAST = (
    "#ffffff #d0d0d0 #a0a0a0 #a0a0a0 #5cd6ff #5cff5c #ffff00 #ff6060 "
    "#00ffd0 #d8a0ff #ffc030 #60b8ff #ffffff #ffffff #60b8ff "
    "#ff9050 #60b8ff #d8a0ff #5cff5c #00ffd0 #d0d0d0 "
    "#1f5fa8 #1f7080 #6048b0 #207040 #905010 #903060 "
    "#000000 #1c1c1c #404040 #003a70"
)
# A terminal with 16 colours shows the nearest of them: of the other themes' colours several would become one.
_SIXTEEN = (
    "#ffffff #aaaaaa #555555 #555555 #55ffff #55ff55 #ffff55 #ff5555 "
    "#00aaaa #ff55ff #aa5500 #5555ff #ffffff #ffffff #5555ff "
    "#aa5500 #5555ff #ff55ff #55ff55 #00aaaa #aaaaaa "
    "#0000aa #555555 #aa00aa #00aa00 #aa5500 #aa0000 "
    "#000000 #000000 #555555 #0000aa"
)


def _tokens(colours: str) -> dict[str, str]:
    return dict(zip(TOKENS, colours.split(), strict=True))


@dataclass(frozen=True)
class Palette:
    """Colours by token; an empty one has none (NO_COLOR): then weight, marks and shades must tell."""

    name: str
    dark: bool
    colours: Mapping[str, str] = field(default_factory=dict)

    @property
    def coloured(self) -> bool:
        return bool(self.colours)

    @cached_property
    def _styles(self) -> dict[tuple[str, str], Style]:
        return {}

    def style(self, token: str, back: str = "") -> Style:
        """The style of a span's token; `back` is the line's background, where the token has none of its own."""
        key = (token, back)
        style = self._styles.get(key)
        if style is None:
            style = self._styles[key] = self._resolve(token, back)
        return style

    def _resolve(self, token: str, back: str) -> Style:
        name, _, own_back = token.partition("@")
        bold = name.startswith("*")
        name = name.lstrip("*") or "text"
        if self.coloured:
            return Style(color=self.colours[name], bgcolor=self.colours[own_back or back or "base"], bold=bold)
        return Style(bold=bold or name == "accent", dim=name in ("dim", "faint", "rule"), reverse=back == "selected")


PALETTES = {
    palette.name: palette
    for palette in (
        Palette("dark", True, _tokens(_DARK)),
        Palette("light", False, _tokens(_LIGHT)),
        Palette("high-contrast", True, _tokens(_HIGH_CONTRAST)),
        Palette("16-colors", True, _tokens(_SIXTEEN)),
        Palette("no-color", True),
    )
}


def default_theme(environ: Mapping[str, str] = os.environ) -> str:
    """NO_COLOR decides before anything else (https://no-color.org: set and not empty)."""
    if environ.get("NO_COLOR"):
        return "no-color"
    return "16-colors" if terminal_colours(environ) is ColorSystem.STANDARD else "dark"


def default_glyphs(environ: Mapping[str, str] = os.environ) -> str:
    """The Linux console's font has no braille; a locale that isn't UTF-8 has no blocks either."""
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or "C.UTF-8"
    if "utf" not in locale.lower():
        return "ascii"
    return "block" if environ.get("TERM") == "linux" else "braille"


def terminal_colours(environ: Mapping[str, str] = os.environ) -> ColorSystem | None:
    """What rich, and so Textual, will take the terminal for; known without rich's console, which takes long to load."""
    term = environ.get("TERM", "").strip().lower()
    if term in ("dumb", "unknown"):
        return None
    if environ.get("COLORTERM", "").strip().lower() in ("truecolor", "24bit"):
        return ColorSystem.TRUECOLOR
    return ColorSystem.EIGHT_BIT if term.rpartition("-")[2] in ("kitty", "256color") else ColorSystem.STANDARD
