"""Values on the command line: what they mean, and that nothing else is taken."""

from __future__ import annotations

from argparse import ArgumentTypeError

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.profiler.cli.program import acceltop

from acceltop.profiler.cli import options


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("500ms", 0.5), ("2m", 120), ("1.5h", 5400), ("7", 7), (".5s", 0.5), ("3 min", 180)],
)
def test_durations(text: str, seconds: float) -> None:
    assert options.duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "-1s", "0", "1e3s", "nan", "inf", "1d", "1s2", "9" * 50, "٣s", "1000000h"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="not a duration"):
        options.duration(text)


@given(st.text(max_size=80))
def test_any_text_is_a_value_or_one_line(text: str) -> None:
    for read in (options.duration, options.interval, options.budget):
        try:
            assert read(text) >= 0
        except ArgumentTypeError as error:
            assert str(error).isprintable()


@given(st.floats(0.1, 60))
def test_every_interval_in_range_is_taken(seconds: float) -> None:
    assert options.interval(f"{seconds:.3f}s") == pytest.approx(seconds, abs=0.001)


@pytest.mark.parametrize(("text", "ratio"), [("1%", 0.01), ("0", 0), ("0.5 %", 0.005), ("100%", 1)])
def test_budgets(text: str, ratio: float) -> None:
    assert options.budget(text) == pytest.approx(ratio)


def test_names_may_have_spaces_and_empty_parts() -> None:
    assert options.sources(" nvml, host,,") == ("nvml", "host")


def test_help_of_everything_comes_from_the_docstrings() -> None:
    from acceltop.profiler.cli import VERBS, verb_module

    top = acceltop("--help")
    assert top.returncode == 0
    for verb in VERBS:
        first = (verb_module(verb).__doc__ or "").splitlines()[0]
        assert first in top.stdout
        own = acceltop(verb, "--help")
        assert own.returncode == 0 and first in own.stdout and f"acceltop {verb}" in own.stdout


def test_version_is_the_package_s() -> None:
    from acceltop.profiler import __version__

    assert acceltop("--version").stdout == f"acceltop {__version__}\n"
