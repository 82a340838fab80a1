"""The way to an agent that is in the process already: one that leaves is not joined, a full one says so."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

from tests.attach.processes import running

from acceltop.collectors.agent import Source
from acceltop.profiler.agent.server import MOST_CLIENTS, SOCKET
from acceltop.profiler.attach import leftovers, proc
from acceltop.profiler.attach.delivery import BASES
from acceltop.profiler.clock import monotonic
from acceltop.profiler.model import Frame, Note
from acceltop.profiler.source import SourceContext

LOOP = "ready()\nwhile True: sum(range(1000))"
# An agent at its end: whoever knocks finds nobody who would answer, and then it has gone.
LEAVING = """
import os, select, socket, sys, time
place = sys.stdin.readline().strip()
os.mkdir(place, 0o700)
with socket.socket(socket.AF_UNIX) as server:
    server.bind(place + "/agent.sock")
    server.listen()
    ready()
    select.select([server], [], [])
    time.sleep(0.1)
    os.unlink(place + "/agent.sock")
    os.rmdir(place)
while True: sum(range(1000))
"""


def place_in(pid: int) -> Path:
    return Path(BASES[0]) / leftovers.folder(pid, proc.stat(pid).start_ticks, proc.namespace(pid))


def notes(source: Source, pid: int) -> Iterator[Note]:
    """What is said of the process, from the attach on."""
    context = SourceContext(pids=(pid,), interval_s=0.1)
    frames: Iterator[Frame] = chain(source.open(context), *(source.poll() for _ in range(10)))
    return (frame for frame in frames if isinstance(frame, Note) and frame.pid == pid)


def test_one_that_is_just_leaving_is_followed_by_another() -> None:
    with running("ready()\n" + LEAVING) as process:
        assert process.stdin and process.stdout
        process.stdin.write(f"{place_in(process.pid)}\n")
        process.stdin.flush()
        assert process.stdout.readline() == "ready\n"
        source = Source()
        said = next(notes(source, process.pid))
        source.close()
    assert said.text.startswith("attached by")


def test_where_too_many_watch_that_is_the_reason() -> None:
    with running(LOOP) as process, ExitStack() as stack:
        first, last = Source(), Source()
        stack.callback(first.close)
        assert next(notes(first, process.pid)).code == "agent.attached"
        for _ in range(MOST_CLIENTS - 1):
            stack.enter_context(socket.socket(socket.AF_UNIX)).connect(str(place_in(process.pid) / SOCKET))
        assert [note.code for note in notes(last, process.pid)] == ["agent.attached", "agent.full"]


def test_it_is_listened_to_for_less_than_an_interval_or_the_session_would_leave_out_the_next() -> None:
    source, interval_s = Source(), 0.2
    assert not list(source.open(SourceContext(interval_s=interval_s)))

    def listened_s() -> float:
        began = monotonic()
        assert not list(source.poll())
        return monotonic() - began

    assert any(0.5 * interval_s < listened_s() < interval_s for _ in range(20))  # a busy machine may hold it up
    source.close()
