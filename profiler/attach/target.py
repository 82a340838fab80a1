"""A process as seen from outside: what it is, and whether code of ours could be run in it."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from acceltop.profiler.attach import access, proc
from acceltop.profiler.clock import NS_PER_S
from acceltop.profiler.errors import TargetError
from acceltop.profiler.text import clean

MAX_LIBRARIES = 4096
_INTERPRETER = re.compile(r"/(lib)?python(?P<major>\d)?(\.(?P<minor>\d+))?[a-z]*(\.so[.\d]*)?( \(deleted\))?$")
_EXTENSION = re.compile(r"\.cpython-(?P<major>\d)(?P<minor>\d+)[a-z]*-")
_CONTAINER = re.compile(r"\b(?P<id>[0-9a-f]{64})\b")
# Who numbers the ranks: torchrun and most launchers, Slurm, Open MPI.
_RANKS = (
    ("RANK", "WORLD_SIZE", "LOCAL_RANK"),
    ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"),
)


@dataclass(frozen=True)
class Target:
    """One process at one moment. Strings are clean for a screen; what may not be read is None or empty."""

    pid: int
    start_ns: int
    parent: int
    command: str
    argv: tuple[str, ...]
    exe: str | None
    uid: int
    user: str
    state: str
    tracer_pid: int
    threads: int
    container: str | None
    nspid: int
    python: tuple[int, int] | None
    interpreter: str | None
    libraries: tuple[str, ...]
    rank: int | None = None
    world_size: int | None = None
    local_rank: int | None = None


def inspect(pid: int) -> Target:
    """Everything /proc tells of `pid`. Raises TargetError if there is no such process."""
    try:
        stat, status = proc.stat(pid), proc.status(pid)
    except (OSError, IndexError):
        raise TargetError(f"there is no process {pid}", "`acceltop` shows those that can be attached") from None
    leader = int(status.get("Tgid", pid))
    if leader != pid:
        raise TargetError(f"{pid} is a thread of process {leader}", f"attach to {leader}")
    argv = tuple(clean(argument) for argument in proc.arguments(pid))
    files = _mapped_files(pid)
    interpreter = _interpreter(files)
    rank, world_size, local_rank = _ranks(proc.environ(pid))
    uid = int(status["Uid"].split()[1])
    return Target(
        pid=pid,
        start_ns=proc.boot_time_s() * NS_PER_S + stat.start_ticks * NS_PER_S // os.sysconf("SC_CLK_TCK"),
        parent=stat.parent,
        command=clean(" ".join(argv)) or clean(f"[{status.get('Name', '')}]"),
        argv=argv,
        exe=_clean_or_none(proc.link(pid, "exe")),
        uid=uid,
        user=_user(uid),
        state=stat.state,
        tracer_pid=int(status.get("TracerPid", 0)),
        threads=stat.threads,
        container=container_of(proc.read_or_empty(pid, "cgroup").decode(errors="replace")),
        nspid=int(status.get("NSpid", str(pid)).split()[-1]),
        python=_version(interpreter, files),
        interpreter=_clean_or_none(interpreter),
        libraries=tuple(clean(path) for path in files),
        rank=rank,
        world_size=world_size,
        local_rank=local_rank,
    )


def find(pattern: str) -> list[Target]:
    """The Python processes whose command line holds `pattern` (case does not matter), oldest first, not ourselves."""
    ours = _with_ancestors(os.getpid())
    wanted = pattern.casefold()
    found = []
    for pid in proc.pids():
        if pid in ours or wanted not in " ".join(proc.arguments(pid)).casefold():
            continue
        target = _inspect_if_there(pid)
        if target and _looks_like_python(target):
            found.append(target)
    return sorted(found, key=lambda target: (target.start_ns, target.pid))


def tree(pid: int) -> list[int]:
    """The descendants of `pid` that are Python processes, parents before their children."""
    children: dict[int, list[int]] = {}
    for child, parent in _parents().items():
        children.setdefault(parent, []).append(child)
    found, queue = [], [pid]
    for ancestor in queue:  # grows while it is walked: breadth first
        queue += sorted(children.get(ancestor, ()))
    for descendant in queue[1:]:
        target = _inspect_if_there(descendant)
        if target and _looks_like_python(target):
            found.append(descendant)
    return found


def attachable(target: Target, at_once: bool = False) -> str:
    """ "yes", or the reason why not in one line. Reads only; the target never notices.

    `at_once`: who may enter, not whether there is a way in; that takes a tenth of a second, most of it imports.
    """
    refusal = access.refusal(target)
    if refusal is None and not at_once:
        from acceltop.profiler.attach import ladder  # needs Target itself

        refusal = ladder.refusal(target)
    return clean(str(refusal)) if refusal else "yes"


def _inspect_if_there(pid: int) -> Target | None:
    try:
        return inspect(pid)
    except TargetError:
        return None  # it ended since it was listed


def _parents() -> dict[int, int]:
    """Of all that have not ended since they were listed."""
    return {pid: stat.parent for pid in proc.pids() if (stat := proc.stat_or_none(pid))}


def _with_ancestors(pid: int) -> set[int]:
    parents, found = _parents(), set[int]()
    while pid and pid not in found:
        found.add(pid)
        pid = parents.get(pid, 0)
    return found


def _mapped_files(pid: int) -> tuple[str, ...]:
    try:
        paths = dict.fromkeys(mapping.path for mapping in proc.maps(pid) if mapping.path.startswith("/"))
    except OSError:
        return ()
    return tuple(paths)[:MAX_LIBRARIES]


def _interpreter(files: Iterable[str]) -> str | None:
    """The file that holds the interpreter: libpython where there is one, else the python program."""
    found = [path for path in files if _INTERPRETER.search(path)]
    # libpython3.so beside libpython3.12.so is only the shell of the stable ABI.
    return min(
        found, key=lambda path: ("/libpython" not in path, "." not in path.partition("python3")[2][:2]), default=None
    )


def _version(interpreter: str | None, files: Iterable[str]) -> tuple[int, int] | None:
    if interpreter is None:
        return None
    named = _INTERPRETER.search(interpreter)
    if named and named["major"] and named["minor"]:
        return int(named["major"]), int(named["minor"])
    extensions = (_EXTENSION.search(path) for path in files)
    return next(((int(match["major"]), int(match["minor"])) for match in extensions if match), None)


def _looks_like_python(target: Target) -> bool:
    """Also where its mappings may not be read: then the reason matters more than the silence."""
    return target.interpreter is not None or bool(target.argv and _INTERPRETER.search("/" + target.argv[0]))


def container_of(cgroups: str) -> str | None:
    """The short id in the text of /proc/PID/cgroup, if it names a container."""
    match = _CONTAINER.search(cgroups)
    return match["id"][:12] if match else None


def _ranks(environ: Mapping[str, str]) -> tuple[int | None, int | None, int | None]:
    for names in _RANKS:
        if names[0] in environ:
            rank, world_size, local_rank = (_number(environ.get(name)) for name in names)
            return rank, world_size, local_rank
    return None, None, None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 10 else None


def _user(uid: int) -> str:
    try:
        return clean(pwd.getpwuid(uid).pw_name)
    except KeyError:
        return str(uid)


def _clean_or_none(path: str | None) -> str | None:
    return None if path is None else clean(path)
