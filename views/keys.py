"""Every key of every screen: what it does, under an id by which a TOML file can give it other keys."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from textual.binding import Binding, BindingType
from textual.keys import REPLACED_KEYS, Keys, key_to_character

from acceltop.profiler.errors import UsageError
from acceltop.profiler.text import clean

SCREENS = ("overview", "kernels", "steps", "devices", "stacks", "timeline")
SCREEN_OF = {str(at): f"screen.{name}" for at, name in enumerate(SCREENS, 1)} | {"w": "screen.findings"}
"""The binding that shows a pane in full, by the number before its heading."""


def hidden(key: str, action: str, description: str, id: str) -> Binding:
    """One that the line of keys leaves out; help and the palette have it."""
    return Binding(key, action, description, id=id, show=False)


def arrows(
    prefix: str, vertical: str, above: str, below: str, horizontal: str, before: str, after: str
) -> tuple[Binding, ...]:
    """Arrows and hjkl: the actions get -1 or 1; the other words say what each does."""
    return (
        hidden("up,k", f"{vertical}(-1)", above, f"{prefix}.up"),
        hidden("down,j", f"{vertical}(1)", below, f"{prefix}.down"),
        hidden("left,h", f"{horizontal}(-1)", before, f"{prefix}.left"),
        hidden("right,l", f"{horizontal}(1)", after, f"{prefix}.right"),
    )


def is_text(key: str) -> bool:
    """Whether a field to type in takes it as a character."""
    return (_character(key) or "\n").isprintable()


def _character(key: str) -> str | None:
    return key_to_character(REPLACED_KEYS.get(key, key))


APP_BINDINGS: list[BindingType] = [
    *(
        Binding(str(at), f"show('{name}')", f"screen: {name}", id=f"screen.{name}")
        for at, name in enumerate(SCREENS, 1)
    ),
    Binding("space", "pause", "pause", id="time.pause"),
    Binding("space", "play", "play", id="time.pause"),
    Binding("slash", "filter", "filter", id="filter"),
    Binding("r", "record", "record", id="record"),
    Binding("w", "show('findings')", "why", id="screen.findings"),
    hidden("a", "show('processes')", "screen: processes, to choose another", "screen.processes"),
    hidden("left", "seek(-1)", "earlier", "time.back"),
    hidden("right", "seek(1)", "later", "time.forward"),
    hidden("shift+left", "seek(-10)", "much earlier", "time.far_back"),
    hidden("shift+right", "seek(10)", "much later", "time.far_forward"),
    hidden("home", "seek(-1000000)", "to the start", "time.start"),
    hidden("end", "seek(1000000)", "to the end; live again if it goes on", "time.end"),
    hidden("full_stop", "step(1)", "next step", "time.next_step"),
    hidden("comma", "step(-1)", "previous step", "time.previous_step"),
    hidden("s", "step(0)", "slowest step", "time.slowest_step"),
    hidden("v", "mark", "begin or end a selection of time (or drag on the strip)", "time.select"),
    hidden("right_square_bracket", "speed(1)", "replay faster", "time.faster"),
    hidden("left_square_bracket", "speed(-1)", "replay slower", "time.slower"),
    hidden("plus,equals_sign", "zoom(1)", "zoom in: less time", "zoom.in"),
    hidden("minus", "zoom(-1)", "zoom out: more time", "zoom.out"),
    hidden("0", "zoom(0)", "usual zoom", "zoom.reset"),
    hidden("escape", "back", "back", "back"),
    hidden("ctrl+z", "suspend_process", "suspend", "suspend"),
    Binding("ctrl+p", "command_palette", "palette", id="palette", priority=True),
    Binding("question_mark,f1", "help", "help", id="help"),
    Binding("q,ctrl+c", "quit", "quit", id="quit", priority=False),
]
PICKER_BINDINGS: list[BindingType] = [
    hidden("escape", "back", "back; on the first screen: detach, and choose another process", "back"),
]


def config_path(environ: Mapping[str, str] = os.environ) -> Path:
    base = environ.get("XDG_CONFIG_HOME") or os.path.join(environ.get("HOME", "/"), ".config")
    return Path(base, "acceltop", "config.toml")


def load_keymap(path: Path) -> dict[str, str]:
    """The `[keys]` table: binding id → keys, as `"time.pause" = "p,space"`. No file: no change. Raises UsageError."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} can't be read ({error})", "mend it or remove it") from error
    try:
        tomllib = import_module("tomllib")
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{path} can only be read by Python 3.11 and newer", "remove it, or use a newer Python"
        ) from error
    try:
        table = tomllib.loads(text).get("keys", {})
    except ValueError as error:  # tomllib.TOMLDecodeError
        raise UsageError(f"{path} is not TOML: {clean(str(error), 100)}", "mend it or remove it") from error
    return _checked(table, path)


def _checked(table: object, path: Path) -> dict[str, str]:
    if not isinstance(table, dict) or not all(isinstance(keys, str) for keys in table.values()):
        raise UsageError(f'{path}: [keys] must hold binding = "keys"', 'such as "time.pause" = "p,space"')
    known = binding_ids()
    for name in table:
        if name not in known:
            raise UsageError(
                f"{path}: no binding is called {clean(name, 40)!r}", f"there are {', '.join(sorted(known))}"
            )
    unknown = next((key for keys in table.values() for key in keys.split(",") if not _is_key(key.strip())), None)
    if unknown is not None:
        raise UsageError(
            f"{path}: no key is called {clean(unknown, 40)!r}", "such as p, P, f5, ctrl+p, space, full_stop"
        )
    return dict(table)


def _is_key(name: str) -> bool:
    base = name.rpartition("+")[2]
    return base in {key.value for key in Keys} or _character(base) is not None


def binding_ids() -> set[str]:
    """Ids of all bindings, of the app's and of the panes'."""
    lists = [
        APP_BINDINGS,
        *(getattr(import_module(f"acceltop.views.{module}"), name).BINDINGS for module, name in _BOUND),
    ]
    return {binding.id for bindings in lists for binding in bindings if isinstance(binding, Binding) and binding.id}


_BOUND = (
    ("screens.page", "Page"),
    ("screens.kernel", "KernelPage"),
    ("screens.page", "FilterInput"),
    ("screens.help", "HelpScreen"),
    ("widgets.table_pane", "TablePane"),
    ("widgets.processes", "ProcessesPane"),
    ("widgets.stacks", "IciclePane"),
    ("widgets.slices", "SlicesPane"),
    ("screens.timeline", "TimelinePage"),
)
