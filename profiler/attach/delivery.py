"""The code's way into the target: a file that only the target's user can read, and the line that runs it."""

from __future__ import annotations

import os
import re
from contextlib import suppress

from acceltop.profiler.errors import TargetError

BASES = ("/tmp", "/dev/shm", "/var/tmp")
_FILE, _START = "agent.py", "start.py"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# Runs in the target's main thread, which does no more than start one: neither files nor the compiler may hold it up.
# Where there are others it reads the file itself: one of them may train, and it may wait and not come by a second time
# (kineto has to meet it, see `agent.torch_quiet`). It leaves no name behind, says nothing, and hands a Ctrl-C that hits
# it on to the job (from another thread, once this namespace, and `x` with it, has gone: it would strike in here again,
# and be lost). A child that was forked while the line waited has inherited it, hence the test of the PID.
_LINE = r"""__import__("builtins").exec("try:
 import os,sys,_thread as t
 if os.getpid()=={pid}:
  a='''try:
 f=open('{path}/agent.py','rb');exec(f.readline())
except KeyboardInterrupt:raise
except:pass''',{{}}
  exec(*a)if len(sys._current_frames())>1 else t.start_new_thread(exec,a)
except KeyboardInterrupt:
 import threading as t,_thread as i,weakref as w;x=t.Event();w.finalize(x,t.Timer(.01,i.interrupt_main).start)
except:pass
",{{}})""".replace("\n", r"\n")
# Takes the file away and runs the rest of it, piece by piece, each up to two blank lines: the job waits for the
# interpreter while one is read and compiled.
_FIRST = r"""
import os, time
time.sleep(0.001)
path = os.path.dirname(f.name)
for name in os.listdir(path):
    os.unlink(path + "/" + name)
os.rmdir(path)
space, piece = {}, b""
with f:
    for line in f:
        piece += line
        if piece.endswith(b"\n\n\n"):
            time.sleep(0.001)
            exec(compile(piece, "<acceltop boot>", "exec"), space)
            piece = b""
"""
_FIRST_LINE = f"exec(compile({_FIRST!r}, '<acceltop boot>', 'exec'))\n"
_PATH = re.compile(rb"open\('(/[\w/-]+)/agent\.py'")


class Drop:
    """A directory (0700) with one file (0600) in the target's own file system. Holds one descriptor until removed."""

    def __init__(self, base: str, name: str, descriptor: int) -> None:
        """`descriptor` is the open directory that `base` is for the target."""
        self.base, self.name, self._base = base, name, descriptor

    @classmethod
    def choose(cls, pid: int) -> Drop:
        """In the first directory of the target that can be written. Raises TargetError."""
        for base in BASES:
            with suppress(OSError):
                descriptor = os.open(f"/proc/{pid}/root{base}", _DIRECTORY)
                if os.access(".", os.W_OK, dir_fd=descriptor):
                    return cls(base, f"acceltop-{os.urandom(6).hex()}", descriptor)
                os.close(descriptor)
        raise TargetError(
            f"process {pid} has no directory to leave a file in ({', '.join(BASES)})", "make one of them writable"
        )

    @property
    def path(self) -> str:
        """The directory as the target sees it."""
        return f"{self.base}/{self.name}"

    def fileno(self) -> int:
        """For handing it to a helper."""
        return self._base

    def write(self, source: str, line: bytes, uid: int, gid: int) -> None:
        """Raises OSError. The directory changes hands last: until then nobody else can reach into it."""
        os.mkdir(self.name, 0o700, dir_fd=self._base)
        directory = os.open(self.name, _DIRECTORY, dir_fd=self._base)
        try:
            for name, content in ((_FILE, f"{_FIRST_LINE}{source}\n\n\n".encode()), (_START, line)):
                _write(directory, name, content, uid, gid)
            os.fchown(directory, uid, gid)
        finally:
            os.close(directory)

    def remove(self) -> None:
        """Whatever the target has not removed itself. Never follows a link; may be called again."""
        if self._base < 0:
            return
        with suppress(OSError):  # it is gone: that is what we want
            directory = os.open(self.name, _DIRECTORY, dir_fd=self._base)
            for name in (_FILE, _START):
                with suppress(OSError):
                    os.unlink(name, dir_fd=directory)
            os.close(directory)
            os.rmdir(self.name, dir_fd=self._base)
        self.close()

    def close(self) -> None:
        """Let go of the descriptor; what was written stays."""
        if self._base >= 0:
            os.close(self._base)
            self._base = -1

    __del__ = close

    def line(self, nspid: int) -> bytes:
        """What has to run in the target, whose PID in its own namespace is `nspid`."""
        return _LINE.format(pid=nspid, path=self.path).encode()

    @property
    def start(self) -> str:
        """The line as a file, for those who run files."""
        return f"{self.path}/{_START}"


def is_waiting(pid: int, line: bytes) -> bool:
    """Whether a line found in the target has yet to run: then its file is still there."""
    match = _PATH.search(line)
    return match is not None and os.path.lexists(f"/proc/{pid}/root{os.fsdecode(match[1])}/{_FILE}")


def _write(directory: int, name: str, content: bytes, uid: int, gid: int) -> None:
    with open(os.open(name, _NEW, 0o600, dir_fd=directory), "wb") as file:
        os.fchown(file.fileno(), uid, gid)
        file.write(content)
