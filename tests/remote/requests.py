"""What this side asks of the other one."""

from __future__ import annotations

from typing import Any

_ARGS: dict[str, Any] = {
    "target": None,
    "name": None,
    "tree": False,
    "no_inject": True,
    "only": ["host"],
    "duration": None,
    "interval": 1.0,
    "budget": 0.0,
    "method": "auto",
}


def request(do: str = "watch", limits: dict[str, float] | None = None, **args: Any) -> dict[str, Any]:
    """To watch the host alone, but for what `args` say."""
    more = {} if limits is None else {"limits": limits}
    common = {"do": do, "frameworks": False, "without": [], "readings": None, "stacks": False}
    return common | more | {"args": _ARGS | args}
