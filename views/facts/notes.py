"""What the user should know now: notes, lost devices and ended processes, the worst first, each once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from acceltop.profiler.clock import NS_PER_S
from acceltop.profiler.model import DeviceFound, Note, ProcessGone
from acceltop.profiler.remote.hosts import own_pid
from acceltop.views.scene import Scene

_RANK = {"error": 0, "warning": 1, "info": 2}
_TAKES_BACK = {"source.back": "source.late", "agent.attached": "agent.detached"}
_MARKS = {"error": ("▲", "bad"), "warning": ("▲", "warn"), "info": ("●", "good")}


@dataclass(frozen=True)
class Finding:
    level: str
    time_ns: int
    text: str
    next_step: str = ""
    source: str = ""
    times: int = 1

    @property
    def mark(self) -> tuple[str, str]:
        return _MARKS.get(self.level, _MARKS["info"])


def findings(scene: Scene) -> list[Finding]:
    key = scene.seen("Note", "DeviceLost", "DeviceFound", "ProcessGone", "ProcessFound")
    return scene.memo("findings", key, lambda: _collect(scene))


def _collect(scene: Scene) -> list[Finding]:
    at = scene.head.at_ns
    found = [*_lost(scene, at), *_gone(scene, at), *_noted(scene.timeline.notes(None, at))]
    return sorted(found, key=lambda finding: (_RANK.get(finding.level, 2), -finding.time_ns))


def _noted(notes: list[Note]) -> list[Finding]:
    """The last note of each kind and subject, unless another one took it back.

    Of several processes each is named.
    """
    last: dict[tuple[object, ...], Note] = {}
    times: dict[tuple[object, ...], int] = {}
    for note in notes:
        last.pop((_TAKES_BACK.get(note.code), note.source, note.device, note.pid, None), None)
        if note.code == "source.back":
            continue
        key = (note.code, note.source, note.device, note.pid, note.text if note.code == "" else None)
        last[key] = note
        times[key] = times.get(key, 0) + 1
    several = len({note.pid for note in last.values()} - {None}) > 1
    return [
        Finding(note.level, note.time_ns, _named(note, several), note.next_step, note.source or "", times[key])
        for key, note in last.items()
    ]


def _named(note: Note, several: bool) -> str:
    """With the process that it is about, where there are others and it doesn't say."""
    pid = "" if note.pid is None else str(own_pid(note.pid))
    return f"{note.text} (process {pid})" if several and pid and pid not in note.text else note.text


def _lost(scene: Scene, at: int) -> list[Finding]:
    return [
        Finding(
            "error",
            state.lost.time_ns,
            f"{device_name(state.found)} is lost since {clock(state.lost.time_ns)}: {state.lost.reason}",
        )
        for state in scene.timeline.devices.values()
        if state.lost is not None and state.lost.time_ns <= at
    ]


def device_name(found: DeviceFound) -> str:
    """Of several alike one must know which, and of several hosts whose."""
    name = found.name if found.index is None else f"{found.kind.upper()} {found.index}"
    host = found.attributes.get("host")
    return f"{name} of {host}" if host else name


def _gone(scene: Scene, at: int) -> list[Finding]:
    """Of those that were watched: others come and go all the time."""
    watched = {note.pid for note in scene.timeline.notes() if note.source == "agent"}
    ended = [state.gone for state in scene.timeline.processes.values() if state.gone is not None]
    return [_ended(one) for one in ended if one.time_ns <= at and (one.pid in watched or one.exit_code is not None)]


def _ended(gone: ProcessGone) -> Finding:
    level = "info" if gone.exit_code in (0, None) else "error"
    reason = f" ({gone.reason})" if gone.reason else ""
    text = f"process {own_pid(gone.pid)} {exit_words(gone)}{reason}"
    return Finding(level, gone.time_ns, text, source="process")


def exit_words(gone: ProcessGone) -> str:
    """`exited at 12:03:44, code 1`."""
    words = f"exited at {clock(gone.time_ns)}"
    if gone.exit_code is not None:
        words += f", signal {-gone.exit_code}" if gone.exit_code < 0 else f", code {gone.exit_code}"
    return words


@lru_cache(maxsize=1024)  # each second the same is told of what has ended
def clock(time_ns: int) -> str:
    """Time of day on the clock of this machine."""
    return datetime.fromtimestamp(time_ns / NS_PER_S).strftime("%H:%M:%S")
