"""This side of the pipe: the command that makes it, the landing of our program over there, then words both ways."""

from __future__ import annotations

import json
import os
import re
import secrets
import selectors
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib.resources import files
from typing import IO, Any

from acceltop.profiler.clock import monotonic, now_ns
from acceltop.profiler.errors import AcceltopError, Exit
from acceltop.profiler.remote import finder, wire
from acceltop.profiler.remote.bundle import Part
from acceltop.profiler.remote.transport import Transport, Unreachable
from acceltop.profiler.text import clean

ANSWER_S = 120.0  # a password may have to be found first
BEGIN_S = 60.0
MAX_GREETING = 1 << 20  # bytes before the sentinel
_READ = 1 << 16
_MAX_ANSWER = 1 << 16
_ENDED_S = 3.0
# Ctrl-C in the terminal is ours to handle, and must not take the link away before the last words have come.
_UNINTERRUPTED = ("sh", "-c", 'trap "" INT; exec "$@"', "sh")
Say = Callable[[str], None]


class Cut(Exception):
    """The link ended without a last word."""


class Link:
    """One connection. Raises Unreachable until the program over there runs, what that program says until it began."""

    def __init__(self, transport: Transport, say: Say | None = None) -> None:
        """`say` gets what the command writes on stderr (notices, host key trouble) until `hush`."""
        self.label = transport.label
        self.about: Mapping[str, Any] = {}  # python, host, no_cache
        self.began: Mapping[str, Any] = {}  # the first word
        self.sent_bytes = self.received_bytes = 0
        self._nonce = secrets.token_hex(8)
        self._process = _start(transport, self._nonce)
        assert self._process.stdin and self._process.stdout and self._process.stderr
        self._in, self._out = self._process.stdin, self._process.stdout.fileno()
        self._errors = _Errors(self._process.stderr, say)
        self._greeting = _Greeting(f"{finder.SENTINEL} {self._nonce} ".encode())
        self._unpacker = wire.Unpacker()
        self._early: list[dict[str, Any]] = []  # came with what was waited for

    def land(self, parts: Sequence[Part], request: Mapping[str, Any], *, cache: bool = True) -> Mapping[str, Any]:
        """Brings the program over, starts it on `request`; its first word (`began`)."""
        landing = files(__package__).joinpath("landing.py").read_bytes()
        offer = {"cache": cache, "parts": [part.offer() for part in parts]}
        with suppress(OSError):  # it ended already: the answer tells why
            self._write(b"%d\n%s%s\n" % (len(landing), landing, json.dumps(offer).encode()))
        self.about = self._answer()
        needed = set(self.about["need"])
        with suppress(OSError):
            for part in parts:
                if part.name in needed:
                    self._write(part.packed())
            self._write(json.dumps(request).encode() + b"\n")
        self.began = self._began()
        return self.began

    def fileno(self) -> int:
        """For select: there is something to read."""
        return self._out

    @property
    def has_early(self) -> bool:
        """Something has come that `select` does not know of."""
        return bool(self._early)

    def read(self) -> list[dict[str, Any]]:
        """What has come, after waiting for at least one byte. Raises Cut at the end, wire.WireError for nonsense."""
        if self._early:
            early, self._early = self._early, []
            return early
        data = os.read(self._out, _READ)
        if not data:
            raise Cut(self.last_words())
        return self._unpack(data)

    def ask_time(self) -> None:
        """The answer is a `pong` with our time and theirs."""
        self.send({"ping": now_ns()})

    def hush(self) -> None:
        """From now on a screen may be up."""
        self._errors.hush()

    def send(self, message: Mapping[str, Any]) -> None:
        """One line; a link that is gone shows in `read`."""
        with suppress(OSError):
            self._write(json.dumps(message).encode() + b"\n")

    def last_words(self) -> str:
        """What the command itself had to say when it ended."""
        return self._errors.last or "without a word"

    def close(self) -> None:
        """The program over there sees the end of its input. Takes _ENDED_S at most."""
        with suppress(OSError):
            self._in.close()
        try:
            self._process.wait(_ENDED_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.join()
        for stream in (self._process.stdout, self._process.stderr):
            if stream:
                stream.close()

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[self._in.write(left) or 0 :]
        self.sent_bytes += len(data)

    def _answer(self) -> Mapping[str, Any]:
        end = monotonic() + ANSWER_S
        while (answer := self._greeting.answer()) is None:
            data = _read_before(end, self._out)
            if data is None:
                raise Unreachable(f"{self.label} did not answer within {ANSWER_S:g} s", "is it awake?")
            if not data:
                raise self._why_not()
            self._greeting.add(data)
        line, rest = answer
        about = _checked(line, self.label)
        try:
            self._early = self._unpack(rest)
        except wire.WireError as error:
            raise self._not_started(error) from None
        return about

    def _not_started(self, error: Exception) -> Unreachable:
        return Unreachable(f"the program on {self.label} did not start ({clean(str(error), 200)})")

    def _began(self) -> Mapping[str, Any]:
        end = monotonic() + BEGIN_S
        while self._early or _ready_before(end, self._out):
            try:
                self._early = self.read()
            except (Cut, wire.WireError) as error:
                raise self._not_started(error) from None
            if self._early and self._early[0].get("kind") == f"{wire.WORD}end":
                raise failure(self._early[0]) or Unreachable(f"the program on {self.label} ended at once")
            if self._early:
                return self._early.pop(0)
        raise Unreachable(f"the program on {self.label} does not begin", "is that machine out of memory, or hanging?")

    def _unpack(self, data: bytes) -> list[dict[str, Any]]:
        self.received_bytes += len(data)
        return [wire.parse(line) for line in self._unpacker.feed(data)]

    def _why_not(self) -> Unreachable:
        code = self._process.wait()
        self._errors.join()
        said = self._errors.last or self._greeting.last()
        if code == 255 or not said or self._errors.last:
            return Unreachable(
                f"can't reach {self.label}: {said or f'its command ended with code {code}'}",
                "see that the same command without acceltop gets there",
            )
        return Unreachable(
            f"{self.label} did not run our command, it said {said!r}",
            "does a forced command (authorized_keys, ForceCommand) or a login script that ends stand before it?",
        )


def failure(end: Mapping[str, Any]) -> AcceltopError | None:
    """The error in a last word, None when it all went well."""
    if "cause" not in end:
        return None
    code = end.get("code")
    known = Exit(code) if isinstance(code, int) and code in set(Exit) else Exit.FAILED
    return AcceltopError(clean(str(end["cause"]), 400), clean(str(end.get("next_step", "")), 400), known)


class _Greeting:
    """The bytes before the stream: whatever a login says, then the sentinel with an answer."""

    def __init__(self, mark: bytes) -> None:
        self._mark = mark
        self._bytes = b""

    def add(self, data: bytes) -> None:
        self._bytes += data
        if len(self._bytes) > MAX_GREETING:
            raise Unreachable("the other side talks without end", "what is in its login scripts?")

    def answer(self) -> tuple[bytes, bytes] | None:
        """The line behind the mark, and what came after it."""
        _, mark, rest = self._bytes.partition(self._mark)
        line, end, rest = rest.partition(b"\n")
        return (line, rest) if mark and end else None

    def last(self) -> str:
        """The last line that was said, for a human."""
        lines = self._bytes.decode(errors="replace").split("\n")
        return clean(next((line.strip() for line in reversed(lines) if line.strip()), ""), 200)


class _Errors:
    """Empties stderr of the command. Passes it on, at first; the last line waits, should the error be made of it."""

    def __init__(self, stream: IO[bytes], say: Say | None) -> None:
        self._stream, self._say = stream, say
        self.last = ""
        self._thread = threading.Thread(target=self._run, name="acceltop-errors", daemon=True)
        self._thread.start()

    def join(self) -> None:
        self._thread.join(1.0)

    def hush(self) -> None:
        say, self._say = self._say, None
        if say and self.last:
            say(self.last)

    def _run(self) -> None:
        while line := self._stream.readline(4096):
            text = clean(line.decode(errors="replace").strip(), 400)
            if text:
                before, self.last = self.last, text
                if (say := self._say) and before:
                    say(before)


def _start(transport: Transport, nonce: str) -> subprocess.Popen[bytes]:
    command = transport.command(finder.words(nonce))
    pipe = subprocess.PIPE
    process = subprocess.Popen([*_UNINTERRUPTED, *command], bufsize=0, stdin=pipe, stdout=pipe, stderr=pipe)
    return process


def _checked(line: bytes, label: str) -> Mapping[str, Any]:
    if line.startswith(finder.NO_PYTHON.encode()):
        found = re.findall(r"Python [0-9.]+", line.decode(errors="replace"))
        only = f"only {found[0]}" if found else "no Python"
        oldest = ".".join(map(str, finder.OLDEST))
        step = f"a Python {oldest} or newer anywhere there will do (conda, uv, pyenv)"
        raise Unreachable(f"there is {only} on {label}", step)
    try:
        about = wire.parse(line[:_MAX_ANSWER])
    except wire.WireError:
        about = {}
    if not isinstance(about.get("need"), list):
        raise Unreachable(f"{label} gave an answer that makes no sense", "is acceltop behind that command?")
    return about


def _read_before(end: float, descriptor: int) -> bytes | None:
    """None when nothing came in time."""
    return os.read(descriptor, _READ) if _ready_before(end, descriptor) else None


def _ready_before(end: float, descriptor: int) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        return bool(selector.select(max(0.0, end - monotonic())))
