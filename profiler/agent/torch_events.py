"""Reads the events of one profiled window of torch into plain tuples, in pieces.

Nothing that is kept is an object that the garbage collector follows (it soon lets go of plain tuples of numbers and
strings). Thousands of followed objects a window make it look through the whole heap of the job again and again, which
stops a training process for half a second each time.
"""

from __future__ import annotations

import json
import re
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

NAME = 512  # characters of a name; C++ templates go on for pages
CHUNK = 256  # events between two pauses: under 1 ms for which the job waits; after each the caches are cold
REST = 4  # pause by time worked
LONGEST_REST_S = 0.02
_USER_SCOPE = 7  # torch.profiler.record_function
_OPS = ("cpu_op", "user_annotation")
_UNSURE = "kernel or gpu_user_annotation"
_LAUNCH = re.compile(r"Launch(Cooperative)?Kernel|GraphLaunch")  # CUDA and HIP, runtime and driver

Op = Tuple[int, int, int, str, bool, int, bool]
"""Thread, start, minus end (so that sorting puts the outer of two first), name, cut?, correlation id, annotation?"""
Kernel = Tuple[int, int, str, str, int, int, int, Optional[int], int]
"""Start, duration, name, kind, device, stream, correlation id of the op that launched it, bytes, launch's number."""


class Pace:
    """Called between two pieces of our work: the job then has the interpreter for itself, for REST times as long."""

    def __init__(self) -> None:
        self._worked = time.thread_time()

    def __call__(self) -> None:
        time.sleep(min(LONGEST_REST_S, REST * (time.thread_time() - self._worked)))
        self._worked = time.thread_time()


class Window:
    """Ops (in the order in which they nest) and kernels of one window, times in ns since the epoch."""

    def __init__(self, rest: Callable[[], None]) -> None:
        self._rest = rest
        self.ops: List[Op] = []
        self.kernels: List[Kernel] = []
        self.launches: Dict[int, int] = {}  # number → when the call was over; a graph's kernels have one number
        self.longest: Dict[str, Tuple[int, int, str]] = {}  # of each name the call: ns, its place in kernels, metadata
        self.events = 0
        self.invalid = 0
        self._unsure: List[Tuple[Any, int, int]] = []

    def read(self, events: List[Any]) -> None:
        self.events = len(events)
        for first in range(0, len(events), CHUNK):
            self._rest()
            self._add(events[first : first + CHUNK])
        self.ops.sort()
        self._settle()

    def _add(self, events: List[Any]) -> None:
        """Column by column: asking each for each of its fields costs more than the answers do."""
        columns = (map(ask, events) for ask in _questions(type(events[0])))
        for event, kind, start, end, name, place, number, closer in zip(events, *columns):  # noqa: B905 (Python 3.7)
            if not 0 < start <= end:
                self.invalid += 1  # some CUDA versions leave the first records of a session unfilled
            elif kind in _OPS:
                self.ops.append((place, start, -end, name[:NAME], closer == 0, number, kind != "cpu_op"))
            else:
                self._add_other(event, kind, start, end)

    def _add_other(self, event: Any, kind: str, start: int, end: int) -> None:
        if kind in ("kernel", "gpu_memcpy", "gpu_memset"):
            self._add_kernel(_kernel(event, kind, start, end), event)
        elif kind == _UNSURE:
            self._unsure.append((event, start, end))
        elif kind in ("cuda_runtime", "cuda_driver") and _LAUNCH.search(event.name()):
            self.launches[event.correlation_id()] = end

    def _settle(self) -> None:
        """An annotation spans the kernels launched in it on the device too, under the name that it has on the CPU."""
        annotations = {op[3] for op in self.ops if op[6]} if self._unsure else set()
        for event, start, end in self._unsure:
            if event.name()[:NAME] not in annotations:
                self._add_kernel(_kernel(event, "kernel", start, end), event)
        self._unsure.clear()

    def _add_kernel(self, kernel: Kernel, event: Any) -> None:
        _, duration, name, kind = kernel[:4]
        known = self.longest.get(name)
        if kind == "kernel" and (known is None or duration > known[0]):
            self.longest[name] = duration, len(self.kernels), _metadata(event)
        self.kernels.append(kernel)


def _questions(of: Any) -> Tuple[Callable[[Any], Any], ...]:
    """What every event is asked for: kind, start, end, name, thread or stream, correlation id, thread that ended it."""
    times = (of.start_ns, of.end_ns) if getattr(of, "end_ns", None) is not None else (_old_start, _old_end)
    kind = getattr(of, "activity_type", None) or _kind_by_name
    return (kind, *times, of.name, of.device_resource_id, of.correlation_id, of.end_thread_id)


def _old_start(event: Any) -> int:
    """For torch before 2.4."""
    return int(event.start_us()) * 1000


def _old_end(event: Any) -> int:
    return int(event.start_us() + event.duration_us()) * 1000


def _kind_by_name(event: Any) -> str:
    """For torch before 2.13."""
    name = event.name()
    if not str(event.device_type()).endswith("CPU"):
        return _device_kind(event, name)
    if event.scope() == _USER_SCOPE:
        return "user_annotation"
    if event.device_index() < 0:
        return "overhead"  # the profiler's own
    return "cuda_runtime" if name.startswith(("cu", "hip")) and "::" not in name else "cpu_op"


def _device_kind(event: Any, name: str) -> str:
    if name.startswith(("Memcpy", "Memset")):
        return "gpu_" + name[:6].lower()
    told = getattr(event, "is_user_annotation", None)
    if told is not None:
        return "gpu_user_annotation" if told() else "kernel"
    return "kernel" if event.linked_correlation_id() else _UNSURE  # torch 2.4: nothing but an op that launched it tells


def _kernel(event: Any, kind: str, start: int, end: int) -> Kernel:
    plain = {"gpu_memcpy": "memcpy", "gpu_memset": "memset"}.get(kind, "kernel")
    size = _bytes(event) if plain != "kernel" else None
    device, stream, linked = event.device_index(), event.device_resource_id(), event.linked_correlation_id()
    return (start, end - start, event.name()[:NAME], plain, device, stream, linked, size, event.correlation_id())


def _bytes(event: Any) -> Optional[int]:
    return _whole(_told(_metadata(event)).get("bytes"))


def _metadata(event: Any) -> str:
    """What kineto knows of a kernel or a copy beyond its times; nothing where this torch keeps it for itself."""
    told = getattr(event, "metadata_json", None)
    return str(told()) if told is not None else ""


def _told(metadata: str) -> Dict[str, Any]:
    try:
        found: Dict[str, Any] = json.loads("{" + metadata.strip().strip("{}").rstrip(",") + "}")
        return found
    except ValueError:
        return {}


def launch(metadata: str) -> Dict[str, Any]:
    """`model.Launch` of a kernel; what isn't told is absent."""
    told = _told(metadata)
    share = _whole(told.get("est. achieved occupancy %"))  # below 0 where CUDA could not tell
    found = {
        "grid": _sizes(told.get("grid")),
        "block": _sizes(told.get("block")),
        "registers_per_thread": _whole(told.get("registers per thread")),
        "shared_memory_bytes": _whole(told.get("shared memory")),
        "occupancy": share / 100 if share is not None and share >= 0 else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _whole(value: Any) -> Optional[int]:
    return value if isinstance(value, int) else None


def _sizes(value: Any) -> Optional[List[int]]:
    return value if isinstance(value, list) and all(isinstance(size, int) for size in value) else None
