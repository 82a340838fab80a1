"""ptrace(2), as far as it is needed: one seized thread that is stopped, looked at, changed and let go on."""

from __future__ import annotations

import ctypes
import os
import signal
from typing import NamedTuple

CONT, SEIZE, INTERRUPT, GETSIGINFO = 7, 0x4206, 0x4207, 0x4202
_GETREGSET, _SETREGSET = 0x4204, 0x4205
_PRSTATUS, _XSTATE = 1, 0x202
_TRACE_EXEC = 0x10
_EVENT_EXEC, _EVENT_STOP = 4, 128
_WALL = 0x40000000
_XSTATE_MAX = 1 << 14  # AMX needs 11 KiB
_FAULTS = {signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE}

_libc = ctypes.CDLL(None, use_errno=True)
_ptrace = _libc.ptrace
_ptrace.restype = ctypes.c_long
_ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)

_GENERAL = "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip"
_ORDER = f"{_GENERAL} cs eflags rsp ss fs_base gs_base ds es fs gs"


class Registers(ctypes.Structure):
    """struct user_regs_struct of x86-64."""

    _fields_ = [(name, ctypes.c_uint64) for name in _ORDER.split()]
    rax: int
    orig_rax: int
    rip: int
    rsp: int


class _Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class Stop(NamedTuple):
    """Why the thread stands: `kind` is "stop" (ours, or job control if `signal` is not SIGTRAP), "signal", "exec"."""

    kind: str
    signal: int


class Gone(Exception):
    """The thread has ended. `how` says in words how."""

    def __init__(self, how: str) -> None:
        super().__init__(how)
        self.how = how


class Thread:
    """A seized thread. It never stops because it was seized, and it goes on, unchanged, when the tracer ends."""

    def __init__(self, pid: int) -> None:
        """Raises OSError (EPERM, ESRCH)."""
        self.pid = pid
        self._registers = Registers()
        self._extended = ctypes.create_string_buffer(_XSTATE_MAX)
        self._request(SEIZE, 0, _TRACE_EXEC)

    def poll(self) -> Stop | None:
        """The stop it has come to since it was last let go, or None while it runs. Raises Gone."""
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG | _WALL)
        except ChildProcessError:
            raise Gone("it ended") from None
        if pid == 0:
            return None
        if os.WIFEXITED(status):
            raise Gone(f"it exited with code {os.WEXITSTATUS(status)}")
        if os.WIFSIGNALED(status):
            raise Gone(f"it was ended by {signal.Signals(os.WTERMSIG(status)).name}")
        event = status >> 16
        kind = {_EVENT_STOP: "stop", _EVENT_EXEC: "exec"}.get(event, "signal")
        return Stop(kind, os.WSTOPSIG(status))

    def interrupt(self) -> None:
        """Ask it to stop; no signal is sent, and a stopped job stays what it is."""
        self._request(INTERRUPT)

    def go_on(self, with_signal: int = 0) -> None:
        """Let it run, after a signal's stop with that signal (the kernel kept who sent it and why)."""
        self._request(CONT, 0, with_signal)

    def registers(self) -> Registers:
        """Its general registers."""
        self._regset(_GETREGSET, _PRSTATUS, ctypes.addressof(self._registers), ctypes.sizeof(Registers))
        return Registers.from_buffer_copy(self._registers)

    def set_registers(self, registers: Registers) -> None:
        """In one system call: all of them or none."""
        self._regset(_SETREGSET, _PRSTATUS, ctypes.addressof(registers), ctypes.sizeof(Registers))

    def extended(self) -> bytes:
        """x87, SSE, AVX and whatever else the processor has (NT_X86_XSTATE)."""
        length = self._regset(_GETREGSET, _XSTATE, ctypes.addressof(self._extended), _XSTATE_MAX)
        return ctypes.string_at(self._extended, length)

    def set_extended(self, state: bytes) -> None:
        """Put back what `extended` gave."""
        ctypes.memmove(self._extended, state, len(state))
        self._regset(_SETREGSET, _XSTATE, ctypes.addressof(self._extended), len(state))

    def is_fault(self, stop: Stop) -> bool:
        """Whether that signal comes from the instruction it was at, not from another process."""
        if stop.kind != "signal" or stop.signal not in _FAULTS:
            return False
        info = (ctypes.c_int32 * 32)()
        self._request(GETSIGINFO, 0, ctypes.addressof(info))
        return info[2] > 0  # si_code: above 0 means the kernel raised it

    def _regset(self, request: int, kind: int, address: int, length: int) -> int:
        vector = _Vector(address, length)
        self._request(request, kind, ctypes.addressof(vector))
        return int(vector.length)

    def _request(self, request: int, address: int = 0, data: int = 0) -> None:
        if _ptrace(request, self.pid, address, data) == -1:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))
