"""One profiled window of torch: kineto events in, rows out.

On a CPU the time of an op is its self time. An op still running when the window closes is seen cut; one that was
running when it opened is not seen at all. Both lose the same time on average, so the cut piece counts twice: shares
are then right also for ops that are long against the window (an op is counted as a call where it began).
"""

from __future__ import annotations

import json
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from acceltop.profiler.agent.steps import Interval

MOST_ROWS = 200
MOST_SLICES = 1000
NAME = 512  # characters of a name; C++ templates go on for pages
CHUNK = 64  # events read between two pauses: the job waits for the interpreter lock no longer than that
PHASE_OF = (("autograd::engine::", "backward"), ("Optimizer.", "optimizer"), ("enumerate(DataLoader)", "data"))
COMMUNICATION = ("nccl", "gloo:", "c10d::", "mpi:", "ucc:")


def nap() -> None:
    """Lets the job have the interpreter between two pieces of our work."""
    time.sleep(0.00005)


class Op(NamedTuple):
    name: str
    start: int
    end: int
    thread: int
    cut: bool
    number: int  # correlation id
    annotation: bool


class Kernel(NamedTuple):
    name: str
    start: int
    duration: int
    device: int
    stream: int
    kind: str
    launched_by: int
    bytes: Optional[int]


class Window:
    """Ops and kernels of one window, times in ns since the epoch."""

    def __init__(self, nap: Callable[[], None] = nap) -> None:
        self._nap = nap
        self.ops: List[Op] = []
        self.kernels: List[Kernel] = []
        self.events = 0
        self.invalid = 0

    def read(self, events: List[Any]) -> None:
        self.events = len(events)
        for number, event in enumerate(events):
            if number % CHUNK == CHUNK - 1:
                self._nap()
            self._add(event)

    def _add(self, event: Any) -> None:
        start, end = event.start_ns(), event.end_ns()
        if start <= 0 or end <= 0 or end < start:
            self.invalid += 1  # some CUDA versions leave the first records of a session unfilled
            return
        kind = _kind(event)
        if kind in ("kernel", "gpu_memcpy", "gpu_memset"):
            self.kernels.append(_kernel(event, kind, start, end))
        elif kind in ("cpu_op", "user_annotation") and str(event.device_type()).endswith("CPU"):
            cut = event.end_thread_id() == 0
            name = event.name()[:NAME]
            thread, number = event.device_resource_id(), event.correlation_id()
            self.ops.append(Op(name, start, end, thread, cut, number, kind != "cpu_op"))


def _kind(event: Any) -> str:
    if hasattr(event, "activity_type"):
        return str(event.activity_type())
    if not str(event.device_type()).endswith("CPU"):  # older torch: the name has to tell
        name = event.name()
        return "gpu_memcpy" if name.startswith("Memcpy") else "gpu_memset" if name.startswith("Memset") else "kernel"
    name = event.name()
    if name.startswith(("cuda", "cu", "hip")) and "::" not in name:
        return "runtime"
    return "user_annotation" if event.scope() == 7 else "cpu_op"


def _kernel(event: Any, kind: str, start: int, end: int) -> Kernel:
    plain = {"gpu_memcpy": "memcpy", "gpu_memset": "memset"}.get(kind, "kernel")
    size = _bytes(event) if plain != "kernel" else None
    device, stream, linked = event.device_index(), event.device_resource_id(), event.linked_correlation_id()
    return Kernel(event.name()[:NAME], start, end - start, device, stream, plain, linked, size)


def _bytes(event: Any) -> Optional[int]:
    try:
        found = json.loads("{" + event.metadata_json().strip().strip("{}").rstrip(",") + "}").get("bytes")
        return int(found) if found is not None else None
    except (AttributeError, TypeError, ValueError):
        return None


class Node:
    """An op on its thread's stack while the window is walked through."""

    __slots__ = ("op", "inside", "root", "parent")

    def __init__(self, op: Op, parent: Optional[Node]) -> None:
        self.op, self.inside, self.parent = op, 0, parent
        # The framework op: the outermost one that is not merely an annotation or an autograd node.
        plain = parent is None or parent.op.annotation or parent.op.name.startswith("autograd::")
        self.root: Node = self if plain else parent.root  # type: ignore[union-attr]

    def phase(self) -> Optional[str]:
        at: Optional[Node] = self
        while at is not None:
            for prefix, phase in PHASE_OF:
                if at.op.name.startswith(prefix):
                    return phase
            at = at.parent
        return None


def walk(ops: List[Op], nap: Callable[[], None] = nap) -> List[Tuple[Node, int]]:
    """Each op with its self time in ns; nesting is by time, thread by thread."""
    done: List[Tuple[Node, int]] = []
    stack: List[Node] = []
    thread = None
    for number, op in enumerate(sorted(ops, key=lambda o: (o.thread, o.start, -o.end))):
        if number % (4 * CHUNK) == 0:
            nap()
        if op.thread != thread:
            _pop(stack, done, None)
            thread = op.thread
        _pop(stack, done, op.start)
        node = Node(op, stack[-1] if stack else None)
        if stack:
            stack[-1].inside += min(op.end, stack[-1].op.end) - op.start
        stack.append(node)
    _pop(stack, done, None)
    return done


def _pop(stack: List[Node], done: List[Tuple[Node, int]], until: Optional[int]) -> None:
    while stack and (until is None or stack[-1].op.end <= until):
        node = stack.pop()
        done.append((node, max(0, node.op.end - node.op.start - node.inside)))


class Row:
    __slots__ = ("fields", "calls", "total", "low", "high", "size")

    def __init__(self, fields: Dict[str, Any]) -> None:
        self.fields = fields
        self.calls = self.total = self.high = self.size = 0
        self.low = -1

    def add(self, ns: int, cut: bool, size: Optional[int] = None) -> None:
        self.calls += 1
        self.total += 2 * ns if cut else ns
        self.size += size or 0
        self.high = max(self.high, ns)
        if not cut and (self.low < 0 or ns < self.low):
            self.low = ns

    def frame(self) -> Dict[str, Any]:
        low = self.high if self.low < 0 else self.low
        row = dict(self.fields, calls=self.calls, total_ns=self.total, min_ns=low, max_ns=self.high)
        if self.size:
            row["bytes"] = self.size
        return row


class Places:
    """The user's line behind an op, from a few looks at the training thread within a window; kept for later windows."""

    def __init__(self) -> None:
        self._seen: Dict[Any, Dict[str, int]] = {}

    def note(self, key: Any, place: str) -> None:
        if len(self._seen) < 4000:
            counts = self._seen.setdefault(key, {})
            if len(counts) < 16 or place in counts:
                counts[place] = counts.get(place, 0) + 1

    def best(self, key: Any) -> Optional[str]:
        counts = self._seen.get(key)
        return max(counts, key=lambda place: counts[place]) if counts else None


def op_rows(walked: List[Tuple[Node, int]], places: Places, looks: List[Tuple[int, int, str]]) -> List[Dict[str, Any]]:
    """Rows of CPU ops by name, framework op and phase. `looks`: (time_ns, native thread, place)."""
    rows: Dict[Any, Row] = {}
    for number, (node, ns) in enumerate(walked):
        if number % (2 * CHUNK) == 0:
            nap()
        if node.op.annotation and not node.op.name.startswith(COMMUNICATION):
            continue
        key = (node.op.name, node.root.op.name, node.phase())
        for at, thread, place in looks:
            if thread == node.op.thread and node.op.start <= at < node.op.end:
                places.note(key, place)
        if key not in rows:
            rows[key] = Row(_op_fields(key, node))
        rows[key].add(ns, node.op.cut)
    for key, row in rows.items():
        found = places.best(key)
        if found:
            row.fields["location"] = found
    return _most(rows)


def _op_fields(key: Any, node: Node) -> Dict[str, Any]:
    name, root, phase = key
    fields: Dict[str, Any] = {"name": name, "kind": "op"}
    if root != name:
        fields["op"] = root
    elif node.parent is not None and node.parent.op.name.startswith("autograd::"):
        fields["op"] = node.parent.op.name.rsplit(": ", 1)[-1]
    if phase:
        fields["phase"] = phase
    return fields


def kernel_rows(window: Window, walked: List[Tuple[Node, int]], device_id: Any, places: Places) -> List[Dict[str, Any]]:
    """Rows of kernels and copies by name, device, stream and the op that launched them."""
    by_number = {node.op.number: node for node, _ in walked}
    rows: Dict[Any, Row] = {}
    for kernel in window.kernels:
        node = by_number.get(kernel.launched_by)
        op = node.root.op.name if node else None
        key = (kernel.name, kernel.device, kernel.stream, op)
        if key not in rows:
            phase = node.phase() if node else None
            fields: Dict[str, Any] = {"name": kernel.name, "kind": kernel.kind, "device": device_id(kernel.device)}
            fields.update({"stream": kernel.stream, "op": op, "phase": phase})
            if node:
                fields["location"] = places.best((node.op.name, node.root.op.name, phase))
            rows[key] = Row({k: v for k, v in fields.items() if v is not None})
        rows[key].add(kernel.duration, False, kernel.bytes)
    return _most(rows)


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


def busy(walked: List[Tuple[Node, int]], thread: Optional[int], bridge_ns: int = 500_000) -> List[Interval]:
    """When that thread was inside ops; gaps shorter than `bridge_ns` are Python between two ops, and count."""
    spans = sorted(
        (node.op.start, node.op.end) for node, _ in walked if node.parent is None and node.op.thread == thread
    )
    joined: List[Interval] = []
    for start, end in spans:
        if joined and start - joined[-1][1] <= bridge_ns:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def slices(window: Window, t0: int, thread_name: Any) -> Optional[Dict[str, Any]]:
    """The longest single calls as columns (see `model.Slices`), in the order of their start."""
    if window.kernels:
        calls = [(k.start, k.duration, k.name, "stream " + str(k.stream)) for k in window.kernels]
    else:
        calls = [(o.start, o.end - o.start, o.name, thread_name(o.thread)) for o in window.ops]
    if not calls:
        return None
    calls = sorted(sorted(calls, key=lambda c: -c[1])[:MOST_SLICES])
    names = {name: number for number, name in enumerate(sorted({c[2] for c in calls}))}
    lanes = {lane: number for number, lane in enumerate(sorted({c[3] for c in calls}))}
    return {
        "names": list(names),
        "lanes": list(lanes),
        "name": [names[c[2]] for c in calls],
        "lane": [lanes[c[3]] for c in calls],
        "start_ns": [c[0] - t0 for c in calls],
        "duration_ns": [c[1] for c in calls],
    }
