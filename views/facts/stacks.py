"""Sampled Python stacks of the process shown: as a tree for the icicle, and summed by line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from acceltop.profiler.model import StackWindow
from acceltop.views.scene import Scene

Path = tuple[str, ...]


@dataclass
class Node:
    """A function on a stack; `count` samples were in it or below it."""

    frame: str
    count: int = 0
    children: dict[str, Node] = field(default_factory=dict)

    def add(self, frames: list[str], count: int) -> None:
        node = self
        node.count += count
        for frame in frames:
            node = node.children.setdefault(frame, Node(frame))
            node.count += count

    def at(self, path: Path) -> Node | None:
        """The node at the end of `path`, None where no sample went there."""
        node: Node | None = self
        for frame in path:
            node = node.children.get(frame) if node else None
        return node

    def ranked(self) -> list[Node]:
        return sorted(self.children.values(), key=lambda node: -node.count)


@dataclass(frozen=True)
class LineFact:
    """A line of code: samples in itself, samples in it or below, and how many of its own held the GIL."""

    frame: str
    own: int
    total: int
    gil: int | None


@dataclass(frozen=True)
class StackFacts:
    """`threads` by samples; `idle` says whether idle samples are in it."""

    threads: dict[str, int]
    samples: int
    rate_hz: float
    span_ns: int
    source: str
    idle: bool
    trees: dict[str, Node]
    gil: Mapping[str, Counter[str]]

    def lines(self, thread: str) -> list[LineFact]:
        """Most own samples first."""
        own: Counter[str] = Counter()
        total: Counter[str] = Counter()
        tree = self.trees.get(thread)
        for path, node in _walk(tree) if tree else ():
            own[node.frame] += node.count - sum(child.count for child in node.children.values())
            if node.frame not in path:  # recursion counts once
                total[node.frame] += node.count
        gil = self.gil.get(thread)
        facts = [LineFact(frame, own[frame], total[frame], gil[frame] if gil else None) for frame in total]
        return sorted(facts, key=lambda fact: (-fact.own, -fact.total))


def _walk(root: Node) -> Iterator[tuple[Path, Node]]:
    open_nodes: list[tuple[Path, Node]] = [((), child) for child in root.children.values()]
    while open_nodes:
        path, node = open_nodes.pop()
        yield path, node
        open_nodes += [((*path, node.frame), child) for child in node.children.values()]


def stack_facts(scene: Scene, idle: bool) -> StackFacts | None:
    """Over the range shown; None while nothing was sampled in it."""
    pid = scene.focus_pid
    if pid is None:
        return None
    key = pid, scene.seen("StackWindow")
    windows = scene.memo("stack windows", key, lambda: scene.timeline.stacks(pid, *scene.head.range_ns()))
    return scene.memo("stacks", (key, idle), lambda: _facts(windows, idle)) if windows else None


def _facts(windows: Sequence[StackWindow], idle: bool) -> StackFacts:
    trees: dict[str, Node] = {}
    gil: dict[str, Counter[str]] = {}
    for window in windows:
        _grow(trees, window.stacks)
        if idle:
            _grow(trees, window.idle)
        for stack, count in window.gil.items():
            frames = stack.split(";")
            gil.setdefault(frames[0], Counter())[frames[-1]] += count
    threads = {name: tree.count for name, tree in sorted(trees.items(), key=lambda item: -item[1].count)}
    last = windows[-1]
    return StackFacts(
        threads,
        sum(window.samples for window in windows),
        last.rate_hz,
        last.t1_ns - windows[0].t0_ns,
        last.source,
        idle,
        trees,
        gil,
    )


def _grow(trees: dict[str, Node], stacks: Mapping[str, int]) -> None:
    for stack, count in stacks.items():
        thread, _, rest = stack.partition(";")
        trees.setdefault(thread, Node(thread)).add(rest.split(";") if rest else [], count)


def split_frame(frame: str) -> tuple[str, str]:
    """`attn (gpt.py:84)` → function and line."""
    name, _, line = frame.rpartition(" (")
    return (name, line.rstrip(")")) if name else (frame, "")
