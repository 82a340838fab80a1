"""What could not be read of a trace, each thing once, as Notes."""

from __future__ import annotations

from dataclasses import replace

from acceltop.profiler.model import Note
from acceltop.profiler.text import clean

MAX_PROBLEMS = 100


class Problems:
    """`notes` is bounded; the last one then says that there are more."""

    def __init__(self) -> None:
        self.notes: list[Note] = []
        self._seen: set[str] = set()

    def add(self, code: str, text: str, next_step: str = "", time_ns: int = 0) -> None:
        """`time_ns`: where in the trace."""
        if text in self._seen or len(self.notes) > MAX_PROBLEMS:
            return
        if len(self.notes) == MAX_PROBLEMS:
            code, text, next_step = "trace.damaged", "more is damaged than is listed here", ""
        self._seen.add(text)
        self.notes.append(Note(time_ns, "warning", code, clean(text), next_step, source="trace"))


def within(problem: Note, t0_ns: int, t1_ns: int) -> Note:
    """At its moment in the trace; at the end where it has none, or one that only a damaged index tells."""
    return problem if t0_ns <= problem.time_ns <= t1_ns else replace(problem, time_ns=t1_ns)
