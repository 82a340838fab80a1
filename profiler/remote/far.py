"""The program on the other machine: does one thing that was asked for, and says what comes of it into the pipe.

It ends with the link: when its input ends, when nothing was heard for SILENCE_S, or when the pipe breaks.
"""

from __future__ import annotations

import json
import os
import threading
from argparse import Namespace
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any, BinaryIO

from acceltop.profiler.cli import live
from acceltop.profiler.clock import monotonic, now_ns
from acceltop.profiler.errors import AcceltopError, Exit
from acceltop.profiler.model import Note
from acceltop.profiler.remote import command, follow
from acceltop.profiler.remote.shed import CAPACITY_BYTES, NAMES, ShedQueue
from acceltop.profiler.remote.thrift import Thrift
from acceltop.profiler.remote.wire import Packer, word
from acceltop.profiler.text import clean

SILENCE_S = 60.0  # the other side asks for the time every few seconds
GATHER_S = 0.1  # Frames that come together go together
SHED_SAID_S = 5.0
LAST_WORDS_S = 3.0
LEAVE_S = 20.0  # from the end of the link until whatever hangs here is left to the system
MAX_WORD = 1 << 16


class Outlet:
    """The queue to the pipe and the thread that empties it. `broken` is called when nobody reads there any more."""

    def __init__(self, descriptor: int, broken: Callable[[], None], capacity_bytes: int = CAPACITY_BYTES) -> None:
        self.queue = ShedQueue(capacity_bytes)
        self.broken = False
        self._tell = broken
        self._descriptor = descriptor
        self._packer = Packer()
        self._said = 0
        self._say_next = 0.0
        self._thread = threading.Thread(target=self._run, name="acceltop-link", daemon=True)
        self._thread.start()

    def end(self, last: bytes) -> None:
        """Everything that is queued, then the last word; given up when the link takes none of it."""
        self.queue.close()
        self._thread.join(LAST_WORDS_S)
        if not self._thread.is_alive() and not self.broken:
            self._write(last)

    def _run(self) -> None:
        pause = threading.Event()
        while not self.queue.drained and not self.broken:
            lines = self.queue.get(1.0)
            if lines:
                self._write(b"".join(lines))
                self._say_what_went()
                pause.wait(GATHER_S)

    def _write(self, data: bytes) -> None:
        left = memoryview(self._packer.pack(data))
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
        except OSError:
            self.broken = True
            self._tell()

    def _say_what_went(self) -> None:
        total = self.queue.shed.total()
        if total == self._said or monotonic() < self._say_next:
            return
        self._said, self._say_next = total, monotonic() + SHED_SAID_S
        counts = ", ".join(f"{number} {NAMES[rank]}" for rank, number in sorted(self.queue.shed.items()))
        text = f"the link is too slow for all: {counts} left out"
        step = "a longer --interval or a faster link brings them back"
        self.queue.put(Note(now_ns(), "warning", "remote.shed", text, step))


class Far:
    """What an action works with."""

    def __init__(self, descriptor: int, landed: Mapping[str, Any]) -> None:
        self.outlet = Outlet(descriptor, self.leave)
        self.queue, self.landed = self.outlet.queue, landed
        self.ending = threading.Event()  # whoever wants an end: they, a signal, or the link that is gone
        self.wished = False  # they do
        self.over = threading.Event()  # the other side says no more
        self.clean = threading.Event()  # it has everything
        self.afterwards: Callable[[], None] = lambda: None  # when the last word is out

    def hear(self, message: dict[str, Any]) -> None:
        """A line from the other side."""
        if (asked := message.get("ping")) is not None:
            self.queue.put_word(word("pong", ping=asked, at=now_ns()))
        if message.get("clean"):
            self.clean.set()
        if message.get("stop"):
            self.wished = True
            self.ending.set()

    def leave(self) -> None:
        """The link is gone."""
        self.over.set()
        self.ending.set()

    def passed_on(self) -> bool:
        """Waits until the link has taken everything; False when it is gone."""
        while not self.queue.wait_empty(1.0):
            if self.over.is_set():
                return False
        return True

    def arguments(self, request: Mapping[str, Any]) -> Namespace:
        """As the verbs take them."""
        sources = {"stacks.program": self.landed["places"].get("py-spy", "py-spy")}
        if request.get("look"):
            sources["host.look"] = "yes"
        return Namespace(**request["args"], source_options=sources)


class Listener:
    """Reads what the other side has to say, and notices when that stops."""

    def __init__(self, stdin: BinaryIO, far: Far) -> None:
        self._stdin, self._far = stdin, far
        self._heard = monotonic()
        for work in (self._listen, self._watch):
            threading.Thread(target=work, name=f"acceltop{work.__name__}", daemon=True).start()

    def _listen(self) -> None:
        while line := self._stdin.readline(MAX_WORD):
            self._heard = monotonic()
            with suppress(ValueError, AttributeError):
                self._far.hear(json.loads(line))
        self._far.leave()

    def _watch(self) -> None:
        while not self._far.over.wait(5.0) and monotonic() - self._heard < SILENCE_S:
            pass
        self._far.leave()
        threading.Event().wait(LEAVE_S)
        os._exit(1)


def main(stdin: BinaryIO, descriptor: int, landed: Mapping[str, Any]) -> None:
    """Does not return. `landed`: the parts that came along, and the places where they are."""
    request: dict[str, Any] = json.loads(stdin.readline(1 << 20))
    far = Far(descriptor, landed)
    Listener(stdin, far)
    with live.ending_signals(far.ending):
        far.outlet.end(_last_word(request, far))
        far.afterwards()
    os._exit(0)  # the listener hangs in a read, and the interpreter would wait for its lock


def _last_word(request: Mapping[str, Any], far: Far) -> bytes:
    """Of the action that was asked for, or why it came to nothing."""
    try:
        return ACTIONS[request["do"]](request, far)
    except AcceltopError as error:
        return word("end", cause=error.cause, next_step=error.next_step, code=error.exit_code)
    except Exception as error:  # told in one line over there
        cause = f"acceltop failed on that machine ({type(error).__name__}: {clean(str(error), 200)})"
        return word("end", cause=cause, next_step="please report it", code=Exit.FAILED)


def _watch(request: Mapping[str, Any], far: Far) -> bytes:
    """Frames until it is told to end, the processes ended, the time is over or there are enough readings."""
    from acceltop.profiler.cli import options
    from acceltop.profiler.cli.snapshot import framework_processes
    from acceltop.profiler.remote import chosen

    args = far.arguments(request)
    pids = framework_processes() if request["frameworks"] else chosen.resolve(args)
    far.queue.put_word(word("began", pids=pids))
    end = live.watch(
        options.context(args, pids),
        [far.queue.put],
        [Thrift()],
        only=args.only,
        without=request["without"],
        duration_s=args.duration,
        readings=request["readings"],
        asked=far.ending,
    )
    return word("end", reason=end.reason, gone=[(process.pid, process.exit_code) for process in end.gone])


def _doctor(request: Mapping[str, Any], far: Far) -> bytes:
    """One word with all checks."""
    from acceltop.profiler.cli import doctor

    far.queue.put_word(word("began", pids=[]))
    return word("end", checks=[asdict(check) for check in doctor.look(far.arguments(request))])


Action = Callable[[Mapping[str, Any], Far], bytes]
ACTIONS: dict[str, Action] = {
    "watch": _watch,
    "doctor": _doctor,
    "record": follow.record,
    "follow": follow.follow,
    "recordings": follow.recordings,
    "stop": follow.stop,
    "run": command.run,
    "file": follow.file,
}
