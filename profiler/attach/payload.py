"""The text that is injected: the agent's boot and, as data, the rest of its folder."""

from __future__ import annotations

import json
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
    payload = json.dumps({"modules": sources, "config": dict(config)})
    return f"{boot}\n\nboot({payload!r})\n"
