"""The text that is injected: the agent's boot and, as data, the rest of its folder."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

_AGENT = "acceltop.profiler.agent"


def agent_source(config: Mapping[str, object]) -> str:
    """Python source that starts the agent; `config` as in `agent.core.Agent`."""
    sources = {
        entry.name[:-3]: entry.read_text(encoding="utf-8")
        for entry in files(_AGENT).iterdir()
        if entry.name.endswith(".py") and not entry.name.startswith("__")
    }
    boot = sources.pop("boot")
    data = (f"SOURCES[{name!r}] = {source!r}" for name, source in sources.items())
    return "\n\n\n".join((boot, *data, f"boot({dict(config)!r})\n"))
