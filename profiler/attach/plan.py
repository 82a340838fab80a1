"""All that is needed to make the call, found out while the target runs: addresses of functions, code and free bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

from acceltop.profiler.attach import elf, proc, stub
from acceltop.profiler.attach.slot import DATA_SIZE, Plan
from acceltop.profiler.attach.target import Target
from acceltop.profiler.errors import TargetError

_SLOTS = 4  # as many calls may wait for the main thread at a time
_FUNCTIONS = ("Py_AddPendingCall", "PyRun_SimpleString", "Py_IsInitialized")
# Where a waiting system call is made on behalf of its caller: of no interest when asking who waits.
_LIBC = ("libc.", "libc-", "libpthread", "ld-")


def make(target: Target) -> Plan:
    """Raises TargetError where the interpreter doesn't show what is needed."""
    if target.interpreter is None:
        raise TargetError(f"process {target.pid} is not a Python process", "attach to a Python process")
    try:
        ticks, mappings = proc.stat(target.pid).start_ticks, list(proc.maps(target.pid))
    except OSError as error:
        raise TargetError(f"the memory map of process {target.pid} can't be read ({error.strerror})") from None
    functions = _functions(target, mappings)
    code, data = _slots(target, mappings)
    ours, others = _code(target.interpreter, mappings)
    used = [*functions.values(), *code, *data]
    same = [m for m in mappings if any(m.start <= address < m.end for address in used)]
    return Plan(target.pid, ticks, functions, code, data, ours, others, same)


def _functions(target: Target, mappings: list[proc.Mapping]) -> dict[str, int]:
    assert target.interpreter is not None
    path = target.interpreter
    try:
        with _open(target.pid, path, mappings) as file:
            image = elf.Image(file, path, mappings)
            found = image.functions(_FUNCTIONS)
    except (OSError, ValueError) as error:
        raise TargetError(f"the interpreter {path} can't be read ({error})", "run with sudo") from None
    if not image.is_64_bit:
        raise TargetError(f"the interpreter {path} is a 32-bit program", "use a 64-bit Python")
    if missing := [name for name in _FUNCTIONS if name not in found]:
        raise TargetError(
            f"the interpreter {path} does not export {missing[0]} (static or stripped)",
            "use an interpreter that can load extension modules; counters and stacks still work with --no-inject",
        )
    return found


def _slots(target: Target, mappings: list[proc.Mapping]) -> tuple[list[int], list[int]]:
    """Free bytes for code and for data, in the interpreter or, where its pages are full, in other libraries."""
    code: list[int] = []
    data: list[int] = []
    for path in _with_tails(target, mappings):
        try:
            with _open(target.pid, path, mappings) as file:
                image = elf.Image(file, path, mappings)
                code += _cut(image.tails(elf.EXECUTABLE), stub.SIZE)
                data += _cut(image.tails(elf.WRITABLE), DATA_SIZE)
        except (OSError, ValueError):
            continue  # replaced, unreadable or not ELF: the next one
        if min(len(code), len(data)) >= _SLOTS:
            break
    if not code or not data:
        raise TargetError(
            f"no mapped library of process {target.pid} has free bytes at its end", "try again with --method gdb"
        )
    return code[:_SLOTS], data[:_SLOTS]


def _with_tails(target: Target, mappings: list[proc.Mapping]) -> Iterator[str]:
    paths = dict.fromkeys(m.path for m in mappings if "x" in m.permissions and m.path.startswith("/"))
    mapped = sorted(paths, key=lambda path: path != target.interpreter)
    return islice(mapped, 64)


def _cut(tails: Iterator[elf.Tail], size: int) -> list[int]:
    return [at for tail in tails for at in range(-(-tail.start // 16) * 16, tail.end - size + 1, -(-size // 16) * 16)]


def _open(pid: int, path: str, mappings: list[proc.Mapping]) -> BinaryIO:
    """The very file that is mapped: another may have its name by now, and a container has names of its own."""
    inodes = {m.inode for m in mappings if m.path == path}
    for name in (f"/proc/{pid}/root{path}", f"/proc/{pid}/exe", *_map_files(pid, path, mappings)):
        try:
            file = open(name, "rb")  # noqa: SIM115 (the caller closes it)
        except OSError:
            continue
        if os.fstat(file.fileno()).st_ino in inodes:
            return file
        file.close()
    raise OSError("replaced on disk since it was started, or not readable")


def _map_files(pid: int, path: str, mappings: list[proc.Mapping]) -> list[str]:
    return [f"/proc/{pid}/map_files/{m.start:x}-{m.end:x}" for m in mappings if m.path == path][:1]


def _code(interpreter: str, mappings: list[proc.Mapping]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """The ranges of executable memory of the interpreter, and of all else but libc."""
    ours: list[tuple[int, int]] = []
    others: list[tuple[int, int]] = []
    for mapping in mappings:
        name = mapping.path.rpartition("/")[2]
        if "x" not in mapping.permissions or name.startswith(_LIBC) or name in ("[vdso]", "[vsyscall]"):
            continue
        (ours if mapping.path == interpreter else others).append((mapping.start, mapping.end))
    return ours, others
