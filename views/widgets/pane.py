"""A pane: a canvas under a heading rule, that looks at the scene."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, cast

from textual import events

from acceltop.profiler.numbers import shorten
from acceltop.profiler.text import clean
from acceltop.views.draw.glyphs import Glyphs
from acceltop.views.draw.line import Line, Row, Span
from acceltop.views.draw.rule import rule
from acceltop.views.keys import SCREEN_OF
from acceltop.views.scene import Scene
from acceltop.views.theme import Palette
from acceltop.views.widgets.canvas import Canvas
from acceltop.views.widgets.pen import Pen

if TYPE_CHECKING:
    from acceltop.views.app import AcceltopApp


class Watcher(Canvas):
    """A canvas that looks at the scene."""

    watches: tuple[str, ...] = ()
    """Kinds of frames without which it stays as it is from reading to reading; none: it moves with each."""
    _watched: tuple[int, ...] = ()

    @cached_property
    def host(self) -> AcceltopApp:
        return cast("AcceltopApp", self.app)

    @cached_property
    def scene(self) -> Scene:
        return self.host.scene

    def moved(self) -> bool:
        """Whether it may look different since it was last asked."""
        if not self.watches:
            return True
        versions, before = self.scene.timeline.versions, self._watched
        self._watched = tuple(versions[kind] for kind in self.watches)
        return self._watched != before

    def palette(self) -> Palette:
        return self.scene.palette

    def pen(self) -> Pen:
        return self.host.pen

    def glyphs(self) -> Glyphs:
        return self.scene.glyphs


class Pane(Watcher):
    """A subclass gives `title`, `hints` and `body`. The heading takes the first line."""

    number = ""
    """The key of the screen that shows this in full."""
    title = ""
    metrics: tuple[str, ...] = ()
    """Metrics of the registry that it shows: what `?` explains."""
    explains = ""
    """What the pane shows, for `?`."""
    spare = 0
    """Lines at its end that stay blank, where there is room to let panes breathe."""
    _waits = False

    def hints(self) -> Iterable[Span]:
        """What is set or can be pressed, at the right of the heading."""
        return ()

    def body(self, width: int, height: int) -> Sequence[Line]:
        raise NotImplementedError

    def moved(self) -> bool:
        """A picture that stands is not moved by what comes late."""
        return self.scene.head.at_end and (super().moved() or self._waits)

    def draw(self, width: int, height: int) -> Sequence[Line]:
        self._waits = False
        heading = rule(width, self.title, self.number, self.hints(), self.can_focus and self.has_focus)
        return [heading, *self.body(width, height - 1 - self.spare)]

    def on_focus(self) -> None:
        self.redraw()
        self.host.focus_moved()

    def on_blur(self) -> None:
        self.redraw()

    def waiting(self, text: str) -> list[Line]:
        """A pane without data says what it waits for, and looks again at each reading."""
        self._waits = True
        return [Row().put(f"  {clean(self.scene.link.busy or text)}", "dim").line()]

    def copy(self, text: str) -> None:
        """Onto the terminal's clipboard (OSC 52), also from another machine."""
        self.app.copy_to_clipboard(text)
        self.app.notify(f"copied: {shorten(text, 60)}", timeout=2, markup=False)

    def on_click(self, event: events.Click) -> None:
        if event.y == 0:
            self.host.act(SCREEN_OF.get(self.number, ""))
        else:
            self.clicked(event.x, event.y - 1)

    def clicked(self, x: int, y: int) -> None:
        """A click at column `x` of line `y` of the body."""
