"""What a pane without data says of a process: what it waits for and since when, or why that will not come."""

from __future__ import annotations

from dataclasses import dataclass

from acceltop.profiler.clock import NS_PER_S
from acceltop.profiler.model import Note
from acceltop.views.facts.notes import exit_words
from acceltop.views.scene import Scene

_ENTERING = ("agent.attached", "agent.not_attached", "source.unavailable")
_NOT_ENTERED = ("agent.not_attached", "agent.no_framework", "agent.probe_failed", "agent.gone", "agent.full")


@dataclass(frozen=True)
class Awaited:
    """Its `name`, the kind of frames that bring it, their source, and the notes after which none are to come."""

    name: str
    kind: str
    source: str
    denied: tuple[str, ...]

    def is_denied_by(self, note: Note, pid: int) -> bool:
        if note.code == "source.unavailable":
            return note.source == self.source
        return note.code in self.denied and note.pid == pid


KERNELS = Awaited("kernels", "KernelWindow", "agent", (*_NOT_ENTERED, "torch.no_windows"))
CALLS = Awaited("single calls", "KernelWindow", "agent", KERNELS.denied)
STEPS = Awaited("steps", "Steps", "agent", (*_NOT_ENTERED, "torch.no_steps"))
STACKS = Awaited("stacks", "StackWindow", "stacks", ("stacks.failed",))


def awaited(scene: Scene, what: Awaited) -> str:
    process = scene.process
    if scene.link.recorded or scene.timeline.versions[what.kind]:
        return f"no {what.name} in this range"
    if process is None or (since_ns := watched_since(scene, process.found.pid)) is None:
        return f"no {what.name} yet: they come with a process that is attached (press a)"
    notes = scene.timeline.notes(None, scene.head.at_ns)
    denied = next((note for note in reversed(notes) if what.is_denied_by(note, process.found.pid)), None)
    if denied is not None:
        return f"no {what.name}: {denied.text}"
    if process.gone is not None:
        return f"no {what.name}: the process {exit_words(process.gone)}"
    return f"waiting for the first {what.name}, {(scene.now_ns - since_ns) // NS_PER_S} s so far"


def is_watched(scene: Scene, pid: int) -> bool:
    """Whether more comes of it than is seen of every process of the machine."""
    return scene.link.recorded or watched_since(scene, pid) is not None


def watched_since(scene: Scene, pid: int) -> int | None:
    """When the agent first said something of it, if only that it stays outside; None: nobody asked, or it was left."""
    key = (id(scene.timeline), *(scene.timeline.versions[kind] for kind in ("Note", "Cost")))
    known: dict[int, int | None] = scene.memo("watched", key, dict)
    if pid not in known:
        known[pid] = _watched_since(scene, pid)
    return known[pid]


def _watched_since(scene: Scene, pid: int) -> int | None:
    cost = scene.timeline.cost(pid)
    since = None if cost is None else cost.time_ns
    for note in scene.timeline.notes():
        if note.source != "agent" or note.pid not in (pid, None):
            continue
        if note.code == "agent.detached":
            since = None
        elif note.code in _ENTERING:  # whatever else it says may be late, of a process that was left since
            since = since or note.time_ns
    return since
