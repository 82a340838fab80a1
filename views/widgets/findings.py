"""What the user should know: the cause, the evidence, the next step."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from acceltop.profiler.text import clean
from acceltop.views.draw.line import Line, Row, Span, clipped
from acceltop.views.draw.table import Column, text_cell
from acceltop.views.facts.notes import Finding, clock, findings
from acceltop.views.widgets.pane import Pane
from acceltop.views.widgets.table_pane import TablePane

WATCHES = ("Note", "DeviceLost", "DeviceFound", "ProcessFound", "ProcessGone")


class FindingsPane(Pane):
    """The worst few, one line each."""

    watches = WATCHES

    number, title = "w", "findings"
    explains = "▲ is wrong or slows the job down, ● is good to know. After → the next step."

    def wanted(self, width: int) -> int:
        """Its lines, heading included: as many with one finding as with more, so that none moves what is there."""
        return 4 if width >= 110 else 3

    def body(self, width: int, height: int) -> Sequence[Line]:
        found = findings(self.scene)
        if not found:
            return self.waiting("nothing to report")
        return [finding_line(finding, width) for finding in found[:height]]


def finding_line(finding: Finding, width: int) -> Line:
    mark, token = finding.mark
    head, colon, rest = clean(finding.text).partition(": ")
    row = Row().put(f" {mark} ", token).put(head + colon.rstrip(), "*text").put(f" {rest}" if rest else "")
    if finding.times > 1:
        row.put(f"  ×{finding.times}", "dim")
    if finding.next_step:
        row.put(f"  → {clean(finding.next_step)}", "dim")
    return Line(clipped(row.line().spans, width))


def finding_lines(finding: Finding, width: int) -> list[Line]:
    """In full, in as many lines as it takes."""
    mark, token = finding.mark
    text = f"{finding.text}  → {finding.next_step}" if finding.next_step else finding.text
    first, *more = wrapped(clean(text), width - 4)
    return [Row().put(f" {mark} ", token).put(first).line(), *(Row().put(f"   {part}").line() for part in more)]


class NotesPane(TablePane[Finding]):
    """All of them, with their time and source; the chosen one in full."""

    watches = WATCHES
    number, title, noun = "w", "findings", "finding"
    explains = FindingsPane.explains

    def items(self) -> Sequence[Finding]:
        wanted = self.scene.filter.lower()
        return [f for f in findings(self.scene) if wanted in f"{f.text} {f.source} {f.next_step}".lower()]

    def identity(self, item: Finding) -> Hashable:
        return (item.text, item.source)

    def name_of(self, item: Finding) -> str:
        return clean(item.text)

    def empty(self) -> str:
        return "nothing to report"

    def columns(self, width: int) -> Sequence[Column[Finding]]:
        order = {finding: at for at, finding in enumerate(findings(self.scene))}
        return [
            Column("level", "", 1, lambda f, w: text_cell(f.mark[0], w, f.mark[1]), lambda f: order[f], False),
            Column("time", "when", 8, lambda f, w: text_cell(clock(f.time_ns), w, "dim"), lambda f: f.time_ns),
            Column(
                "source", "source", 9, lambda f, w: text_cell(f.source, w, "dim"), lambda f: f.source, False, needs=70
            ),
            Column("text", "what", 0, _told, lambda f: f.text, False),
            Column(
                "times",
                "×",
                5,
                lambda f, w: text_cell(str(f.times), w, "dim", ">"),
                lambda f: f.times,
                align=">",
                needs=70,
            ),
        ]

    def footer(self, width: int) -> Sequence[Line]:
        item = self.current
        if item is None:
            return ()
        text = f"{clean(item.text)}  → {clean(item.next_step)}" if item.next_step else clean(item.text)
        return [Row(back="bar").put("  ").put(part).line() for part in wrapped(text, width - 4)]


def _told(finding: Finding, width: int) -> tuple[Span, ...]:
    step = f"  → {clean(finding.next_step)}" if finding.next_step else ""
    return Span(clean(finding.text)), Span(step, "dim")


def wrapped(text: str, width: int, most: int = 4) -> list[str]:
    """Words in lines of `width`, at most `most` of them."""
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return [*lines, line][:most]
