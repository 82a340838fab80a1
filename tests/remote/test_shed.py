"""On a slow link detail goes first, memory stays bounded, and the numbers tell what went."""

from __future__ import annotations

import fcntl
import json
import os
import random
from collections.abc import Sequence
from time import monotonic
from typing import Any

from acceltop.profiler.model import Frame, KernelRow, KernelWindow, Note, Sample, Slices
from acceltop.profiler.remote import wire
from acceltop.profiler.remote.far import Outlet
from acceltop.profiler.remote.shed import Rank, ShedQueue
from acceltop.profiler.remote.wire import word


def _sample(n: int) -> Sample:
    return Sample(n, "host", {"system.cpu.utilization": 0.5})


def _window(n: int, slices: Sequence[int] = range(200)) -> KernelWindow:
    column = tuple(slices)
    rows = (KernelRow("gemm", "kernel", 1, 10, 10, 10),)
    return KernelWindow(n, n + 1, 1, "torch", rows, 1, slices=Slices(("a",), ("b",), column, column, column, column))


def _note(n: int) -> Note:
    return Note(n, "info", "x", "text")


def _taken(queue: ShedQueue) -> list[dict[str, object]]:
    queue.close()
    found = []
    while lines := queue.get(0.0):
        found += [json.loads(line) for line in lines]
    return found


def _filled(capacity: int, frames: list[Frame]) -> ShedQueue:
    queue = ShedQueue(capacity)
    for frame in frames:
        queue.put(frame)
    return queue


def test_with_room_nothing_goes_and_the_order_is_kept() -> None:
    taken = _taken(_filled(1 << 20, [_note(1), _window(2), _sample(3)]))
    assert [frame["n"] for frame in taken] == [1, 2, 3]
    assert "slices" in taken[1]


def test_slices_go_first_and_their_windows_stay() -> None:
    mixed: list[Frame] = [kind(n) for n in range(10) for kind in (_window, _sample, _note)]
    queue = _filled(20_000, mixed)
    assert queue.shed[Rank.SLICES] > 0
    assert queue.shed.total() == queue.shed[Rank.SLICES]
    taken = _taken(queue)
    assert len(taken) == 30
    lean = ["slices" not in frame for frame in taken if frame["kind"] == "KernelWindow"]
    assert lean == sorted(lean, reverse=True)  # the oldest lost theirs


def test_then_hotspots_then_counters_and_facts_last() -> None:
    mixed: list[Frame] = [kind(n) for n in range(100) for kind in (_window, _sample, _note)]
    queue = _filled(14_000, mixed)
    assert queue.shed[Rank.SLICES] and queue.shed[Rank.HOTSPOTS] and queue.shed[Rank.COUNTERS]
    assert not queue.shed[Rank.FACTS]
    taken = _taken(queue)
    assert sum(frame["kind"] == "Note" for frame in taken) == 100
    gone = queue.shed.total() - queue.shed[Rank.SLICES]
    assert len({frame["n"] for frame in taken}) == 300 - gone


def test_memory_is_bounded_whatever_comes() -> None:
    queue = _filled(10_000, [_note(n) for n in range(10_000)])
    lines = _taken(queue)
    assert sum(len(json.dumps(line)) for line in lines) < 15_000
    assert lines[-1]["n"] == 10_000
    assert queue.shed[Rank.FACTS] == 10_000 - len(lines)


def test_a_link_that_takes_little_holds_nobody_up_and_what_went_is_said() -> None:
    """The pipe stands still at first, then everything that was kept comes out of it, and a Note of what was not."""
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    outlet = Outlet(write, lambda: None, capacity_bytes=200_000)
    numbers = random.Random(0)
    began = monotonic()
    for n in range(300):
        outlet.queue.put(_window(n, slices=numbers.sample(range(1 << 40), 200)))
        outlet.queue.put(_sample(n))
    assert monotonic() - began < 10  # it never waited for the link
    unpacker, came = wire.Unpacker(), list[dict[str, Any]]()
    while not came or came[-1].get("code") != "remote.shed":
        came += map(wire.parse, unpacker.feed(os.read(read, 1 << 16)))
    outlet.end(b"")
    os.close(read)
    os.close(write)
    assert sum(frame["kind"] == "Sample" for frame in came) == 300
    windows = [frame for frame in came if frame["kind"] == "KernelWindow"]
    lean = sum("slices" not in window for window in windows)
    assert lean > 0
    assert came[-1]["level"] == "warning" and f"{lean + 300 - len(windows)} raw slices" in came[-1]["text"]


def test_an_answer_overtakes_what_waits() -> None:
    queue = _filled(1 << 20, [_sample(1)])
    queue.put_word(word("pong"))
    assert [frame["kind"] for frame in _taken(queue)] == ["remote.pong", "Sample"]
