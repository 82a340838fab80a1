"""The text that is injected: the agent's boot and, as data, the rest of its folder."""

from __future__ import annotations

import marshal
import sys
from binascii import b2a_base64
from collections.abc import Mapping
from importlib.resources import files
from importlib.util import MAGIC_NUMBER

_AGENT = "acceltop.profiler.agent"


def agent_source(config: Mapping[str, object], python: tuple[int, int] | None = None) -> str:
    """Python source that starts the agent; `config` as in `agent.core.Agent`. A target whose `python` is the version of
    ours gets the files compiled: for it to do that, the job would wait 30 ms for the interpreter lock."""
    sources = {
        entry.name[:-3]: entry.read_text(encoding="utf-8")
        for entry in files(_AGENT).iterdir()
        if entry.name.endswith(".py") and not entry.name.startswith("__")
    }
    boot = sources.pop("boot")
    compiled = python == sys.version_info[:2]
    data = (
        f"CODE[{name!r}] = {_compiled(name, source)!r}" if compiled else f"SOURCE[{name!r}] = {source!r}"
        for name, source in sources.items()
    )
    return "\n\n\n".join((boot, *data, f"boot({dict(config)!r})\n"))


def _compiled(name: str, source: str) -> str:
    code = compile(source, f"<acceltop {name}>", "exec", dont_inherit=True, optimize=0)
    return b2a_base64(MAGIC_NUMBER + marshal.dumps(code), newline=False).decode()
