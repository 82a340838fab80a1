"""What the calls of one profiled window of torch add up to: rows of ops and kernels.

On a CPU the time of an op is its self time. An op still running when the window closes is seen cut; one that was
running when it opened is not seen at all. Both lose the same time on average, so the cut piece counts twice: shares
are then right also for ops that are long against the window (an op is counted as a call where it began).
"""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from heapq import nlargest
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple

from acceltop.profiler.agent.steps import BACKWARD, COMMUNICATION, DATA, OPTIMIZER, Interval, Span
from acceltop.profiler.agent.torch_events import CHUNK, Kernel, Op, Window, launch

MOST_ROWS = 200
MOST_KEYS = 4000  # of which the lines are kept
MOST_SLICES = 1000
COLLECTIVES = ("nccl", "gloo:", "c10d::", "mpi:", "ucc:")
PHASE_OF = (
    ("autograd::engine::", BACKWARD),
    ("Optimizer.", OPTIMIZER),
    ("enumerate(DataLoader)", DATA),
    *((prefix, COMMUNICATION) for prefix in COLLECTIVES),
)

Look = Tuple[int, int, str]
"""Time in ns, native thread, the Python line at which it stood."""
Call = Tuple[int, int, int, str]
"""Begin and end in ns, native thread, the Python line from which it was called."""
Key = Tuple[str, str, Optional[str]]
"""What calls of ops are added up by: name, framework op, phase."""


class Phases:
    """What the thread that trains was at in those `spans`, which are in the order of time and don't overlap."""

    def __init__(self, thread: Optional[int], spans: Iterable[Span]) -> None:
        self._thread, self._spans = thread, list(spans)
        self._begins = [span[0] for span in self._spans]

    def of(self, op: Op) -> Optional[str]:
        """Of the whole op: what goes on beyond a span, as an annotation of the step does, is of no one phase."""
        span = self._at(op[0], op[1])
        return span[2] if span and -op[2] <= span[1] else None

    def calls(self, begun: Iterable[Look]) -> List[Call]:
        """Those of backward of which the end is known, too."""
        spans = ((self._at(thread, at), thread, place) for at, thread, place in begun)
        return [(span[0], span[1], thread, place) for span, thread, place in spans if span and span[2] == BACKWARD]

    def _at(self, thread: int, ns: int) -> Optional[Span]:
        number = bisect_right(self._begins, ns) - 1
        known = thread == self._thread and number >= 0 and ns < self._spans[number][1]
        return self._spans[number] if known else None


class Node:
    """An op on its thread's stack while the window is walked through. Points at nothing that points back: it is gone
    as soon as it was looked at, and never work for the garbage collector."""

    __slots__ = ("thread", "start", "end", "cut", "number", "annotation", "parent", "inside", "key", "root")
    key: Key
    root: Optional[str]  # the framework op of what is in it

    def __init__(self, op: Op, parent: Optional[Node], phases: Phases) -> None:
        self.thread, self.start, negative_end, name, self.cut, self.number, self.annotation = op
        end = -negative_end
        self.end, self.parent, self.inside = end, parent, 0
        root = phase = None
        if parent is not None:
            parent.inside += (end if end < parent.end else parent.end) - self.start
            root, phase = parent.root, parent.key[2]
        self.key, self.root = _place(name, self.annotation, root, phase or phases.of(op))


@lru_cache(maxsize=4096)
def _place(name: str, annotation: bool, root: Optional[str], phase: Optional[str]) -> Tuple[Key, Optional[str]]:
    """Of an op in a framework op and a phase, if any: what it is added up by, and the framework op of what is in it.

    That is the outermost one that is not merely an annotation or an autograd node.
    """
    own = next((phase for prefix, phase in PHASE_OF if name.startswith(prefix)), phase)
    inner = None if annotation or name.startswith("autograd::") else root or name
    return (name, root or name, own), inner


def walk(ops: Iterable[Op], phases: Phases, rest: Callable[[], None]) -> Iterator[Node]:
    """Each op once all inside of it is known; nesting is by time, thread by thread. `ops` in their sorted order."""
    stack: List[Node] = []
    for number, op in enumerate(ops):
        if number % CHUNK == 0:
            rest()
        while stack and (stack[-1].end <= op[1] or stack[-1].thread != op[0]):
            yield stack.pop()
        stack.append(Node(op, stack[-1] if stack else None, phases))
    while stack:
        yield stack.pop()


class Row:
    __slots__ = ("fields", "calls", "total", "low", "high", "size")

    def __init__(self, fields: Dict[str, Any]) -> None:
        self.fields = fields
        self.calls = self.total = self.high = self.size = 0
        self.low = -1

    def add(self, ns: int, cut: bool, size: Optional[int] = None) -> None:
        self.calls += 1
        self.total += 2 * ns if cut else ns
        if size:
            self.size += size
        if ns > self.high:
            self.high = ns
        if not cut and (self.low < 0 or ns < self.low):
            self.low = ns

    def frame(self) -> Dict[str, Any]:
        low = self.high if self.low < 0 else self.low
        row = dict(self.fields, calls=self.calls, total_ns=self.total, min_ns=low, max_ns=self.high)
        if self.size:
            row["bytes"] = self.size
        return row


class Places:
    """The user's line behind an op, from a few looks at the training thread within a window, or from where the backward
    was called that it is in; kept for later windows."""

    def __init__(self) -> None:
        self._seen: Dict[Key, Dict[str, int]] = {}
        self._called: Dict[Key, Optional[str]] = {}

    def note(self, key: Key, place: str) -> None:
        if len(self._seen) < MOST_KEYS:
            counts = self._seen.setdefault(key, {})
            if len(counts) < 16 or place in counts:
                counts[place] = counts.get(place, 0) + 1

    def note_call(self, key: Key, place: str) -> None:
        if len(self._called) < MOST_KEYS and self._called.setdefault(key, place) != place:
            self._called[key] = None  # nothing tells from which of the two

    def best(self, key: Key) -> Optional[str]:
        counts = self._seen.get(key)
        return max(counts, key=lambda place: counts[place]) if counts else self._called.get(key)


class OpRows:
    """Rows of CPU ops. `launchers`, if asked for: the key of each op by its correlation id."""

    def __init__(
        self, places: Places, looks: List[Look], calls: List[Call], launchers: Optional[Dict[int, Key]] = None
    ) -> None:
        self._places, self._looks, self._calls, self._launchers = places, looks, calls, launchers
        self._rows: Dict[Key, Row] = {}

    def add(self, node: Node) -> None:
        key = node.key
        if self._launchers is not None:
            self._launchers[node.number] = key
        if node.annotation and not key[0].startswith(COLLECTIVES):
            return
        for at, thread, place in self._looks:
            if node.start <= at < node.end and thread == node.thread:
                self._places.note(key, place)
        for begin, end, thread, place in self._calls:
            if begin <= node.start and node.end <= end and thread == node.thread:
                self._places.note_call(key, place)
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = Row(_op_fields(key, node.parent))
        row.add(max(0, node.end - node.start - node.inside), node.cut)

    def frames(self) -> List[Dict[str, Any]]:
        for key, row in self._rows.items():
            found = self._places.best(key)
            if found:
                row.fields["location"] = found
        return _most(self._rows)


def _op_fields(key: Key, parent: Optional[Node]) -> Dict[str, Any]:
    name, root, phase = key
    fields: Dict[str, Any] = {"name": name, "kind": "op"}
    if root != name:
        fields["op"] = root
    elif parent is not None and parent.key[0].startswith("autograd::"):
        fields["op"] = parent.key[0].rsplit(": ", 1)[-1]
    if phase:
        fields["phase"] = phase
    return fields


def kernel_rows(
    window: Window, launchers: Dict[int, Key], device_id: Callable[[int], str], places: Places
) -> List[Dict[str, Any]]:
    """Rows of kernels and copies by name, device, stream and the op that launched them, and in which phase."""
    rows: Dict[Any, Row] = {}
    for kernel in window.kernels:
        key = _row_key(kernel, launchers)
        if key not in rows:
            name, kind, device, stream, launched_by = kernel[2:7]
            fields = {"name": name, "kind": kind, "device": device_id(device), "stream": stream}
            rows[key] = Row(dict(fields, **_launch_fields(launchers.get(launched_by), places)))
        rows[key].add(kernel[1], False, kernel[7])
    for _, place, metadata in window.longest.values():
        found = launch(metadata)
        if found:
            rows[_row_key(window.kernels[place], launchers)].fields["launch"] = found
    return _most(rows)


def _row_key(kernel: Kernel, launchers: Dict[int, Key]) -> Tuple[Any, ...]:
    by = launchers.get(kernel[6])
    return kernel[2], kernel[4], kernel[5], by and by[1:]


def _launch_fields(by: Optional[Key], places: Places) -> Dict[str, Any]:
    if by is None:
        return {}
    _, root, phase = by
    fields = {"op": root, "phase": phase, "location": places.best(by)}
    return {name: value for name, value in fields.items() if value is not None}


def _most(rows: Dict[Any, Row]) -> List[Dict[str, Any]]:
    """The rows that take most time; the rest as one row, so that the sum stays true."""
    ordered = sorted(rows.values(), key=lambda row: -row.total)
    rest = ordered[MOST_ROWS:]
    if rest:
        other = Row({"name": "(other)", "kind": rest[0].fields["kind"]})
        for row in rest:
            other.calls, other.total = other.calls + row.calls, other.total + row.total
            other.high = max(other.high, row.high)
        ordered = ordered[:MOST_ROWS] + [other]
    return [row.frame() for row in ordered if row.total or row.fields["kind"] != "op"]


def busy(ops: Iterable[Op], thread: Optional[int], bridge_ns: int = 500_000) -> List[Interval]:
    """When that thread was inside ops; gaps shorter than `bridge_ns` are Python between two ops, and count. `ops` in
    their sorted order."""
    joined: List[Interval] = []
    for op in ops:
        start, end = op[1], -op[2]
        if op[0] != thread or (joined and end <= joined[-1][1]):
            continue
        if joined and start - joined[-1][1] <= bridge_ns:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def slices(window: Window, t0: int, thread_name: Callable[[int], str]) -> Optional[Dict[str, Any]]:
    """The longest single calls as columns (see `model.Slices`), in the order of their start."""
    calls: Iterable[Tuple[int, int, str, Any]]
    if window.kernels:
        calls = ((k[1], k[0], k[2], k[4:6]) for k in window.kernels)
    else:
        calls = ((-op[2] - op[1], op[1], op[3], op[0]) for op in window.ops)
    longest = sorted(nlargest(MOST_SLICES, calls), key=lambda call: call[1])
    if not longest:
        return None
    names = _numbered(call[2] for call in longest)
    lanes = _numbered(call[3] for call in longest)
    return {
        "names": list(names),
        "lanes": _stream_names(list(lanes)) if window.kernels else [thread_name(lane) for lane in lanes],
        "name": [names[call[2]] for call in longest],
        "lane": [lanes[call[3]] for call in longest],
        "start_ns": [call[1] - t0 for call in longest],
        "duration_ns": [call[0] for call in longest],
    }


def _stream_names(lanes: List[Tuple[int, int]]) -> List[str]:
    """With the number of the device where there are several."""
    several = len({device for device, _ in lanes}) > 1
    return [("GPU %d, " % device if several else "") + "stream %d" % stream for device, stream in lanes]


def _numbered(values: Iterable[Any]) -> Dict[Any, int]:
    return {value: number for number, value in enumerate(sorted(set(values)))}
