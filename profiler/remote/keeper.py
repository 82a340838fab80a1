"""The program that records on the other machine and goes on when the link is gone: a session of its own, a spool, and
a socket that only its user can speak to. It ends when it is told to, with the job, or at its limits."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from argparse import Namespace
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from time import strftime
from typing import Any

from acceltop.profiler.clock import monotonic
from acceltop.profiler.errors import AcceltopError
from acceltop.profiler.model import Frame
from acceltop.profiler.remote import store
from acceltop.profiler.remote.landing import use
from acceltop.profiler.remote.spool import Spool
from acceltop.profiler.remote.thrift import Thrift
from acceltop.profiler.session import Sink
from acceltop.profiler.text import clean

START_S = 30.0
_BOOT = (
    "import json, os, sys; start = json.loads(sys.argv[1]); "
    'sys.path.insert(0, f\'/proc/{os.getpid()}/fd/{start["files"]["acceltop"]}\'); '
    "from acceltop.profiler.remote.keeper import main; main(start)"
)


def start(recording: store.Recording, request: Mapping[str, Any], landed: Mapping[str, Any]) -> None:
    """Sets a keeper off and waits until it records. `landed`: the parts and where they are. Raises AcceltopError."""
    files = {name: int(place.rpartition("/")[2]) for name, place in landed["places"].items()}
    given = {"folder": str(recording.folder), "request": request, "parts": landed["parts"], "files": files}
    os.umask(0o077)
    with open(recording.folder / store.LOG, "xb") as log:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _BOOT, json.dumps(given)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            pass_fds=tuple(files.values()),
            start_new_session=True,  # the end of the link, or of the login, is not its end
            cwd="/",
        )
    end, pause = monotonic() + START_S, threading.Event()
    while monotonic() < end and process.poll() is None:
        with suppress(OSError, ValueError):
            recording.ask("status")
            return
        pause.wait(0.02)
    process.kill()
    said = (recording.folder / store.LOG).read_text(errors="replace").strip().splitlines()
    recording.remove()
    raise AcceltopError(f"the recorder did not start there ({clean(said[-1], 200) if said else 'it says nothing'})")


def main(given: Mapping[str, Any]) -> None:
    """The keeper's own life."""
    os.umask(0o077)
    places = {name: f"/proc/{os.getpid()}/fd/{number}" for name, number in given["files"].items()}
    sys.path.pop(0)
    use(given["parts"], places)
    Keeper(store.Recording(Path(given["folder"])), given["request"]).run(places)


class Keeper:
    """Records until it ends, and answers who asks."""

    def __init__(self, recording: store.Recording, request: Mapping[str, Any]) -> None:
        self._recording, self._request = recording, request
        self._spool = Spool(recording.folder / store.SPOOL)
        self._state, self._reason = store.RECORDING, ""
        self._gone: list[tuple[int, int | None]] = []
        self._since = strftime("%Y-%m-%dT%H:%M:%S%z")
        self._heard = monotonic()
        self._begun = False

    def run(self, places: Mapping[str, str]) -> None:
        from acceltop.profiler.cli import live, options

        args = Namespace(**self._request["args"])
        args.source_options = {"stacks.program": places.get("py-spy", "py-spy")}
        self._recording.write_about(self.status())
        context = options.context(args, tuple(self._request["pids"]))
        sinks: list[Sink] = [self._begin, self._spool.add]
        end = live.watch(context, sinks, [self._tick, Thrift()], only=args.only, duration_s=args.duration)
        self._spool.close()
        self._reason = self._reason or self._spool.trouble or end.reason
        self._gone = [(process.pid, process.exit_code) for process in end.gone]
        # Said last: whoever hears of the end may take the folder away.
        with suppress(FileNotFoundError):  # it was taken away already
            self._recording.write_about(self.status() | {"state": store.ENDED})
        self._state = store.ENDED

    def status(self) -> dict[str, Any]:
        """What `recordings` shows."""
        return {
            "id": self._recording.id,
            "pid": os.getpid(),
            "since": self._since,
            "bytes": self._spool.size,
            "frames": self._spool.frames,
            "state": self._state,
            "reason": self._reason,
            "gone": self._gone,
            "watched": list(self._request["pids"]),
            "limits": self._request["limits"],
        }

    def _begin(self, _frame: Frame) -> None:
        """With the first Frame: earlier a wish to end would find nobody who listens to signals."""
        if not self._begun:
            self._begun = True
            threading.Thread(target=self._serve, name="acceltop-socket", daemon=True).start()

    def _tick(self) -> None:
        self._spool.flush()
        limits = self._request["limits"]
        if self._spool.trouble:
            self._end(f"its disk: {self._spool.trouble}")
        elif not self._recording.folder.exists():
            self._end("its folder was removed")  # nobody could ever find it again
        elif self._spool.size > limits["bytes"]:
            self._end("its limit of size")
        elif monotonic() - self._heard > limits["idle_s"]:
            self._end("nobody asked for it in a long time")

    def _end(self, reason: str) -> None:
        self._reason = reason
        os.kill(os.getpid(), signal.SIGTERM)

    def _serve(self) -> None:
        with socket.socket(socket.AF_UNIX) as server, store.short_path(self._recording.folder) as folder:
            server.bind(f"{folder}/{store.SOCKET}")
            os.chmod(f"{folder}/{store.SOCKET}", 0o600)
            server.listen(8)
            while True:
                client, _ = server.accept()
                with client, suppress(OSError, ValueError):
                    client.settimeout(store.ANSWER_S)
                    self._answer(client)

    def _answer(self, client: socket.socket) -> None:
        _, uid, _ = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if uid not in (0, os.geteuid()):
            return
        with client.makefile("rb") as stream:
            command = json.loads(stream.readline(store.MAX_MESSAGE)).get("command")
        self._heard = monotonic()
        if command == "stop":
            self._end("it was stopped")
        client.sendall(json.dumps(self.status()).encode() + b"\n")
