"""The client of the agent in each watched process: attaches where none is there yet, then passes its Frames on."""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace

from acceltop.profiler.agent.server import SOCKET
from acceltop.profiler.attach import inject as injection
from acceltop.profiler.attach import leftovers, proc, target
from acceltop.profiler.attach.delivery import BASES
from acceltop.profiler.attach.payload import agent_source
from acceltop.profiler.clock import monotonic, now_ns
from acceltop.profiler.codec import MAX_LINE, CodecError, decode
from acceltop.profiler.errors import AcceltopError, TargetError, Unavailable
from acceltop.profiler.model import Cost, Frame, KernelWindow, MemoryStats, Note, Steps
from acceltop.profiler.source import SourceContext, Stop

ANSWER_S = 8.0  # from the injection to the agent's first word: a main thread in a long C call lets it wait
HELLO_S = 2.0  # it comes within milliseconds; an agent that leaves needs as long as a window takes to close
FRAMEWORK_S = 5.0  # then "no framework" is said
LISTEN_S = 1.0  # then it looks around, whatever the interval is
SPARE_S = 0.1  # at most, between what is heard in one interval and the next reading
SWEEP_S = 0.3  # a killed process takes a moment to be gone


class Source:
    """KernelWindow, Steps, Cost, MemoryStats and Notes of the processes in `context.pids`."""

    name = "agent"
    deadline_s = 60.0

    def __init__(self) -> None:
        self._context = SourceContext()
        self._links: list[Link] = []
        self._left: list[Link] = []  # closed, and not yet known to be clean

    def open(self, context: SourceContext) -> Iterable[Frame]:
        """Attaches to each process; one that can't be entered is told of in a Note, the others go on."""
        if not context.inject or context.budget <= 0:
            raise Unavailable("the process is not entered (--no-inject or --budget 0)", "counters and stacks only")
        self._context = context
        self.deadline_s = context.interval_s + 5.0
        leftovers.sweep()
        return self._attach()

    def _attach(self) -> Iterator[Frame]:
        for pid in self._context.pids:
            if self._context.stop.is_set():
                return
            try:
                link = Link.to(pid, self._context)
            except AcceltopError as error:
                yield _not_attached(pid, error)
                continue
            self._links.append(link)
            yield _note(pid, "info", "agent.attached", link.story)

    def poll(self) -> Iterator[Frame]:
        """Frames as they come, for an interval, but not to its end: the session would leave out the next one."""
        end = monotonic() + self._context.interval_s - min(0.1 * self._context.interval_s, SPARE_S)
        stop = self._context.stop
        while not stop.is_set() and (left := end - monotonic()) > 0:
            if not self._links:
                stop.wait(left)
                return
            sources: list[Link | Stop] = [*self._links, stop]
            readable, _, _ = select.select(sources, (), (), min(left, LISTEN_S))
            for link in self._links:
                if link in readable:
                    yield from link.read()
            for link in self._links:
                yield from link.silence()
            self._left += [link for link in self._links if not link.alive]
            self._links = [link for link in self._links if link.alive]
            self._sweep()

    def _sweep(self) -> None:
        self._left = [link for link in self._left if not link.sweep()]

    def close(self) -> None:
        """The agents see that nobody is there any more, and leave within seconds; those of dying processes can't."""
        for link in self._links:
            link.close()
        self._left += self._links
        end = monotonic() + SWEEP_S
        while self._left and monotonic() < end:
            self._sweep()
            time.sleep(0.02)


class Door:
    """Where an agent's socket lies. Keeps the folder open, so that it can be swept also when the process was killed and
    its mount namespace is gone."""

    def __init__(self, pid: int, place: str) -> None:
        self._base, self._name = os.path.split(place)
        self._folder = os.open(f"/proc/{pid}/root{self._base}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def is_clean(self) -> bool:
        try:
            os.lstat(self._name, dir_fd=self._folder)
        except OSError:
            return True
        return False

    def sweep(self) -> None:
        """What an agent that could not say goodbye has left: a socket in a directory of its own."""
        with suppress(OSError):
            os.unlink(f"{self._name}/{SOCKET}", dir_fd=self._folder)
        with suppress(OSError):
            os.rmdir(self._name, dir_fd=self._folder)

    def close(self) -> None:
        os.close(self._folder)


class Link:
    """The connection to the agent of one process."""

    def __init__(self, pid: int, sock: socket.socket, door: Door, story: str, rank: int | None) -> None:
        self.pid, self.story, self.alive = pid, story, True
        self._sock, self._door, self._rank = sock, door, rank
        self._buffer = bytearray()
        self._since = monotonic()
        self._probed = False
        self._said = self._ends = False

    @classmethod
    def to(cls, pid: int, context: SourceContext) -> Link:
        """Joins the agent that is there, or injects one. Raises TargetError."""
        process = target.inspect(pid)
        name = leftovers.folder(process.nspid, proc.stat(pid).start_ticks, proc.namespace(pid))
        places = [f"{base}/{name}" for base in BASES]
        found, story = _connect(pid, places), "joined the agent that is already in the process"
        if found is None:
            found, story = _inject(process, places, context)
        sock, door = found
        with suppress(BrokenPipeError):  # why it hung up has been said, and is read in its turn
            sock.sendall(json.dumps({"cmd": "configure", "budget": context.budget}).encode() + b"\n")
        sock.setblocking(False)
        return cls(pid, sock, door, story, process.rank)

    def fileno(self) -> int:
        return self._sock.fileno()

    def close(self) -> None:
        if self.alive:
            self.alive = False
            self._sock.close()

    def sweep(self) -> bool:
        """Whether nothing more can be left of the agent: the process has ended, or there is nothing to see."""
        if self._door.is_clean() or not proc.lives(self.pid):
            self._door.sweep()
            self._door.close()
            return True
        return False

    def read(self) -> Iterator[Frame]:
        """The Frames that have come in whole; ends the link when the agent has gone or talks nonsense."""
        try:
            data = self._sock.recv(1 << 16)  # for more, memory would be mapped anew each time
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._buffer += data
        *lines, rest = self._buffer.split(b"\n")
        self._buffer = bytearray(rest)
        for line in lines:
            yield from self._frame(bytes(line))
        if not data or len(self._buffer) > MAX_LINE:
            self.close()
            yield from self._farewell()

    def silence(self) -> Iterator[Frame]:
        """Says once that there is nothing to profile in the process."""
        if self._probed or self._said or monotonic() - self._since < FRAMEWORK_S:
            return
        self._said = True
        yield _note(
            self.pid,
            "info",
            "agent.no_framework",
            "the process has not imported a framework that can be profiled (PyTorch)",
            "counters and stacks are shown; kernels follow when it imports one",
        )

    def _frame(self, line: bytes) -> Iterator[Frame]:
        if not line:
            return
        try:
            frame = decode(line)
        except CodecError as error:
            yield _note(self.pid, "warning", "agent.bad_frame", f"the agent sent a frame that is none: {error}")
            return
        if frame is None:
            self._probed = self._probed or b'"framework"' in line  # its hello
            self._ends = b'"AgentBye"' in line
        elif isinstance(frame, Steps):
            yield replace(frame, pid=self.pid, rank=self._rank)
        elif isinstance(frame, (KernelWindow, Cost, MemoryStats, Note)):
            yield replace(frame, pid=self.pid)  # in its own PID namespace the agent knows itself by another number

    def _farewell(self) -> Iterator[Frame]:
        if not self._ends and proc.lives(self.pid):
            yield _note(self.pid, "warning", "agent.gone", "the agent has left the process, which goes on")


def _not_attached(pid: int, error: AcceltopError) -> Note:
    if proc.lives(pid):
        return _note(pid, "error", "agent.not_attached", error.cause, error.next_step)
    return _note(pid, "warning", "agent.not_attached", f"process {pid} ended before it could be entered")


def _connect(pid: int, places: list[str]) -> tuple[socket.socket, Door] | None:
    """A connection to the agent in `pid`; only the process itself may be at the other end."""
    for place in places:
        sock = _knock(f"/proc/{pid}/root{place}/{SOCKET}")
        if sock is None:
            continue
        credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        if struct.unpack("3i", credentials)[0] == pid:
            return sock, Door(pid, place)
        sock.close()
        raise TargetError(f"another process listens on the agent's socket of {pid}", f"remove {place}")
    return None


def _knock(path: str) -> socket.socket | None:
    """None where nobody is, or somebody who is just leaving: such an agent hangs up without a word when it has gone."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    sock.settimeout(HELLO_S)
    try:
        sock.connect(path)
        if sock.recv(1, socket.MSG_PEEK):
            return sock
    except TimeoutError:
        return sock  # held up by its process: it is heard when it speaks
    except OSError:
        pass
    sock.close()
    return None


def _inject(
    process: target.Target, places: list[str], context: SourceContext
) -> tuple[tuple[socket.socket, Door], str]:
    pid = process.pid
    source = agent_source({"directories": places, "budget": context.budget}, process.python)
    done = injection.inject(pid, source, method=context.method)
    end = monotonic() + ANSWER_S
    try:
        while monotonic() < end and not context.stop.is_set():
            found = _connect(pid, places)
            if found is not None:
                return found, _story(done)
            context.stop.wait(0.02)
    finally:
        done.discard()
    raise TargetError(
        f"process {pid} has not run our code within {ANSWER_S:g} s",
        "its main thread is in a long call without Python; try again, or use --no-inject",
    )


def _story(done: injection.Injection) -> str:
    pause = "" if done.pause_ns is None else f", the process stood still for {done.pause_ns / 1e6:.2f} ms"
    return f"attached by {done.method}{pause}"


def _note(pid: int, level: str, code: str, text: str, next_step: str = "") -> Note:
    return Note(now_ns(), level, code, text, next_step, source="agent", pid=pid)
