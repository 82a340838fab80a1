"""What the command line calls: the screens over a live session, and over a recording.

Imports little, so that the sources are on their way to the first reading while Textual is still being loaded.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from io import BufferedReader
from typing import TYPE_CHECKING

from acceltop.profiler.errors import UsageError
from acceltop.views.garbage import staying

if TYPE_CHECKING:
    from acceltop.profiler.history.store import Limits
    from acceltop.profiler.source import SourceContext
    from acceltop.views.app import AcceltopApp
    from acceltop.views.feed import Feed
    from acceltop.views.link import Link
    from acceltop.views.live import MakeSession


@dataclass(frozen=True)
class Looks:
    """How the screens look; None: what the terminal suggests."""

    theme: str | None = None  # dark | light | high-contrast | 16-colors | no-color
    glyphs: str | None = None  # braille | block | ascii


def watch(
    context: SourceContext,
    only: Sequence[str] = (),
    looks: Looks | None = None,
    make: MakeSession | None = None,
    limits: Limits | None = None,
) -> None:
    """The live screens until the user quits; without a process to watch, the picker. Raises AcceltopError.

    `make` makes the sessions where what is watched is not of this machine; `limits` say how much is kept.
    """
    with staying():
        from acceltop.views.feed import Feed
        from acceltop.views.live import LiveLink

        looks = checked(looks)
        feed = Feed()
        link = LiveLink(context, feed, only, make)
        link.start()
    try:
        from acceltop.views.opening import Opening
        from acceltop.views.theme import PALETTES, default_theme

        with Opening(feed, PALETTES[looks.theme or default_theme()], link.seen):
            app = _app(link, feed, looks, limits, picker=not context.pids)
        _run(app)
    finally:
        link.close()


def replay(path: str, follow: bool = False, looks: Looks | None = None) -> None:
    """The screens over a trace until the user quits. Raises TraceError when it can't be read at all."""
    with staying():
        load_numpy()
        from acceltop.profiler.trace.reader import TraceReader
        from acceltop.views.feed import Feed
        from acceltop.views.replaying import ReplayLink

        looks = checked(looks)
        feed = Feed()
        link = ReplayLink(TraceReader(path), feed, follow)
        link.start()
    app = _app(link, feed, looks)
    app.starts.append(lambda: link.meet(app.adopt, app.fail, app.deliver))
    _show(app, link)


def replay_pipe(pipe: BufferedReader, looks: Looks | None = None) -> None:
    """The screens over JSON Lines as they come. Raises TraceError when nothing that can be read came at all."""
    from acceltop.views.feed import Feed
    from acceltop.views.piped import PipeLink

    looks = checked(looks)
    feed = Feed()
    link = PipeLink(pipe, feed)
    app = _app(link, feed, looks)
    app.starts.append(lambda: link.start(app))
    _show(app, link)


def checked(looks: Looks | None) -> Looks:
    """Raises UsageError for a theme or glyphs that there aren't."""
    from acceltop.views.draw.glyphs import GLYPHS
    from acceltop.views.theme import PALETTES

    looks = looks or Looks()
    for name, known in ((looks.theme, PALETTES), (looks.glyphs, GLYPHS)):
        if name is not None and name not in known:
            raise UsageError(f"there is no {name!r}", f"there are {', '.join(known)}")
    return looks


def _app(link: Link, feed: Feed, looks: Looks, limits: Limits | None = None, picker: bool = False) -> AcceltopApp:
    with staying():  # collecting thousands of objects while they are made costs a tenth of the first frame
        load_numpy()
        from acceltop.profiler.timeline import Timeline
        from acceltop.views.app import AcceltopApp, PickerApp
        from acceltop.views.keys import config_path, load_keymap

        keymap = load_keymap(config_path())
        kind = PickerApp if picker else AcceltopApp
        return kind(Timeline(limits), link, feed, looks.theme, looks.glyphs, keymap)


def load_numpy() -> None:
    """Without the threads of its linear algebra: one a processor, and each turns in circles for its first 20 ms."""
    name = "OPENBLAS_NUM_THREADS"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        importlib.import_module("numpy")
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


def _show(app: AcceltopApp, link: Link) -> None:
    try:
        _run(app)
    finally:
        link.close()
    if app.failure is not None:
        raise app.failure


def _run(app: AcceltopApp) -> None:
    app.run()
    if app.return_code:
        raise UsageError("the screens ended with an error", "run again with --log-file, and please report it")
