"""The base of every pane: one widget that keeps its strips and sends only what changed to the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from textual.color import Color
from textual.filter import ANSIToTruecolor
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from acceltop.views.draw.glyphs import FULL, Glyphs, to_ascii
from acceltop.views.draw.line import BLANK, Line, changed, spans_width
from acceltop.views.theme import Palette


class Canvas(Widget):
    """A subclass says in `draw` what its lines are; `redraw` compares them with those on the screen.

    Overrides `render_lines`, since Textual's own way by `render_line` costs twice as much. What that way did for us is
    done here: line filters (NO_COLOR, dimming). Opacity, borders and padding have no effect on a canvas.
    """

    DEFAULT_CSS = "Canvas { width: 1fr; height: 1fr; }"
    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: list[Line] = []
        self._strips: list[Strip] = []
        self._palette: Palette | None = None

    def draw(self, width: int, height: int) -> Sequence[Line]:
        """The lines of this pane now; fewer than `height` leave the rest blank."""
        raise NotImplementedError

    def palette(self) -> Palette:
        """The colours to draw with now."""
        raise NotImplementedError

    def glyphs(self) -> Glyphs:
        """What the terminal can show."""
        return FULL

    def redraw(self) -> None:
        """Draws; what is the same as before stays."""
        width, height = self.size
        if not width or not height:
            return
        palette = self.palette()
        if palette is not self._palette:
            self._palette, self._lines = palette, []
        lines = list(self.draw(width, height))[:height]
        lines += [BLANK] * (height - len(lines))
        if len(self._lines) != height:
            self._rebuild(lines)
            return
        dirty = [self._replace(y, line) for y, line in enumerate(lines) if line != self._lines[y]]
        if dirty:
            self.refresh(*dirty)

    def render_lines(self, crop: Region) -> list[Strip]:
        if not self._strips:
            self.redraw()
        strips = self._strips[crop.y : crop.bottom]
        strips += [Strip.blank(self.size.width, self.palette().style(""))] * (crop.height - len(strips))
        if crop.x or crop.width != self.size.width:
            strips = [strip.crop(crop.x, crop.right) for strip in strips]
        return strips

    def on_resize(self) -> None:
        self._lines = []
        self.redraw()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._lines = []

    @property
    def text(self) -> str:
        """What it shows, without colours."""
        return "\n".join(line.text for line in self._lines)

    def _rebuild(self, lines: list[Line]) -> None:
        self._lines = lines
        self._strips = [self._strip(line) for line in lines]
        self.refresh()

    def _replace(self, y: int, line: Line) -> Region:
        start, end = changed(self._lines[y], line)
        self._lines[y] = line
        self._strips[y] = self._strip(line)
        width = self.size.width
        end = width if end < 0 else min(end, width)
        start = min(start, end - 1)
        return Region(start, y, end - start, 1)

    def _strip(self, line: Line) -> Strip:
        style, drawn = self.palette().style, str if self.glyphs().blocks else to_ascii
        segments = [Segment(drawn(span.text), style(span.token, line.back)) for span in line.spans]
        ground, width, length = style("", line.back), self.size.width, spans_width(line.spans)
        if length < width:
            segments.append(Segment(" " * (width - length), ground))
        # The length is given, since Textual would measure every segment again.
        strip = Strip(segments, max(length, width))
        if length > width:
            strip = strip.crop(0, width)
        for line_filter in self.app.get_line_filters():
            if not isinstance(line_filter, ANSIToTruecolor):  # our colours are true ones already
                back = Color.from_rich_color(ground.bgcolor) if ground.bgcolor else _NONE
                strip = strip.apply_filter(line_filter, back)
        return strip


_NONE = Color(0, 0, 0)
