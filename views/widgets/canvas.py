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
from acceltop.views.draw.line import BLANK, Line, changed, filled
from acceltop.views.theme import Palette
from acceltop.views.widgets.pen import Pen


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
        self._strips: list[Strip | None] = []
        self._palette: Palette | None = None
        self._width = 0

    def draw(self, width: int, height: int) -> Sequence[Line]:
        """The lines of this pane now; fewer than `height` leave the rest blank."""
        raise NotImplementedError

    def palette(self) -> Palette:
        """The colours to draw with now."""
        raise NotImplementedError

    def glyphs(self) -> Glyphs:
        """What the terminal can show."""
        return FULL

    def pen(self) -> Pen | None:
        """What writes changes past Textual; None: there is none, Textual paints."""
        return None

    def redraw(self) -> None:
        """Draws; what is the same as before stays."""
        width, height = self.outer_size  # the same, as there are no borders, and without a look at the compositor
        if not width or not height:
            return
        palette = self.palette()
        if palette is not self._palette:
            self._palette, self._lines = palette, []
        lines = list(self.draw(width, height))[:height]
        lines += [BLANK] * (height - len(lines))
        if len(self._lines) != height or width != self._width:
            self._width = width
            self._rebuild(lines)
            return
        dirty = [y for y, line in enumerate(lines) if line != self._lines[y]]
        if dirty:
            self._replace(lines, dirty)

    def render_lines(self, crop: Region) -> list[Strip]:
        if not self._lines:
            self.redraw()
        strips = [self._strip_of(y) for y in range(crop.y, min(crop.bottom, len(self._lines)))]
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
        self._strips = [None] * len(lines)
        self.refresh()

    def _replace(self, lines: list[Line], dirty: Sequence[int]) -> None:
        old, self._lines = self._lines, lines
        for y in dirty:
            self._strips[y] = None
        pen = self.pen()
        if pen is None:
            self._refresh(old, dirty)
            return
        with pen:
            if not self.glyphs().blocks or not pen.reaches(self):
                self._refresh(old, dirty)
                return
            (x, top), palette = self.region.offset, self.palette()
            for y in dirty:
                pen.put(old[y], lines[y], x, top + y, self._width, palette)

    def _refresh(self, old: Sequence[Line], dirty: Sequence[int]) -> None:
        """Textual paints what has changed."""
        self.refresh(*(self._region(y, *changed(old[y], self._lines[y])) for y in dirty))

    def _region(self, y: int, start: int, end: int) -> Region:
        end = self._width if end < 0 else min(end, self._width)
        start = min(start, end - 1)
        return Region(start, y, end - start, 1)

    def _strip_of(self, y: int) -> Strip:
        """Made when Textual asks for it: most lines change before it does."""
        strip = self._strips[y]
        if strip is None:
            strip = self._strips[y] = self._strip(self._lines[y])
        return strip

    def _strip(self, line: Line) -> Strip:
        style, drawn = self.palette().style, str if self.glyphs().blocks else to_ascii
        ground, width = style("", line.back), self._width
        # The length is given, since Textual would measure every segment again.
        strip = Strip([Segment(drawn(text), style(token, line.back)) for text, token in filled(line, width)], width)
        for line_filter in self.app.get_line_filters():
            if not isinstance(line_filter, ANSIToTruecolor):  # our colours are true ones already
                back = Color.from_rich_color(ground.bgcolor) if ground.bgcolor else _NONE
                strip = strip.apply_filter(line_filter, back)
        return strip


_NONE = Color(0, 0, 0)
