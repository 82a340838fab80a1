"""What the caller asks of its helper and what comes back: one JSON document each way."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from acceltop.profiler.attach import slot


class Request(NamedTuple):
    """`base_fd` is the directory that the target knows as `base`, open in the helper."""

    parent: int
    pid: int
    nspid: int
    uid: int
    gid: int
    exe: str
    method: str
    source: str
    base: str
    name: str
    base_fd: int
    timeout_s: float
    plan: slot.Plan | None

    def encode(self) -> bytes:
        """For the helper's standard input."""
        return json.dumps(self).encode()


class Reply(NamedTuple):
    """Either `queued`, or what to tell the user; `errno` where the kernel refused and the caller knows better why."""

    queued: bool
    pause_ns: int | None = None
    attempts: int = 0
    cause: str = ""
    next_step: str = ""
    errno: int = 0

    def encode(self) -> bytes:
        """For the helper's standard output."""
        return json.dumps(self).encode()


def decode_request(document: bytes) -> Request:
    """The inverse of Request.encode."""
    fields: list[Any] = json.loads(document)
    plan = fields.pop()
    return Request._make([*fields, slot.from_json(plan) if plan else None])


def decode_reply(document: bytes) -> Reply:
    """The inverse of Reply.encode. Raises ValueError."""
    fields: list[Any] = json.loads(document)
    return Reply._make(fields)
