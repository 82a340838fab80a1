"""The terminal as Textual knows it, but for how it waits for keys: without waking up, and no longer than it is told."""

from __future__ import annotations

import os
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterable
from select import select
from typing import Any

from rich.segment import Segment
from textual._xterm_parser import XTermParser
from textual.app import App
from textual.color import Color
from textual.constants import ESCAPE_DELAY
from textual.drivers.linux_driver import LinuxDriver
from textual.filter import LineFilter
from textual.message import Message

from acceltop.views.draw.glyphs import to_ascii
from acceltop.views.theme import default_glyphs

MOST_BYTES = 4096  # taken from the terminal at once
BELOW = "\x1b[999;1H\n"


class Plain(LineFilter):
    """Takes the colours off; weight and reverse stay."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [segment._replace(style=segment.style and segment.style.without_color) for segment in segments]


class Terminal(LinuxDriver):
    """Textual's own thread looks for keys ten times a second, a tenth of all that idle screens took, and ends 0.2 s
    after it was told to, most of what `q` took."""

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        # With the mouse on, GNU screen keeps Esc to itself until another key comes.
        super().__init__(app, debug=debug, mouse=mouse and "STY" not in os.environ, size=size)
        self._stopped, self._stop = os.pipe()
        self._unicode = default_glyphs() != "ascii"

    def run_input_thread(self) -> None:
        parser = XTermParser(self._debug)
        decode = getincrementaldecoder("utf-8")("replace").decode
        while True:
            # Esc is a key, or the beginning of another: which, is known once nothing more has come for a while.
            patience_s = None if parser._timeout_time is None else ESCAPE_DELAY
            ready, _, _ = select((self.fileno, self._stopped), (), (), patience_s)
            if self._stopped in ready:
                os.read(self._stopped, 1)
                return
            for message in self._typed(parser, decode) if ready else parser.tick():
                self.process_message(message)

    def _typed(self, parser: XTermParser, decode: Callable[[bytes], str]) -> Iterable[Message]:
        text = decode(os.read(self.fileno, MOST_BYTES))
        return parser.feed(text) if text else ()  # a part of a character: "" would be the end for the parser

    def stop_application_mode(self) -> None:
        """Where there is no second screen to leave, the shell goes on below the picture."""
        self.write(BELOW)
        super().stop_application_mode()

    def write(self, data: str) -> None:
        """Where there is no Unicode, Textual's own widgets must do without it, too."""
        super().write(data if self._unicode else to_ascii(data))

    def disable_input(self) -> None:
        if self._key_thread is not None and self._key_thread.is_alive():
            os.write(self._stop, b".")
        super().disable_input()
