"""The screens as one program: `AcceltopApp` over a timeline, and what runs it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from contextvars import copy_context
from importlib import import_module
from os import get_terminal_size
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events
from textual.app import App, SystemCommand
from textual.binding import ActiveBinding, Binding, BindingType
from textual.dom import DOMNode
from textual.filter import LineFilter, Monochrome
from textual.geometry import Size
from textual.message import Message
from textual.notifications import SeverityLevel
from textual.screen import Screen
from textual.theme import Theme

from acceltop.profiler.clock import monotonic
from acceltop.profiler.errors import AcceltopError
from acceltop.profiler.timeline import Timeline
from acceltop.views.draw.glyphs import GLYPHS
from acceltop.views.facts.awaited import is_watched
from acceltop.views.facts.steps import find_step
from acceltop.views.feed import Feed
from acceltop.views.keys import APP_BINDINGS, PICKER_BINDINGS
from acceltop.views.link import Link, Recorded
from acceltop.views.moment import Playhead
from acceltop.views.scene import Scene
from acceltop.views.screens.page import FilterInput, Page
from acceltop.views.terminal import Plain, Terminal
from acceltop.views.theme import PALETTES, Palette, default_glyphs, default_theme
from acceltop.views.widgets.frame import KeyLine
from acceltop.views.widgets.pen import Pen

if TYPE_CHECKING:
    from acceltop.views.facts.kernels import KernelFact

HOME, STACKS = "overview", "stacks"
HEARTBEAT_S = 1.0  # ages and clocks go on also when nothing comes
LATE_S = 0.2  # what comes is waited for so long
EARLY_S = 2.0  # so long after the start a reading is shown at once: the sources come one after the other
EARLY_PACE_S = 0.1
GATHER_S = 0.04  # the sources read one right after the other: what they say is shown together
PLAY_S = 0.25  # how often a replay moves
STRIP_CELLS = 100  # an arrow key moves by this part of the whole


class Delivered(Message):
    """Something to be done on the screens' thread."""

    def __init__(self, action: Callable[[], None]) -> None:
        super().__init__()
        self.action = action


class AcceltopApp(App[None]):
    """Draws the timeline; takes frames from `feed` at most once an interval."""

    TITLE = "acceltop"
    BINDINGS: ClassVar[list[BindingType]] = APP_BINDINGS
    ENABLE_COMMAND_PALETTE = True
    DEFAULT_MODE = HOME
    CSS = """
    Toast { width: auto; max-width: 60; }
    CommandPalette > Vertical { width: 90%; max-width: 110; &:dark { background: $surface; } }
    CommandPalette SearchIcon { display: none; }
    Input:nocolor > .input--cursor, Input:nocolor > .input--selection { text-style: reverse; }
    """

    def __init__(
        self,
        timeline: Timeline,
        link: Link | None = None,
        feed: Feed | None = None,
        theme: str | None = None,
        glyphs: str | None = None,
        keymap: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(driver_class=Terminal)
        link = link or Recorded()
        self.scene = Scene(timeline, link, Playhead(timeline, link.recorded))
        self.scene.glyphs = GLYPHS[glyphs or default_glyphs()]
        self._feed = feed or Feed()
        self.pen = Pen(self)
        self.scene.palette = PALETTES[theme or default_theme()]
        self._remapped = dict(keymap or {})
        self.starts: list[Callable[[], None]] = []
        """Called once the screens can be told something."""
        self.failure: AcceltopError | None = None
        """Why a recording could not be shown."""
        self._drawn_s = -1e9
        self._early_until_s = monotonic() + EARLY_S
        self._due: asyncio.TimerHandle | None = None

    def get_default_screen(self) -> Screen[Any]:
        return _modes()[self.DEFAULT_MODE]()

    # --- life

    def on_mount(self) -> None:
        for palette in PALETTES.values():
            self.register_theme(_textual_theme(palette))
        self.use_theme(self.scene.palette.name)
        if self._remapped:
            self.set_keymap(self._remapped)
        for name, factory in _modes().items():
            self.add_mode(name, factory)
        self._clock, self._mine = asyncio.get_running_loop(), copy_context()
        self._feed.listen(self._wake)
        self.app_resume_signal.subscribe(self, lambda _: self.screen.refresh())  # the terminal has forgotten all
        if self.scene.link.recorded:
            self.set_interval(PLAY_S, self._play)
        for start in self.starts:
            start()
        self._take()

    def on_unmount(self) -> None:
        self._feed.listen(None)
        if self._due is not None:
            self._due.cancel()

    def use_theme(self, name: str) -> None:
        self.scene.palette = PALETTES[name]
        self.no_color = not self.scene.palette.coloured
        self.theme = f"acceltop-{name}"
        self.redraw()

    def get_line_filters(self) -> Sequence[LineFilter]:
        """The theme alone says whether there are colours (NO_COLOR chooses it): Textual would turn them into greys."""
        usual = [each for each in super().get_line_filters() if not isinstance(each, Monochrome)]
        return usual if self.scene.palette.coloured else [*usual, Plain()]

    # --- data

    def _wake(self) -> None:
        """On the thread that delivers. Messages and timers of Textual's would take as long as drawing does."""
        with suppress(RuntimeError):  # the screens have been closed meanwhile
            self._clock.call_soon_threadsafe(self._arrived, context=self._mine)

    def _arrived(self) -> None:
        now = monotonic()
        if now < self._early_until_s:
            self._take_at(max(self._drawn_s + EARLY_PACE_S, now))
        else:
            self._take_at(max(self._drawn_s + self.scene.link.interval_s, now + GATHER_S))

    def _take_at(self, at_s: float) -> None:
        """On the clock of `monotonic`, which is the loop's too; what was to be later is then done with it."""
        if self._due is not None:
            if self._due.when() <= at_s:
                return
            self._due.cancel()
        self._due = self._clock.call_at(at_s, self._take, context=self._mine)

    def _take(self) -> None:
        self._due = None
        if self._exit or not self.is_running:  # what a message of Textual's would know by itself
            return
        self._drawn_s = monotonic()
        try:
            self.scene.timeline.add_all(self._feed.take())
            self.redraw(moved_only=True)
        except Exception as error:  # as Textual does it with those of its own callbacks
            self._handle_exception(error)
        self._take_at(self._drawn_s + max(self.scene.link.interval_s, HEARTBEAT_S) + LATE_S)

    def _play(self) -> None:
        if self.scene.head.advance(PLAY_S):
            self.redraw()

    def deliver(self, action: Callable[[], None]) -> None:
        """Does something on the screens' thread; may be called from any, and never waits."""
        self.post_message(Delivered(action))

    def on_delivered(self, message: Delivered) -> None:
        message.action()
        self.redraw()

    def adopt(self, timeline: Timeline) -> None:
        """Shows another timeline, such as a recording that has been read."""
        self.scene.timeline = self.scene.head.timeline = timeline
        self.scene.head.zoom_usual()

    def over(self) -> None:
        """Nothing more comes: what was live is a recording now."""
        self.scene.head.recorded = True
        self.set_interval(PLAY_S, self._play)

    def fail(self, error: AcceltopError) -> None:
        self.failure = error
        self.exit()

    def redraw(self, moved_only: bool = False) -> None:
        """`moved_only`: nothing but new readings came since the last time."""
        head = self.scene.head
        self.scene.link.look(*head.window_ns(), stacks=self.current_mode == STACKS and head.at_end)
        # A delivery may come while the screens are being closed.
        screen = self.screen_stack[-1] if self.screen_stack else None
        if isinstance(screen, Page):
            screen.redraw(moved_only)

    # --- hands

    def focus_moved(self) -> None:
        for screen in self.screen_stack[-1:]:
            for line in screen.query(KeyLine):
                line.redraw()

    def action_show(self, name: str) -> None:
        if self.current_mode != name:
            self.switch_mode(name)

    def action_pause(self) -> None:
        self.scene.head.toggle()
        self.redraw()

    action_play = action_pause

    def action_seek(self, cells: int) -> None:
        self.scene.head.move(cells, STRIP_CELLS)
        self.redraw()

    def action_step(self, direction: int) -> None:
        at = find_step(self.scene, direction)
        if at is not None:
            self.scene.head.playing = False
            self.scene.head.seek(at)
            self.redraw()

    def action_mark(self) -> None:
        self.scene.head.mark()
        self.redraw()

    def action_speed(self, steps: int) -> None:
        self.scene.head.faster(steps)
        self.redraw()

    def action_zoom(self, steps: int) -> None:
        if steps:
            self.scene.head.zoom_by(steps)
        else:
            self.scene.head.zoom_usual()
        self.redraw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool:
        """What can't be done here is offered nowhere: not in the line of keys, in the help or in the palette."""
        if action == "filter":
            return self._filterable
        steers, recorded = self.scene.link.can_steer, self.scene.head.recorded
        return {"record": steers, "pause": not recorded, "play": recorded, "speed": recorded}.get(action, True)

    @property
    def _filterable(self) -> bool:
        return isinstance(self.screen, Page) and self.screen.filterable

    def action_filter(self) -> None:
        if isinstance(self.screen, Page):
            self.screen.begin_filter()

    def action_record(self) -> None:
        self.scene.link.record(self._tell)

    def _tell(self, text: str, severity: SeverityLevel) -> None:
        """From any thread."""
        self.deliver(lambda: self.notify(text, severity=severity, markup=False))

    async def action_back(self) -> None:
        """Out of what was entered last: a selection, a filter, an opened screen, another screen than the first."""
        scene = self.scene
        if scene.head.clear():
            self.redraw()
        elif scene.filter and self._filterable:
            scene.filter = ""
            self.redraw()
        elif isinstance(self.screen, Page) and self.screen.leave():
            self.redraw()
        elif len(self.screen_stack) > 1:
            self.pop_screen()
        elif self.current_mode != HOME:
            self.action_show(HOME)
        else:
            self.leave_home()

    def leave_home(self) -> None:
        """Esc on the first screen: there is nothing behind it."""

    def action_help(self) -> None:
        from acceltop.views.screens.help import HelpScreen

        self.push_screen(HelpScreen(self.screen))

    def open_kernel(self, fact: KernelFact) -> None:
        from acceltop.views.screens.kernel import KernelPage

        self.push_screen(KernelPage((fact.kind, fact.name)))

    def open_device(self, device: str) -> None:
        self.scene.device = device
        self.action_show("devices")

    def attach_to(self, pids: Sequence[int]) -> None:
        """From the picker: enters these processes and shows them; those that are watched are only shown."""
        try:
            if self.scene.link.can_steer and not all(is_watched(self.scene, pid) for pid in pids):
                self.scene.link.attach(pids)
                self.scene.head.follow()
        except AcceltopError as error:
            self._tell(str(error), "error")
            return
        self.scene.pid, self.scene.filter = pids[0], ""
        self.action_show(HOME)

    async def action_quit(self) -> None:
        """At once: nothing here waits for a driver or a disk."""
        self.exit()

    def get_key_display(self, binding: Binding) -> str:
        """`enter`, which Textual has a sign for that few know and many fonts lack."""
        return "enter" if binding.key == "enter" else super().get_key_display(binding)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The palette: all keys of this screen by what they do, and the themes."""
        commands: dict[str, list[ActiveBinding]] = {}
        for active in screen.active_bindings.values():
            if active.binding.description and active.binding.id:
                commands.setdefault(active.binding.id, []).append(active)
        for same in commands.values():
            binding, keys = same[0].binding, " ".join(self.get_key_display(active.binding) for active in same)
            yield SystemCommand(binding.description, f"key {keys}", self._runner(binding.action, same[0].node))
        for name in PALETTES:
            yield SystemCommand(f"theme: {name}", "colours of all screens", lambda name=name: self.use_theme(name))

    def act(self, id: str) -> None:
        """Does what the keys of that binding do here."""
        for active in self.screen.active_bindings.values():
            if active.binding.id == id:
                self._runner(active.binding.action, active.node)()
                return

    def _runner(self, action: str, node: DOMNode) -> Callable[[], None]:
        def run() -> None:
            self.call_later(self.run_action, action, node)

        return run

    def on_key(self, event: events.Key) -> None:
        """What was typed right behind `/` is of the filter, also what came before its box had the focus."""
        box = self.focused
        if isinstance(box, FilterInput) and event.is_printable:
            event.prevent_default()
            box.insert_text_at_cursor(event.character or "")

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, (events.Key, events.MouseEvent)):
            self.scene.last_key_s = self.scene.clock_s()
        elif isinstance(event, events.Resize) and not self.is_headless:
            # Signals that come one within the other bring their sizes the wrong way round, and an exported COLUMNS
            # stays what it was: the terminal's own word of now is true.
            now = Size(*get_terminal_size(1))
            event = events.Resize(now, now)
        await super().on_event(event)


class PickerApp(AcceltopApp):
    """Begins with the processes that one may attach to, and comes back to them."""

    DEFAULT_MODE = "processes"
    BINDINGS: ClassVar[list[BindingType]] = PICKER_BINDINGS

    def leave_home(self) -> None:
        """Leaves what was attached."""
        if self.scene.pid is not None:
            self.scene.link.attach(())
            self.scene.pid = None
            self.scene.head.follow()
        self.action_show(self.DEFAULT_MODE)


_SCREENS = {
    "overview": "OverviewPage",
    "kernels": "KernelsPage",
    "steps": "StepsPage",
    "devices": "DevicesPage",
    STACKS: "StacksPage",
    "timeline": "TimelinePage",
    "findings": "FindingsPage",
    "processes": "ProcessesPage",
}


def _modes() -> dict[str, Callable[[], Screen[Any]]]:
    """Imported and made when they are first shown, so that the first frame waits for one screen only."""

    def maker(name: str, page: str) -> Callable[[], Screen[Any]]:
        def make() -> Screen[Any]:
            screen: Screen[Any] = getattr(import_module(f"acceltop.views.screens.{name}"), page)()
            return screen

        return make

    return {name: maker(name, page) for name, page in _SCREENS.items()}


def _textual_theme(palette: Palette) -> Theme:
    """The same colours for Textual's own widgets: input, palette, help."""
    colours = (palette if palette.coloured else PALETTES["dark"]).colours
    return Theme(
        name=f"acceltop-{palette.name}",
        primary=colours["accent"],
        foreground=colours["text"],
        background=colours["base"],
        surface=colours["bar"],
        panel=colours["bar"],
        warning=colours["warn"],
        error=colours["bad"],
        success=colours["good"],
        dark=palette.dark,
    )
