"""The agent: one raw thread in the target that serves a unix socket and runs the framework probes.

It goes away, and leaves nothing, when no acceltop has been connected for `GRACE_S`, or when the process ends.
Protocol: JSON lines. From acceltop: {"cmd": "configure", "budget": 0.01}. To acceltop: frames as in `codec`.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import socket
import sys
import time
from typing import Any, Callable, Dict, List, Optional

from acceltop.profiler.agent.server import MOST_CLIENTS, Server

GRACE_S = 2.5
FIRST_CLIENT_S = 15.0
MOST_UNSENT = 8 << 20  # bytes per client that doesn't read; then frames are dropped and counted
MOST_UNREAD = 1 << 16  # bytes of one command line
TICK_S = 0.25
_BYE = {"kind": "AgentBye"}  # before a link ends of which that is no news
LAST_S = 10.0  # what the end of the process waits for at most: a window that is closing takes milliseconds


class Client:
    """One connected acceltop."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.unread = b""
        self.unsent = bytearray()
        self.dropped = 0
        self.budget: Optional[float] = None

    def send(self, line: bytes) -> bool:
        """Queue one line and write what fits now; False when the other side is gone."""
        if len(self.unsent) + len(line) > MOST_UNSENT:
            self.dropped += 1
        else:
            self.unsent += line
        return self.flush()

    def flush(self) -> bool:
        try:
            while self.unsent:
                sent = self.sock.send(memoryview(self.unsent)[: 1 << 18])
                del self.unsent[:sent]
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True

    def commands(self) -> Optional[List[Dict[str, Any]]]:
        """Complete commands that arrived; None when the other side is gone."""
        try:
            data = self.sock.recv(1 << 16)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not data or len(self.unread) + len(data) > MOST_UNREAD:
            return None
        *lines, self.unread = (self.unread + data).split(b"\n")
        try:
            return [dict(json.loads(line)) for line in lines if line]
        except (TypeError, ValueError):
            return None


class Agent:
    """`config`: directories (the first that can be made, 0700, holds the socket), budget (of the first client)."""

    def __init__(self, config: Dict[str, Any], modules: Any) -> None:
        self.pid = os.getpid()
        self._server = Server([str(path) for path in config["directories"]])
        self._budget = float(config.get("budget", 0.01))
        self._modules = modules
        self._clients: List[Client] = []
        self._probe: Any = None
        self._failed: Optional[str] = None
        self._alone_since = time.monotonic() + FIRST_CLIENT_S - GRACE_S
        self.stopping = False
        self._gone = False
        self._clean = True  # no wrapper of ours is left in the target
        self._wake_r, self._wake_w = -1, -1

    # ------------------------------------------------------------------ life
    def run(self) -> None:
        if not self._server.listen():
            return
        self._wake_r, self._wake_w = os.pipe()
        os.set_blocking(self._wake_w, False)
        os.set_blocking(self._wake_r, False)
        atexit.register(self._process_ends)
        forked = _Forked(self)
        os.register_at_fork(before=forked.before, after_in_child=forked.in_child)
        try:
            while not self.stopping and not self._abandoned():
                self._serve(self._until_next())
                self._run_probe()
        finally:
            self._leave()

    def wake(self) -> None:
        """Let the loop look at once, from any thread."""
        try:
            os.write(self._wake_w, b"x")
        except OSError:
            return  # gone, or its pipe is full: awake anyhow

    def _abandoned(self) -> bool:
        return not self._clients and time.monotonic() - self._alone_since > GRACE_S

    def _process_ends(self) -> None:
        """At exit, in the main thread: a window must be closed before the interpreter goes, or it crashes."""
        self.stopping = True
        self.wake()
        end = time.monotonic() + LAST_S
        while not self._gone and time.monotonic() < end:
            time.sleep(0.001)

    def _leave(self) -> None:
        try:
            self._close_probe()
        finally:
            if self.stopping:
                self.emit(_BYE)  # the process ends
            for client in self._clients:
                client.flush()
                client.sock.close()
            self._clients.clear()
            self._server.remove()
            self._close_pipe()
            self._gone = True
            atexit.unregister(self._process_ends)
            if self._clean:
                self._modules.forget()

    def _close_pipe(self) -> None:
        for fd in (self._wake_r, self._wake_w):
            if fd >= 0:
                os.close(fd)
        self._wake_r = self._wake_w = -1

    def before_fork(self) -> None:
        """A child of a process with an open window would record for ever."""
        if self._probe is not None and os.getpid() == self.pid:
            self._probe.give_way()

    def in_child(self) -> None:
        """After a fork, in the child: our sockets are the parent's business, and there is no thread of ours."""
        for client in self._clients:
            client.sock.close()
        self._clients = []
        self._server.close()
        self._close_pipe()
        self._gone = True
        if self._probe is not None:
            self._probe.in_child()

    # ------------------------------------------------------------------ clients
    def _until_next(self) -> float:
        return max(0.0, self._probe.due()) if self._has_work() else TICK_S

    def _has_work(self) -> bool:
        """A probe that nobody watches only finishes what it has begun."""
        return self._probe is not None and bool(self._clients or self._probe.open)

    def _serve(self, timeout_s: float) -> None:
        poll = select.poll()
        poll.register(self._server, select.POLLIN)
        poll.register(self._wake_r, select.POLLIN)
        by_fd = {client.sock.fileno(): client for client in self._clients}
        for fd, client in by_fd.items():
            poll.register(fd, select.POLLIN | (select.POLLOUT if client.unsent else 0))
        for fd, event in poll.poll(timeout_s * 1000):
            if fd == self._wake_r:
                os.read(fd, 4096)
            elif fd in by_fd:
                self._talk(by_fd[fd], event)
            else:
                self._accept()

    def _accept(self) -> None:
        sock = self._server.accept()
        if sock is None:
            return
        client = Client(sock)
        if len(self._clients) >= MOST_CLIENTS:
            text = "%d others watch the process already" % MOST_CLIENTS
            client.send(_line(self._note("error", "agent.full", text, "quit one of them")) + _line(_BYE))
            sock.close()
            return
        self._clients.append(client)
        client.send(_line(self._hello()))
        if self._probe is not None:
            self._probe.welcome()

    def _hello(self) -> Dict[str, Any]:
        return {
            "kind": "AgentHello",
            "pid": self.pid,
            "python": sys.version.split()[0],
            "probe": self._probe.describe() if self._probe is not None else None,
            "problem": self._failed,
        }

    def _talk(self, client: Client, event: int) -> None:
        alive = client.flush() if event & select.POLLOUT else True
        if alive and event & ~select.POLLOUT:
            commands = client.commands()
            alive = commands is not None
            for command in commands or []:
                self._obey(client, command)
        if not alive:
            self._part(client)

    def _obey(self, client: Client, command: Dict[str, Any]) -> None:
        if command.get("cmd") == "configure":
            budget = command.get("budget")
            if isinstance(budget, (int, float)) and 0 <= budget <= 1:
                client.budget = float(budget)
                self._apply_budget()

    def _part(self, client: Client) -> None:
        client.sock.close()
        self._clients.remove(client)
        self._alone_since = time.monotonic()
        self._apply_budget()

    def _apply_budget(self) -> None:
        """The most careful of all who watch decides."""
        wishes = [client.budget for client in self._clients if client.budget is not None]
        self._budget = min(wishes) if wishes else self._budget
        if self._probe is not None:
            self._probe.set_budget(self._budget)

    def emit(self, frame: Dict[str, Any]) -> None:
        """To every acceltop that is connected."""
        line = _line(frame)
        for client in list(self._clients):
            if not client.send(line):
                self._part(client)

    def note(self, level: str, code: str, text: str, next_step: str = "") -> None:
        self.emit(self._note(level, code, text, next_step))

    def _note(self, level: str, code: str, text: str, next_step: str) -> Dict[str, Any]:
        note = {"kind": "Note", "time_ns": time.time_ns(), "level": level, "code": code, "text": text}
        return dict(note, next_step=next_step, source="agent", pid=self.pid)

    @property
    def dropped(self) -> int:
        return sum(client.dropped for client in self._clients)

    # ------------------------------------------------------------------ probes
    def _run_probe(self) -> None:
        """A probe that fails is taken out whole, and the reason told; the target never hears of it."""
        try:
            if self._probe is None:
                self._find_probe()
            elif self._has_work():
                self._probe.act()
        except Exception as error:
            self._failed = "%s: %s" % (type(error).__name__, str(error)[:300])
            self._close_probe()
            self.note("error", "agent.probe_failed", "the probe stopped: " + self._failed)

    def _find_probe(self) -> None:
        torch = sys.modules.get("torch")
        if self._failed is not None or torch is None or not self._clients:
            return
        if self._modules.load("torch_quiet").ready(torch):
            self._probe = self._modules.load("torch_probe").Probe(self, torch, self._budget)
            self.emit(self._hello())

    def _close_probe(self) -> None:
        probe, self._probe = self._probe, None
        if probe is not None:
            try:
                self._clean = probe.close()
            except Exception as error:
                self.note("error", "agent.close_failed", "detaching: %s" % str(error)[:300])


class _Forked:
    """Registered for good (Python can't take it back), so it holds the agent only as long as that lives."""

    def __init__(self, agent: Agent) -> None:
        import weakref

        self._agent: Callable[[], Optional[Agent]] = weakref.ref(agent)

    def before(self) -> None:
        agent = self._agent()
        if agent is not None:
            agent.before_fork()

    def in_child(self) -> None:
        agent = self._agent()
        if agent is not None:
            agent.in_child()


def _line(frame: Dict[str, Any]) -> bytes:
    return json.dumps(frame, separators=(",", ":")).encode("utf-8", "replace") + b"\n"
