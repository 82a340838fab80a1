"""One remote call: stop the main thread, send it through the stub, watch until the call is over.

The order of things is what makes it safe. Everything is looked up, written and touched while the target runs; the
thread stands only for: read its registers, write one address, set its registers. From then on the stub finds its way
back alone, so the tracer may die at any moment. It stays only to undo a call that faults or does not return.

What remains: a tracer that is killed within the 0.1 s in which it waits for a call that hangs (the thread was stopped
inside Py_AddPendingCall itself, a few instructions long) can't undo it; and a signal that arrives in the microseconds
of the call interrupts the call, not the system call that the thread was in, which is then restarted.
"""

from __future__ import annotations

import os
import signal
import struct
from collections.abc import Callable
from contextlib import suppress
from time import monotonic, monotonic_ns
from typing import NamedTuple

from acceltop.profiler.attach import slot, stub
from acceltop.profiler.attach.ptrace import Registers, Stop, Thread
from acceltop.profiler.attach.slot import Plan
from acceltop.profiler.errors import TargetError

_CALL_S = 0.1  # a call that takes longer waits for a lock that its own thread holds
_STOP_S = 2.0
_PAUSE_S = 0.02  # between two attempts
_TICK_S = 0.0005
_FUTEX, _RESTART_SYSCALL = 202, 219
_EINTR = 4
_RESTART = range(512, 517)  # ERESTARTSYS … ERESTART_RESTARTBLOCK, never seen outside the kernel but by tracers
_RESTART_BLOCK = 516
_STACK_LOOKED_AT = 512
_MASK = (1 << 64) - 1


class Queued(NamedTuple):
    """The call waits for the main thread; `pause_ns` is how long that thread stood."""

    pause_ns: int
    attempts: int


class Caller:
    """Makes the call in one target. Ends its hold on the target when this process ends, not before."""

    def __init__(self, plan: Plan, memory: int, command: bytes, waiting: Callable[[bytes], bool]) -> None:
        """`memory` is the open /proc/PID/mem; `waiting` tells whether an earlier command has yet to run."""
        self._plan = plan
        self._memory = memory
        self._command = command
        self._thread = _seize(plan.pid)
        # From here on no other tracer can be at work in it.
        slot.check_same(plan)
        self._code, self._data = slot.free(plan, memory, waiting)
        self._place()
        self._rehearse()

    def queue(self, end: float, give_up: Callable[[], bool]) -> Queued:
        """Try until it is queued or monotonic() reaches `end`. Raises TargetError."""
        result, attempt = stub.NOT_RUNNING, 0
        while monotonic() < end and not give_up():
            attempt += 1
            pause_ns, result = self._attempt()
            if result == stub.QUEUED:
                return Queued(pause_ns, attempt)
            if result == stub.NOT_RUNNING:
                break
            self._rest()
        if result == stub.NOT_RUNNING:
            raise TargetError(f"the Python in process {self._plan.pid} is starting or exiting", "try again")
        raise TargetError(f"process {self._plan.pid} did not take the call in {attempt} attempts", "try again")

    def _attempt(self) -> tuple[int, int]:
        os.pwrite(self._memory, slot.header(stub.PENDING), self._data)
        begin = monotonic_ns()
        self._stop()
        thread = self._thread
        registers = thread.registers()
        extended = thread.extended()
        resume = self._after_system_call(registers)
        os.pwrite(self._memory, resume.rip.to_bytes(8, "little"), self._code + stub.RESUME_AT)
        thread.set_registers(_at(resume, self._code))
        thread.go_on()
        pause_ns = monotonic_ns() - begin
        return pause_ns, self._finish(resume, extended)

    def _rehearse(self) -> None:
        """Go once through what follows a stop, so that no page of our own program is missing when it counts."""
        registers = Registers(rax=-_RESTART[0] & _MASK, orig_rax=_FUTEX, rsp=self._data)
        # Reading only: it may stand at a signal just now, and then setting would set.
        for look in (self._thread.registers, self._thread.extended):
            with suppress(OSError):  # ESRCH: it runs
                look()
        resume = self._after_system_call(registers)
        os.pwrite(self._memory, resume.rip.to_bytes(8, "little"), self._code + stub.RESUME_AT)
        _at(resume, self._code)

    def _finish(self, resume: Registers, extended: bytes) -> int:
        """The result of the call, or what stands for it after undoing a call that did not come to its end."""
        fault = self._wait_for_call()
        stop = fault or (None if self._is_over() else self._stop())
        if stop is None:
            return self._result()
        if self._is_over():  # at the last moment, and a fault is the target's own
            self._hand_on(stop)
            return self._result()
        # Extended state first: should we die in between, the thread is still inside the call and needs none of it.
        self._thread.set_extended(extended)
        self._thread.set_registers(resume)
        self._thread.go_on()
        return stub.NOT_RUNNING if fault else stub.PENDING

    def _result(self) -> int:
        return int.from_bytes(os.pread(self._memory, 4, self._data), "little", signed=True)

    def _is_over(self) -> bool:
        return self._result() != stub.PENDING

    def _stop(self) -> Stop:
        """Raises TargetError if it does not stop, or was stopped by somebody else."""
        end = monotonic() + _STOP_S
        self._thread.interrupt()
        while stop := self._next_stop(end):
            if stop.kind != "signal":
                self._check(stop)
                return stop
            self._hand_on(stop)
            self._thread.interrupt()  # that stop took the place of ours
        raise TargetError(f"process {self._plan.pid} does not react (an uninterruptible wait)", "try again later")

    def _wait_for_call(self) -> Stop | None:
        """Until the call is over or its time is; the stop, if it faults."""
        end = monotonic() + _CALL_S
        while stop := self._next_stop(end, self._is_over):
            if self._thread.is_fault(stop):
                return stop
            self._hand_on(stop)
        return None

    def _rest(self) -> None:
        end = monotonic() + _PAUSE_S
        while stop := self._next_stop(end):
            self._hand_on(stop)

    def _next_stop(self, end: float, done: Callable[[], bool] = lambda: False) -> Stop | None:
        while not done():
            if stop := self._thread.poll():
                return stop
            if monotonic() > end:
                return None
            signal.sigtimedwait({signal.SIGCHLD}, _TICK_S)
        return None

    def _hand_on(self, stop: Stop) -> None:
        """What was meant for the target reaches it."""
        if stop.kind != "signal":
            self._check(stop)
        self._thread.go_on(stop.signal if stop.kind == "signal" else 0)

    def _check(self, stop: Stop) -> None:
        if stop.kind == "exec":
            raise TargetError(f"process {self._plan.pid} replaced itself by another program", "attach again")
        if stop.signal != signal.SIGTRAP:
            raise TargetError(
                f"process {self._plan.pid} was stopped meanwhile", f"continue it with `kill -CONT {self._plan.pid}`"
            )

    def _after_system_call(self, registers: Registers) -> Registers:
        """Where and how the thread shall go on: what the kernel would do on its way out of an interrupted call.

        It must not do that itself, since it would set the instruction pointer back from where we have put it.
        """
        resume = Registers.from_buffer_copy(registers)
        resume.orig_rax = _MASK
        error = -registers.rax & _MASK
        if registers.orig_rax >> 63 or error not in _RESTART:
            return resume
        if registers.orig_rax == _FUTEX and self._waits_for_python_lock(registers.rsp):
            # An interrupted wait for a lock: the interpreter runs pending calls, then goes on waiting.
            resume.rax = -_EINTR & _MASK
            return resume
        resume.rip -= 2
        resume.rax = _RESTART_SYSCALL if error == _RESTART_BLOCK else registers.orig_rax
        return resume

    def _waits_for_python_lock(self, stack: int) -> bool:
        """Whether it is the interpreter that called libc: other libraries may take EINTR for success."""
        try:
            words = os.pread(self._memory, _STACK_LOOKED_AT, stack)
        except OSError:
            return False
        for (word,) in struct.iter_unpack("<Q", words[: len(words) & -8]):
            if _inside(word, self._plan.interpreter_code):
                return True
            if _inside(word, self._plan.other_code):
                return False
        return False

    def _place(self) -> None:
        """Writing also touches the pages, so that nothing has to be paged in while the thread stands."""
        functions = self._plan.functions
        machine_code = stub.code(
            is_initialized=functions["Py_IsInitialized"],
            add_pending_call=functions["Py_AddPendingCall"],
            run=functions["PyRun_SimpleString"],
            command=self._data + slot.HEADER_SIZE,
            result=self._data,
        )
        slot.write(self._memory, self._data, self._command)
        os.pwrite(self._memory, machine_code, self._code)


def _seize(pid: int) -> Thread:
    with suppress(OSError):  # a process of ordinary rank
        # So that no other program gets the processor while the target stands.
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    return Thread(pid)


def _at(resume: Registers, entry: int) -> Registers:
    registers = Registers.from_buffer_copy(resume)
    registers.rip = entry
    return registers


def _inside(address: int, ranges: list[tuple[int, int]]) -> bool:
    return any(start <= address < end for start, end in ranges)
