"""On the other machine: a command that is started there, watched from its first moment, and ends with the link."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

from acceltop.profiler.errors import TargetError
from acceltop.profiler.remote.wire import word
from acceltop.profiler.text import clean

if TYPE_CHECKING:
    from acceltop.profiler.remote.far import Far

PIECE_BYTES = 1 << 16
LOOK_S = 0.1
END_S = 5.0  # from the wish to end until it is killed
LAST_OUTPUT_S = 2.0  # a grandchild may hold the pipes for ever


def run(request: Mapping[str, Any], far: Far) -> bytes:
    """Its output goes over as bytes, beside the Frames; the last word has its exit code."""
    from acceltop.profiler.cli.pythons import first_pythons

    child = _start(request["command"])
    far.queue.put_word(word("began", pids=[child.pid]))
    readers = [_pass_on(stream, number, far) for stream, number in ((child.stdout, 1), (child.stderr, 2))]
    _watch(request, far, first_pythons(child))
    while child.poll() is None:
        if far.ending.wait(LOOK_S):
            _end(child)
    for reader in readers:
        reader.join(LAST_OUTPUT_S)
    return word("end", reason="exit", exit_code=child.returncode)


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
    try:
        # A group of its own: what it starts ends with it.
        return subprocess.Popen(command, bufsize=0, stdin=nothing, stdout=pipe, stderr=pipe, start_new_session=True)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        step = "is it installed there, and on the PATH of a login without a terminal?"
        raise TargetError(f"can't start {clean(command[0], 80)}: {why}", step) from None


def _watch(request: Mapping[str, Any], far: Far, pids: tuple[int, ...]) -> None:
    from acceltop.profiler.cli import live, options

    args = far.arguments(request)
    context = options.context(args, pids)
    live.watch(context, [far.queue.put], only=args.only, duration_s=args.duration, asked=far.ending)


def _pass_on(stream: IO[bytes] | None, number: int, far: Far) -> threading.Thread:
    """What comes out of one pipe, as fast as the link takes it: as if the command wrote to it."""
    assert stream is not None

    def work() -> None:
        while data := os.read(stream.fileno(), PIECE_BYTES):
            far.queue.put_word(word("out", to=number, bytes=b64encode(data).decode()))
            far.passed_on()

    thread = threading.Thread(target=work, name=f"acceltop-output-{number}", daemon=True)
    thread.start()
    return thread


def _end(child: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with suppress(subprocess.TimeoutExpired):
            child.wait(END_S)
            return
