"""The machine code that makes one call in a thread that did not ask for it, and then leaves as if it had never been.

Only the instruction pointer has to be changed to start it. It saves and restores all it touches (flags, general
registers, the extended state) and goes back to where the thread was *by itself*: whatever happens to the tracer once
the thread runs, nobody has to come back and repair anything.
"""

from __future__ import annotations

import struct

SIZE = 224
RESUME_AT = SIZE - 8  # the address to go back to, written last, when the thread stands still
# Below the thread's stack pointer: past the red zone, and so far down that a waiter which the call may leave on the
# stack (PyMutex, when it had to be given up) is still whole when the thread, back in its frame, lets go of the lock.
_GAP = 16384
_XSAVE = 4096  # the standard format of the components below ends at 2688
_COMPONENTS = 0xE7  # x87, SSE, AVX, AVX-512; not AMX tiles, which no C function may change
_PUSHES = bytes.fromhex("50 51 52 53 55 56 57 4150 4151 4152 4153 4154 4155 4156 4157")
_POPS = bytes.fromhex("415f 415e 415d 415c 415b 415a 4159 4158 5f 5e 5d 5b 5a 59 58")

PENDING = 0x7FFFFFFF  # what the result holds until the call is over
QUEUED = 0
NOT_RUNNING = 2  # the interpreter is not up, or no longer


def code(*, is_initialized: int, add_pending_call: int, run: int, command: int, result: int) -> bytes:
    """`if Py_IsInitialized(): *result = Py_AddPendingCall(run, command)`, to be placed anywhere; SIZE bytes."""
    call = _mov("rdi", run) + _mov("rsi", command) + _mov("rax", add_pending_call) + b"\xff\xd0"  # call rax
    skip = b"\xb8" + struct.pack("<i", NOT_RUNNING) + b"\xeb" + bytes([len(call)])  # mov eax, …; jmp past the call
    body = (
        _lower_stack(-_GAP)
        + b"\x9c"  # pushfq
        + _PUSHES
        + b"\xfc"  # cld
        + b"\x48\x89\xe5"  # mov rbp, rsp
        + _lower_stack(-_XSAVE)
        + b"\x48\x83\xe4\xc0"  # and rsp, -64
        + _save()
        + _mov("rax", is_initialized)
        + b"\xff\xd0\x85\xc0"  # call rax; test eax, eax
        + b"\x75"
        + bytes([len(skip)])  # jnz to the call
        + skip
        + call
        + b"\x41\x89\xc4"  # mov r12d, eax
        + _components()
        + b"\x48\x0f\xae\x2c\x24"  # xrstor64 [rsp]
        + _mov("rax", result)
        + b"\x44\x89\x20"  # mov [rax], r12d
        + b"\x48\x89\xec"  # mov rsp, rbp
        + _POPS
        + b"\x9d"  # popfq
        + _lower_stack(_GAP)
    )
    jump = b"\xff\x25" + struct.pack("<i", RESUME_AT - len(body) - 6)  # jmp [rip + …]
    return (body + jump).ljust(SIZE, b"\xcc")


def _mov(register: str, value: int) -> bytes:
    opcode = {"rax": b"\x48\xb8", "rsi": b"\x48\xbe", "rdi": b"\x48\xbf"}[register]
    return opcode + struct.pack("<Q", value)


def _lower_stack(by: int) -> bytes:
    """lea rsp, [rsp + by]: unlike add, it leaves the flags alone."""
    return b"\x48\x8d\xa4\x24" + struct.pack("<i", by)


def _components() -> bytes:
    return b"\x31\xd2\xb8" + struct.pack("<I", _COMPONENTS)  # xor edx, edx; mov eax, …


def _save() -> bytes:
    """xsave64 [rsp], into a zeroed header: it writes only part of it, and xrstor refuses anything else there."""
    zero = b"\x31\xc0\x48\x8d\xbc\x24" + struct.pack("<i", 512)  # xor eax, eax; lea rdi, [rsp + 512]
    return zero + b"\xb9\x08\x00\x00\x00\xf3\x48\xab" + _components() + b"\x48\x0f\xae\x24\x24"
