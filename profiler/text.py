"""Strings from outside (names, traces, remotes) are hostile until they went through here."""

from __future__ import annotations

import re

MAX_NAME = 4096
# C0, DEL, C1, bidirectional overrides and line separators: all that can move a cursor or reorder a line.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def clean(text: str, limit: int = MAX_NAME) -> str:
    """`text` in one line without control characters, at most `limit` characters long."""
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return _CONTROL.sub("\ufffd", text)
