"""The Frames: all that a source can say, and the only thing that passes between the rooms of this program.

Immutable and small. Times are integer nanoseconds since the epoch, on the clock of the machine that measured.
Unknown is absent (None, or no key in a mapping), never 0. A new field always has a default: old traces stay readable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

SCHEMA_VERSION = 1

Values: TypeAlias = Mapping[str, float]
"""Metric name (see `metrics.py`) to value, in the metric's own unit."""


class Record:
    """Equal where kind and fields are. Written once: `dataclass` would compile it for each kind anew, which was a tenth
    of the start of every command."""

    __slots__: tuple[str, ...] = ()

    def _values(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.__slots__)

    def __eq__(self, other: object) -> bool:
        return self._values() == other._values() if isinstance(other, type(self)) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        known = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)
        return f"{type(self).__name__}({known})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Hello(Record):
    """First frame of every stream."""

    time_ns: int
    host: str
    schema_version: int = SCHEMA_VERSION
    tool_version: str = ""
    os: str = ""
    cpu: str = ""
    cloud: str | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ClockSync(Record):
    """Another clock against ours at one moment: `reference_ns` there was `time_ns` here, give or take `error_ns`."""

    time_ns: int
    clock: str
    reference_ns: int
    error_ns: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DeviceFound(Record):
    """An accelerator, or the host's CPU. `device` is its id: `nvidia:GPU-<uuid>`, `opencl:<pci or index>`, `cpu`."""

    time_ns: int
    device: str
    name: str
    kind: str  # gpu | cpu | tpu | accelerator
    vendor: str = ""
    source: str = ""  # the collector that found it
    index: int | None = None
    pci: str | None = None  # 0000:65:00.0
    same_as: str | None = None  # the id under which another collector knows the same device
    memory_bytes: int | None = None
    peak_bytes_per_s: float | None = None
    peak_flop_per_s: Mapping[str, float] = field(default_factory=dict)  # by type: bf16, tf32, fp32 …
    attributes: Mapping[str, str] = field(default_factory=dict)  # driver, compute units, PCIe generation …


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DeviceLost(Record):
    """The device answers no more; `reason` in words."""

    time_ns: int
    device: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Sample(Record):
    """Polled counters of one device, of one process, or (both absent) of the host."""

    time_ns: int
    source: str
    values: Values
    device: str | None = None
    pid: int | None = None
    states: Mapping[str, str] = field(default_factory=dict)  # what is a word: throttle reason, performance state


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Launch(Record):
    """How one call of a kernel was put on its device."""

    grid: tuple[int, ...] = ()  # blocks by x, y, z
    block: tuple[int, ...] = ()  # threads of a block by x, y, z
    registers_per_thread: int | None = None
    shared_memory_bytes: int | None = None  # of a block
    occupancy: float | None = None  # an estimate: of the threads that the device can hold, those that this call fills


@dataclass(slots=True, eq=False, repr=False)  # to make a frozen one of so many fields takes five times as long
class KernelRow(Record):
    """One kernel, copy or op, summed over a window. Times are on the device for kernels, self time for CPU ops."""

    name: str
    kind: str  # kernel | memcpy | memset | op
    calls: int
    total_ns: int
    min_ns: int
    max_ns: int
    device: str | None = None  # id as in DeviceFound
    stream: int | None = None
    thread: int | None = None  # native thread id, of CPU ops
    bytes: int | None = None  # moved, where counted
    flops: int | None = None
    op: str | None = None  # the framework op that launched it
    module: str | None = None  # path of the nn.Module, flax module or Keras layer
    location: str | None = None  # the user's line, "file.py:12 function"
    origin: str | None = None  # who made it: cuBLAS, Triton, oneDNN …
    library: str | None = None  # the file that owns the code, where known
    phase: str | None = None
    launch: Launch | None = None  # of the longest call


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Slices(Record):
    """Single calls as columns of equal length, in the order of their start."""

    names: tuple[str, ...]  # each name once
    lanes: tuple[str, ...]  # "stream 7", "MainThread"
    name: tuple[int, ...]  # index into names
    lane: tuple[int, ...]  # index into lanes
    start_ns: tuple[int, ...]  # after the window's t0_ns
    duration_ns: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class KernelWindow(Record):
    """What ran in one or more short profiled windows between t0 and t1 of one process."""

    t0_ns: int
    t1_ns: int
    pid: int
    source: str  # torch | jax | tensorflow | cupti | perf | opencl | import
    rows: tuple[KernelRow, ...]
    profiled_ns: int  # the part of t0…t1 in which calls were recorded
    windows: int = 1
    sampled: bool = False  # calls are samples of a statistical profiler, not counted
    steps: float | None = None  # training steps in the profiled part, a fraction where it saw parts
    events: int = 0
    invalid: int = 0  # records thrown away as broken
    dropped: int = 0  # records or windows lost to back-pressure
    phases: Mapping[str, int] = field(default_factory=dict)  # ns of the training thread, within profiled_ns
    slices: Slices | None = None

    @property
    def time_ns(self) -> int:
        return self.t1_ns


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class StackWindow(Record):
    """Sampled stacks. Keys are `thread;outermost;…;innermost` with `function (file:line)`; values count samples."""

    t0_ns: int
    t1_ns: int
    pid: int
    source: str  # py-spy | agent
    rate_hz: float
    samples: int
    stacks: Mapping[str, int]
    idle: Mapping[str, int] = field(default_factory=dict)
    gil: Mapping[str, int] = field(default_factory=dict)
    errors: int = 0

    @property
    def time_ns(self) -> int:
        return self.t1_ns


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Steps(Record):
    """Consecutive training steps as columns (a frame a step would be the larger part of a trace).

    Step `first_index + i` took `duration_ns[i]`; the first began at `start_ns`, each begins where the one before ended.
    """

    start_ns: int
    pid: int
    first_index: int
    duration_ns: tuple[int, ...]
    phases: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # ns by step; names in PHASES
    profiled: tuple[bool, ...] = ()  # a window was open in it, or was being read
    rank: int | None = None

    @property
    def end_ns(self) -> int:
        return self.start_ns + sum(self.duration_ns)

    @property
    def time_ns(self) -> int:
        return self.end_ns


PHASES = ("data", "forward", "backward", "optimizer", "communication", "other")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class MemoryStats(Record):
    """A framework's own allocator, in bytes."""

    time_ns: int
    pid: int
    source: str
    allocated: int | None = None
    reserved: int | None = None
    peak: int | None = None
    device: str | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Cost(Record):
    """What acceltop costs the job: `ratio` 0.003 = the job is 0.3 % slower."""

    time_ns: int
    pid: int
    ratio: float
    measured: bool  # from the job's own steps; otherwise an estimate from the price of windows
    budget: float | None = None
    inside_s: float | None = None  # median step with a window in it
    between_s: float | None = None  # median step between windows
    away_s: float | None = None  # median step while windows pause
    window_ns: int | None = None  # length of the present windows
    stall_ns: int | None = None  # longest halt of the job by one window
    memory_bytes: int | None = None  # growth of the process since attach that is put down to us


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ProcessFound(Record):
    """A process of interest."""

    time_ns: int
    pid: int
    command: str
    user: str | None = None
    start_ns: int | None = None
    parent: int | None = None
    container: str | None = None
    rank: int | None = None
    world_size: int | None = None
    framework: str | None = None
    attachable: str | None = None  # "yes", or why not
    layers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # LAYERS → "PyTorch 2.13" …


LAYERS = ("framework", "compiler", "platform", "hardware", "cloud")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ProcessGone(Record):
    """The process ended; `exit_code` is negative for a signal, absent where nobody told."""

    time_ns: int
    pid: int
    exit_code: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Note(Record):
    """A warning or a fact for the user: `text` says it, `next_step` what to do."""

    time_ns: int
    level: str  # info | warning | error
    code: str  # stable word for programs: nvml.no_driver, source.late …
    text: str
    next_step: str = ""
    source: str | None = None
    device: str | None = None
    pid: int | None = None
    since_ns: int | None = None


Frame: TypeAlias = (
    Hello
    | ClockSync
    | DeviceFound
    | DeviceLost
    | Sample
    | KernelWindow
    | StackWindow
    | Steps
    | MemoryStats
    | Cost
    | ProcessFound
    | ProcessGone
    | Note
)
FRAMES: tuple[type[Frame], ...] = (
    Hello,
    ClockSync,
    DeviceFound,
    DeviceLost,
    Sample,
    KernelWindow,
    StackWindow,
    Steps,
    MemoryStats,
    Cost,
    ProcessFound,
    ProcessGone,
    Note,
)
