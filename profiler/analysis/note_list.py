"""Notes of a whole run: the same one said again is counted, not repeated."""

from __future__ import annotations

from dataclasses import dataclass

from acceltop.profiler.model import Note

MOST = 200  # distinct notes
LEVELS = ("error", "warning", "info")


@dataclass(slots=True)
class Said:
    """The last wording, and how often and from when on it was said."""

    note: Note
    count: int
    first_ns: int


class NoteList:
    """Distinct by what it is about: its code, source, device and process."""

    def __init__(self) -> None:
        self._said: dict[tuple[object, ...], Said] = {}
        self.left_out = 0

    def add(self, note: Note) -> None:
        key = (note.code, note.level, note.source, note.device, note.pid)
        said = self._said.get(key)
        if said is not None:
            said.note = note
            said.count += 1
        elif len(self._said) < MOST:
            self._said[key] = Said(note, 1, note.time_ns)
        else:
            self.left_out += 1

    def by_weight(self) -> list[Said]:
        """Errors first, then warnings, then facts; each in the order of their first appearance."""
        ranks = {level: rank for rank, level in enumerate(LEVELS)}
        return sorted(self._said.values(), key=lambda said: ranks.get(said.note.level, len(LEVELS)))
