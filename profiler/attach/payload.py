"""The text that is injected: the agent's boot and, as data, the rest of its folder."""

from __future__ import annotations

import marshal
import sys
import zlib
from binascii import b2a_base64
from collections.abc import Mapping
from importlib.resources import files
from importlib.util import MAGIC_NUMBER

_AGENT = "acceltop.profiler.agent"
# Two pieces. An alpha of the same version may have another bytecode: it compiles the text.
_BOOT = """
import marshal
from binascii import a2b_base64
from importlib.util import MAGIC_NUMBER
code = a2b_base64({code!r})


if code.startswith(MAGIC_NUMBER):
    exec(marshal.loads(code[len(MAGIC_NUMBER):]))
else:
    exec(compile({source!r}, "<acceltop boot>", "exec"))
"""


def agent_source(config: Mapping[str, object], python: tuple[int, int] | None = None) -> str:
    """Python source that starts the agent; `config` as in `agent.core.Agent`. A target whose `python` is the version of
    ours gets the files compiled, too: for it to do that, the job would wait 30 ms for the interpreter lock."""
    sources = {
        entry.name[:-3]: entry.read_text(encoding="utf-8")
        for entry in files(_AGENT).iterdir()
        if entry.name.endswith(".py") and not entry.name.startswith("__")
    }
    boot = sources.pop("boot")
    compiled = python == sys.version_info[:2]
    if compiled:
        boot = _BOOT.format(code=_compiled("boot", boot), source=boot)
    pieces = (_piece(name, source, compiled) for name, source in sources.items())
    return "\n\n\n".join((boot, *pieces, f"boot({dict(config)!r})\n"))


def _piece(name: str, source: str, compiled: bool) -> str:
    text = f"SOURCE[{name!r}] = {_text(zlib.compress(source.encode()))!r}"
    return f"{text}\nCODE[{name!r}] = {_compiled(name, source)!r}" if compiled else text


def _compiled(name: str, source: str) -> str:
    code = compile(source, f"<acceltop {name}>", "exec", dont_inherit=True, optimize=0)
    return _text(MAGIC_NUMBER + marshal.dumps(code))


def _text(data: bytes) -> str:
    """Without escapes: the job waits while it is parsed."""
    return b2a_base64(data, newline=False).decode()
