from __future__ import annotations

import io

import pytest
from rich.color import Color as RichColor
from rich.color import ColorSystem
from rich.console import COLOR_SYSTEMS, Console
from textual.color import Color
from textual.filter import ANSIToTruecolor

from acceltop.profiler.metrics import METRICS
from acceltop.profiler.model import PHASES
from acceltop.profiler.timeline import Timeline
from acceltop.views.app import AcceltopApp
from acceltop.views.terminal import Plain
from acceltop.views.theme import PALETTES, TOKENS, default_glyphs, default_theme, terminal_colours

COLOURED = [name for name, palette in PALETTES.items() if palette.coloured]
MARKS = ("accent", "good", "warn", "bad", "sm", "tensor", "dram", "memory", *(f"phase.{phase}" for phase in PHASES))


@pytest.mark.parametrize("name", COLOURED)
@pytest.mark.parametrize(("token", "least"), [("text", 7.0), ("dim", 3.0), *((mark, 3.0) for mark in MARKS)])
@pytest.mark.parametrize("ground", ["base", "bar", "selected"])
def test_everything_can_be_read_on_every_ground(name: str, token: str, least: float, ground: str) -> None:
    colours = PALETTES[name].colours
    if name == "16-colors":  # of which one must be the ground of a selected row
        least = min(least, 2.4)
    assert _contrast(colours[token], colours[ground]) >= least


@pytest.mark.parametrize("name", COLOURED)
@pytest.mark.parametrize("frame", range(6))
def test_names_on_boxes_can_be_read(name: str, frame: int) -> None:
    colours = PALETTES[name].colours
    assert _contrast(colours["text"], colours[f"frame.{frame}"]) >= 3.0


@pytest.mark.parametrize("name", COLOURED)
def test_phases_differ_from_each_other(name: str) -> None:
    colours = PALETTES[name].colours
    assert len({colours[f"phase.{phase}"] for phase in PHASES}) == len(PHASES)


def test_colours_for_sixteen_stay_apart_on_such_a_terminal() -> None:
    colours = set(PALETTES["16-colors"].colours.values())
    assert len({RichColor.parse(colour).downgrade(ColorSystem.STANDARD).number for colour in colours}) == len(colours)


def test_every_metric_has_a_colour_of_the_theme() -> None:
    assert {metric.colour for metric in METRICS.values()} - {"plain"} <= set(TOKENS)


def test_no_colour_has_none() -> None:
    palette = PALETTES["no-color"]
    for token in (*TOKENS, "*text", "sm@trough", "*accent@selected"):
        style = palette.style(token, "selected")
        assert style.color is None
        assert style.bgcolor is None


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"NO_COLOR": "1"}, "no-color"),
        ({"NO_COLOR": "", "TERM": "xterm-256color"}, "dark"),
        ({"NO_COLOR": "1", "TERM": "xterm"}, "no-color"),
        ({"TERM": "screen"}, "16-colors"),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, "dark"),
    ],
)
def test_the_theme_fits_the_terminal(environ: dict[str, str], name: str) -> None:
    assert default_theme(environ) == name


@pytest.mark.parametrize(("environ", "is_plain"), [("1", True), ("", False)])
def test_what_textual_draws_has_colours_or_none_as_the_theme(
    environ: str, is_plain: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", environ)
    filters = {type(each) for each in AcceltopApp(Timeline()).get_line_filters()}
    assert filters == ({ANSIToTruecolor, Plain} if is_plain else {ANSIToTruecolor})


@pytest.mark.parametrize(
    ("environ", "glyphs"),
    [
        ({"LANG": "en_US.UTF-8"}, "braille"),
        ({"LANG": "en_US.UTF-8", "TERM": "linux"}, "block"),
        ({"LANG": "C.UTF-8", "LC_ALL": "C"}, "ascii"),
        ({}, "braille"),
    ],
)
def test_glyphs_fit_the_terminal(environ: dict[str, str], glyphs: str) -> None:
    assert default_glyphs(environ) == glyphs


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    """WCAG 2: relative luminance of sRGB."""
    parts = [part / 255 for part in Color.parse(colour).rgb]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colours", ["", "truecolor", " 24bit ", "yes"])
@pytest.mark.parametrize(
    "term", ["", "dumb", "linux", "vt100", "xterm-16color", "screen-256color", "xterm-kitty", "XTERM-256color"]
)
def test_a_terminal_is_taken_for_what_rich_takes_it_for(term: str, colours: str) -> None:
    environ = {"TERM": term, "COLORTERM": colours}
    name = Console(file=io.StringIO(), force_terminal=True, _environ=environ).color_system
    assert terminal_colours(environ) == COLOR_SYSTEMS.get(name or "")
