from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from tests.views.screens import Live

from acceltop.profiler.errors import UsageError
from acceltop.profiler.timeline import Timeline
from acceltop.views.app import AcceltopApp
from acceltop.views.keys import config_path, load_keymap

toml = pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib came with Python 3.11")


def test_where_the_file_is() -> None:
    assert config_path({"HOME": "/home/ann"}) == Path("/home/ann/.config/acceltop/config.toml")
    assert config_path({"HOME": "/home/ann", "XDG_CONFIG_HOME": "/c"}) == Path("/c/acceltop/config.toml")


def test_no_file_changes_nothing(tmp_path: Path) -> None:
    assert load_keymap(tmp_path / "config.toml") == {}


@toml
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[keys", "is not TOML"),
        ('keys = "x"', "must hold"),
        ("[keys]\nquit = 3", "must hold"),
        ('[keys]\n"no.such" = "x"', "no binding is called 'no.such'"),
        ('[keys]\n"quit" = "ctrl+x,hugo"', "no key is called 'hugo'"),
        ('[keys]\n"quit" = ""', "no key is called ''"),
    ],
)
def test_a_wrong_file_is_told_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        load_keymap(path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_or_bytes_instead_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        load_keymap(tmp_path)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError):
        load_keymap(tmp_path / "bytes")


@toml
def test_any_key_of_a_keyboard_can_be_named(tmp_path: Path) -> None:
    keys = "x, X,1,slash,minus,full_stop,f5,ctrl+p,shift+left,ctrl+backslash,pageup,space,enter,alt+f1"
    (tmp_path / "config.toml").write_text(f'[keys]\nquit = "{keys}"\n')
    assert load_keymap(tmp_path / "config.toml") == {"quit": keys}


@toml
def test_a_binding_gets_other_keys(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[keys]\n"time.pause" = "f5,z"\n')

    async def run() -> None:
        timeline = Timeline()
        app = AcceltopApp(timeline, Live(), keymap=load_keymap(path))
        async with app.run_test() as pilot:
            await pilot.press("space")
            assert app.scene.head.state == "live"
            app.scene.head.timeline = timeline
            assert [a.binding.key for a in app.screen.active_bindings.values() if a.binding.id == "time.pause"] == [
                "f5",
                "z",
            ]

    asyncio.run(run())
