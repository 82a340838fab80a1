"""The agent's socket: where it lies, who may come in, and how it goes away again."""

from __future__ import annotations

import os
import socket
import struct
from typing import List, Optional

MOST_CLIENTS = 8
SOCKET = "agent.sock"


class Server:
    """A unix socket, 0600, in the first of the `directories` that can be made, 0700."""

    def __init__(self, directories: List[str]) -> None:
        self._directories = directories
        self._directory = self._path = ""
        self._socket: Optional[socket.socket] = None

    def listen(self) -> bool:
        """False when another agent serves this process already, or no directory can be had."""
        for directory in self._directories:
            self._directory, self._path = directory, directory + "/" + SOCKET
            if self._somebody_answers():
                return False
            try:
                self._take_directory()
                self._socket = self._bind()
            except OSError:
                continue
            return True
        return False

    def fileno(self) -> int:
        return self._socket.fileno() if self._socket is not None else -1

    def accept(self) -> Optional[socket.socket]:
        """Who knocks, if it is this user or root, and has not gone away again."""
        try:
            assert self._socket is not None
            sock, _ = self._socket.accept()
        except OSError:
            return None
        credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        _, uid, _ = struct.unpack("3i", credentials)
        if uid not in (0, os.geteuid()):
            sock.close()
            return None
        sock.setblocking(False)
        return sock

    def close(self) -> None:
        """Only this process's end of it: a child of a fork leaves the file to its parent."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def remove(self) -> None:
        """Who has knocked meanwhile sees it close at last, and may send another agent then."""
        for remove, path in ((os.unlink, self._path), (os.rmdir, self._directory)):
            try:
                remove(path)
            except OSError:
                continue  # somebody cleaned up before us
        self.close()

    def _take_directory(self) -> None:
        """Makes it, or takes over what an agent that was killed has left; never what is somebody else's."""
        try:
            os.mkdir(self._directory, 0o700)
        except FileExistsError:
            found = os.lstat(self._directory)
            if found.st_uid != os.geteuid() or found.st_mode != 0o040700:
                raise
            if os.path.lexists(self._path):
                os.unlink(self._path)

    def _bind(self) -> socket.socket:
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        server.setblocking(False)
        try:
            server.bind(self._path)  # in a directory that nobody else can enter
            os.chmod(self._path, 0o600)
            server.listen(MOST_CLIENTS)
        except OSError:
            server.close()
            raise
        return server

    def _somebody_answers(self) -> bool:
        probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            probe.settimeout(1.0)
            probe.connect(self._path)
            return True
        except OSError:
            return False
        finally:
            probe.close()
