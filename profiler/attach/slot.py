"""Where in the target the command line lies until the main thread runs it: bytes that belong to nobody.

Several may wait at a time (two users attach to a job that sits in a long call), so there are several slots, and one is
taken again only when its command has run.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from acceltop.profiler.attach import proc, stub
from acceltop.profiler.errors import TargetError

DATA_SIZE = 544
_HEADER = struct.Struct("<i4s8x")  # the result of the call; whose slot it is
HEADER_SIZE = _HEADER.size
_MARK = b"acTP"


class Plan(NamedTuple):
    """What a call needs to know. Numbers are addresses in the target; `same` are the mappings that they lie in."""

    pid: int
    start_ticks: int
    functions: dict[str, int]
    code_slots: list[int]
    data_slots: list[int]
    interpreter_code: list[tuple[int, int]]
    other_code: list[tuple[int, int]]
    same: list[proc.Mapping]


def from_json(fields: list[Any]) -> Plan:
    """The Plan that went through JSON."""
    plan = Plan._make(fields)
    return plan._replace(same=[proc.Mapping._make(mapping) for mapping in plan.same])


def check_same(plan: Plan) -> None:
    """The plan was made before the target was held: it may have become another program since. Raises TargetError."""
    now = list(proc.maps(plan.pid))
    used = (*plan.functions.values(), *plan.code_slots, *plan.data_slots)
    same = all(_place(now, address) == place for address in used if (place := _place(plan.same, address)))
    if not same or proc.stat(plan.pid).start_ticks != plan.start_ticks:
        raise TargetError(f"process {plan.pid} changed while it was looked at", "try again")


def _place(mappings: list[proc.Mapping], address: int) -> tuple[str, int, str, int] | None:
    """What is mapped there, without its bounds: memory of no file grows and shrinks with a thread's beside it."""
    for mapping in mappings:
        if mapping.start <= address < mapping.end:
            offset = mapping.offset - mapping.start if mapping.inode else 0
            return mapping.permissions, mapping.inode, mapping.path, offset
    return None


def free(plan: Plan, memory: int, waiting: Callable[[bytes], bool]) -> tuple[int, int]:
    """A pair of slots, for code and for data. `waiting` tells whether a command that lies there has yet to run."""
    for code, data in zip(plan.code_slots, plan.data_slots, strict=False):
        content = os.pread(memory, DATA_SIZE, data)
        ours = content[4:8] == _MARK
        if not any(content) or (ours and not waiting(content[HEADER_SIZE:].partition(b"\0")[0])):
            return code, data
    raise TargetError(
        f"earlier attempts still wait for the main thread of process {plan.pid}",
        "they run as soon as it comes back from the call it is in",
    )


def header(result: int) -> bytes:
    """The first bytes of a slot of ours."""
    return _HEADER.pack(result, _MARK)


def write(memory: int, address: int, command: bytes) -> None:
    """Put a command there, its call not made yet."""
    content = header(stub.PENDING) + command + b"\0"
    assert len(content) <= DATA_SIZE, "the command line is of our own making"
    os.pwrite(memory, content, address)
