"""Stacks: an icicle of the chosen thread over a table by line."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from acceltop.profiler import numbers
from acceltop.profiler.numbers import pct
from acceltop.profiler.text import clean
from acceltop.views.draw.glyphs import bar
from acceltop.views.draw.icicle import Box, icicle_row
from acceltop.views.draw.line import Line, Span
from acceltop.views.draw.rule import keys
from acceltop.views.draw.table import Column, tail_cell, text_cell
from acceltop.views.facts.awaited import STACKS, awaited
from acceltop.views.facts.stacks import LineFact, Node, Path, StackFacts, split_frame, stack_facts
from acceltop.views.keys import arrows, hidden
from acceltop.views.widgets.pane import Pane
from acceltop.views.widgets.table_pane import TablePane


class IciclePane(Pane):
    """The widest stack is at the left; arrows choose a box, Enter makes it the whole width."""

    watches = ("StackWindow", "ProcessFound")
    number, title = "5", "stacks"
    explains = (
        "Each box is a function, as wide as its share of samples; what it called hangs below. Boxes of one file have "
        "one colour. Time that a thread waited (idle) is left out unless i shows it."
    )
    can_focus = True
    BINDINGS: ClassVar[list[BindingType]] = [
        *arrows("stack", "depth", "caller", "callee", "sibling", "box at the left", "box at the right"),
        Binding("enter", "zoom_in", "zoom in", id="stack.zoom"),
        Binding("escape", "zoom_out", "out", id="stack.out"),
        Binding("less_than_sign", "thread(-1)", "previous thread", id="stack.previous_thread"),
        Binding("greater_than_sign", "thread(1)", "next thread", id="stack.next_thread"),
        Binding("i", "idle", "idle", id="stack.idle"),
        hidden("y", "copy", "copy the name", "stack.copy"),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.idle = False
        self.thread = ""
        self.root: Path = ()
        self.chosen: Path = ()
        self._boxes: list[list[tuple[Box, Path]]] = []

    def facts(self) -> StackFacts | None:
        facts = stack_facts(self.scene, self.idle)
        if facts and self.thread not in facts.threads:
            self.thread = next(iter(facts.threads), "")
            self.root = self.chosen = ()
        return facts

    def hints(self) -> Iterable[Span]:
        facts = self.facts()
        if facts is None:
            return ()
        age = numbers.duration(facts.span_ns)
        rate = f"{facts.rate_hz:g} Hz, last {age}, " if self.size.width >= 100 else ""
        told = f"  {rate}{numbers.count(facts.samples)} samples · "
        idle = "idle shown" if self.idle else "idle hidden"
        return [
            Span(clean(self.thread, 30)),
            Span(" "),
            *keys(("< >", "thread")),
            Span(told, "dim"),
            *keys(("i", idle)),
        ]

    def body(self, width: int, height: int) -> Sequence[Line]:
        facts = self.facts()
        tree = facts.trees.get(self.thread) if facts else None
        if tree is None:
            return self.waiting(awaited(self.scene, STACKS))
        root = tree.at(self.root)
        if root is None:
            self.root, root = (), tree
        self._boxes = self._lay_out(root, width - 2, height - 1)
        coloured = self.scene.palette.coloured
        return [Line(()), *(icicle_row([box for box, _ in row], coloured) for row in self._boxes)]

    def _lay_out(self, root: Node, width: int, depth: int) -> list[list[tuple[Box, Path]]]:
        """Rows of boxes below `root`, which is the first where it isn't the thread itself."""
        rows: list[list[tuple[Box, Path]]] = []
        level = [(root, self.root, 1, width)]
        if not self.root:
            level = self._below(root, (), 1, width)
        while level and len(rows) < depth:
            rows.append([(self._box(node, path, x, cells, root.count), path) for node, path, x, cells in level])
            level = [below for node, path, x, cells in level for below in self._below(node, path, x, cells)]
        return rows

    def _below(self, node: Node, path: Path, x: int, width: int) -> list[tuple[Node, Path, int, int]]:
        placed = []
        for child in node.ranked():
            cells = round(child.count / node.count * width)
            if cells >= 2:
                placed.append((child, (*path, child.frame), x, cells))
                x += cells
        return placed

    def _box(self, node: Node, path: Path, x: int, width: int, total: int) -> Box:
        name, line = split_frame(clean(node.frame))
        return Box(x, width, name, line, node.count / total if total else 0.0, path == self.chosen)

    # --- hands

    def _place(self) -> tuple[int, int]:
        """Row and place within it of the chosen box; (0, 0) where none is."""
        for at, row in enumerate(self._boxes):
            for place, (_, path) in enumerate(row):
                if path == self.chosen:
                    return at, place
        return 0, 0

    def _choose(self, path: Path) -> None:
        self.chosen = path
        self.host.redraw()

    def action_depth(self, rows: int) -> None:
        if not self._boxes:
            return
        at, place = self._place()
        if not self.chosen:
            self._choose(self._boxes[0][0][1])
            return
        if rows < 0 and at > 0:
            self._choose(self.chosen[:-1])
        below = (
            [path for _, path in self._boxes[at + 1] if path[:-1] == self.chosen] if at + 1 < len(self._boxes) else []
        )
        if rows > 0 and below:
            self._choose(below[0])

    def action_sibling(self, places: int) -> None:
        if self._boxes:
            at, place = self._place()
            row = self._boxes[at]
            self._choose(row[min(max(place + places, 0), len(row) - 1)][1])

    def action_zoom_in(self) -> None:
        self.root = self.chosen
        self.host.redraw()

    async def action_zoom_out(self) -> None:
        """One box up; from the top it is the way back, as everywhere."""
        if not self.root:
            await self.host.action_back()
            return
        self.root = self.root[:-1]
        self.host.redraw()

    def action_thread(self, steps: int) -> None:
        facts = self.facts()
        names = list(facts.threads) if facts else []
        if names:
            self.thread = names[(names.index(self.thread) + steps) % len(names)]
            self.root = self.chosen = ()
            self.host.redraw()

    def action_idle(self) -> None:
        self.idle = not self.idle
        self.host.redraw()

    def action_copy(self) -> None:
        if self.chosen:
            self.copy(clean(self.chosen[-1]))

    def clicked(self, x: int, y: int) -> None:
        row = self._boxes[y - 1] if 0 < y <= len(self._boxes) else []
        for box, path in row:
            if box.x <= x < box.x + box.width:
                if path == self.chosen:
                    self.root = path
                self._choose(path)


class LinesPane(TablePane[LineFact]):
    """The same samples by line."""

    watches = IciclePane.watches
    number, title, noun = "", "the same by line", "line"
    explains = (
        "self: samples in the line itself. total: in it or in what it called. GIL: whether it held the interpreter."
    )

    def source(self) -> IciclePane:
        return self.screen.query_one(IciclePane)

    def items(self) -> Sequence[LineFact]:
        pane = self.source()
        facts = pane.facts()
        if facts is None:
            return ()
        lines = self.scene.memo("lines", (facts, pane.thread), lambda: facts.lines(pane.thread))
        wanted = self.scene.filter.lower()
        return [line for line in lines if wanted in line.frame.lower()] if wanted else lines

    def empty(self) -> str:
        return awaited(self.scene, STACKS)

    def identity(self, item: LineFact) -> Hashable:
        return item.frame

    def hints(self) -> Iterable[Span]:
        return [*self.filtering(), Span("  "), *keys(("t", f"by {self.sorting('self')}"))]

    def columns(self, width: int) -> Sequence[Column[LineFact]]:
        return [
            Column("self", "self", 11, lambda f, w: self._part(f.own, w), lambda f: f.own),
            Column("total", "total", 11, lambda f, w: self._part(f.total, w), lambda f: f.total),
            Column("gil", "GIL", 4, self._gil, lambda f: f.gil or 0, needs=70),
            Column("function", "function", min(30, width * 2 // 7), _function, lambda f: f.frame, False),
            Column("line", "line", 0, _line, lambda f: split_frame(f.frame)[1], False),
        ]

    def _part(self, count: int, width: int) -> tuple[Span, ...]:
        facts = self.source().facts()
        total = facts.threads.get(self.source().thread, 0) if facts else 0
        share = count / total if total else None
        return tail_cell(bar(share, 6, "share"), pct(share), width)

    def _gil(self, fact: LineFact, width: int) -> tuple[Span, ...]:
        if fact.gil is None:
            return text_cell(numbers.UNKNOWN, width, "dim")
        held = fact.own > 0 and fact.gil * 2 >= fact.own
        return text_cell("yes" if held else "no", width, "warn" if held else "dim")


def _function(fact: LineFact, width: int) -> tuple[Span, ...]:
    return text_cell(clean(split_frame(fact.frame)[0]), width)


def _line(fact: LineFact, width: int) -> tuple[Span, ...]:
    return text_cell(clean(split_frame(fact.frame)[1]), width, "dim")
