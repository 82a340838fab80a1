"""The program on the other machine: does one thing that was asked for, and says what comes of it into the pipe.

It ends with the link: when its input ends, when nothing was heard for SILENCE_S, or when the pipe breaks.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from argparse import Namespace
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from importlib.util import find_spec
from typing import Any, BinaryIO

from acceltop.profiler.clock import monotonic, now_ns
from acceltop.profiler.errors import AcceltopError, Exit
from acceltop.profiler.model import Note
from acceltop.profiler.remote import command, follow
from acceltop.profiler.remote.shed import NAMES, ShedQueue
from acceltop.profiler.remote.wire import Packer, word
from acceltop.profiler.session import installed
from acceltop.profiler.text import clean

SILENCE_S = 60.0  # the other side asks for the time every few seconds
GATHER_S = 0.1  # Frames that come together go together
SHED_SAID_S = 5.0
LAST_WORDS_S = 3.0
MAX_WORD = 1 << 16


class Outlet:
    """The queue to the pipe and the thread that empties it."""

    def __init__(self, descriptor: int) -> None:
        self.queue = ShedQueue()
        self.broken = False
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
        except OSError:  # nobody is there any more
            self.broken = True
            _end_everything()

    def _say_what_went(self) -> None:
        total = self.queue.shed.total()
        if total == self._said or monotonic() < self._say_next:
            return
        self._said, self._say_next = total, monotonic() + SHED_SAID_S
        counts = ", ".join(f"{number} {NAMES[rank]}" for rank, number in sorted(self.queue.shed.items()))
        text = f"the link is too slow for all: {counts} left out"
        step = "a longer --interval or a faster link brings them back"
        self.queue.put(Note(now_ns(), "warning", "remote.shed", text, step))


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
        self._far.over.set()
        _end_everything()

    def _watch(self) -> None:
        pause = threading.Event()
        while monotonic() - self._heard < SILENCE_S:
            pause.wait(5.0)
        _end_everything()


class Far:
    """What an action works with."""

    def __init__(self, queue: ShedQueue, landed: Mapping[str, Any]) -> None:
        self.queue, self.landed = queue, landed
        self.woken = threading.Event()  # the other side wants an end
        self.stopping = False
        self.over = threading.Event()  # it says no more
        self.clean = threading.Event()  # it has everything
        self.ends_at_once = True  # at a wish to end; otherwise the action looks at `woken`
        self.afterwards: Callable[[], None] = lambda: None  # when the last word is out

    def hear(self, message: dict[str, Any]) -> None:
        """A line from the other side."""
        if (asked := message.get("ping")) is not None:
            self.queue.put_word(word("pong", ping=asked, at=now_ns()))
        if message.get("clean"):
            self.clean.set()
        if message.get("stop"):
            self.woken.set()
            if self.ends_at_once:
                _end_everything()

    def arguments(self, request: Mapping[str, Any]) -> Namespace:
        """As the verbs take them. OpenCL is not asked where its binding, compiled for each machine, is not there."""
        stacks = self.landed["places"].get("py-spy", "py-spy")
        args = Namespace(**request["args"], source_options={"stacks.program": stacks})
        if not args.only and find_spec("pyopencl") is None:
            args.only = tuple(name for name in installed() if name != "opencl")
        return args


def _end_everything() -> None:
    """As if Ctrl-C had been pressed here."""
    os.kill(os.getpid(), signal.SIGTERM)


def main(stdin: BinaryIO, descriptor: int, landed: Mapping[str, Any]) -> None:
    """Does not return. `landed`: the parts that came along, and the places where they are."""
    request: dict[str, Any] = json.loads(stdin.readline(1 << 20))
    outlet = Outlet(descriptor)
    far = Far(outlet.queue, landed)
    far.ends_at_once = request["do"] not in ("record", "follow")
    Listener(stdin, far)
    try:
        last = ACTIONS[request["do"]](request, far)
    except AcceltopError as error:
        last = word("end", cause=error.cause, next_step=error.next_step, code=error.exit_code)
    except Exception as error:  # told in one line over there
        cause = f"acceltop failed on that machine ({type(error).__name__}: {clean(str(error), 200)})"
        last = word("end", cause=cause, next_step="please report it", code=Exit.FAILED)
    outlet.end(last)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the end of the link is expected now
    far.afterwards()
    os._exit(0)  # the listener hangs in a read, and the interpreter would wait for its lock


def _watch(request: Mapping[str, Any], far: Far) -> bytes:
    """Frames until it is told to end, the processes ended, the time is over or there are enough readings."""
    from acceltop.profiler.cli import live, options
    from acceltop.profiler.cli.snapshot import framework_processes
    from acceltop.profiler.remote import chosen

    args = far.arguments(request)
    pids = framework_processes() if request["frameworks"] else chosen.resolve(args)
    far.queue.put_word(word("began", pids=pids))
    end = live.watch(
        options.context(args, pids),
        [far.queue.put],
        only=args.only,
        without=request["without"],
        duration_s=args.duration,
        readings=request["readings"],
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
