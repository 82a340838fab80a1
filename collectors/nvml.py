"""NVIDIA GPUs through NVML. One that hangs is late alone: the others are read on another thread."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acceltop.collectors.nvml_crew import Crew, Job
from acceltop.collectors.nvml_gpu import Gpu, Place, runtime_status
from acceltop.collectors.nvml_processes import PidMap
from acceltop.collectors.nvml_unit import NAME
from acceltop.profiler.clock import NS_PER_S, now_ns
from acceltop.profiler.errors import Unavailable
from acceltop.profiler.model import Frame, Note, Sample
from acceltop.profiler.source import SourceContext

if TYPE_CHECKING:
    from acceltop.collectors.processes import Roster

_DEADLINE_S = 1.0  # for all GPUs together: those that hang do so side by side
_DCGM = {"nv-hostengine", "dcgm-exporter"}
_NO_DRIVER = {  # code of nvmlInit: cause, next step
    4: ("the NVIDIA driver denies access", "join the group that owns /dev/nvidiactl, or run as root"),
    9: ("the NVIDIA driver is not loaded", "load it with `modprobe nvidia`"),
    12: (
        "no NVIDIA driver: libnvidia-ml.so.1 was not found",
        "install the driver; in a container start it with `--gpus all`",
    ),
    18: ("the NVIDIA driver was updated while in use", "reboot, or reload the kernel module"),
}


class Source:
    """Options: nvml.library (path), nvml.deadline_s, nvml.sysfs, nvml.proc, nvml.host_proc (folders)."""

    name = NAME
    deadline_s = 3.0

    def __init__(self) -> None:
        self._nvml: Any = None
        self._crew: Crew[list[Frame]] = Crew(NAME)
        self._watched: list[_Watched] = []
        self._place = Place(Path("/sys"), PidMap(Path("/proc"), None))
        self._deadline_s = _DEADLINE_S
        self._asleep = False
        self._running = False
        self._watched_elsewhere: frozenset[int] = frozenset()  # the host source introduces these

    def open(self, context: SourceContext) -> Iterable[Frame]:
        """Finds the GPUs. Raises Unavailable without a driver or without a GPU."""
        options = context.options
        self._watched_elsewhere = frozenset(context.pids)
        proc = Path(options.get("nvml.proc", "/proc"))
        host = options.get("nvml.host_proc") or os.environ.get("HOST_PROC")
        self._place = Place(Path(options.get("nvml.sysfs", "/sys")), PidMap(proc, Path(host) if host else None))
        self._deadline_s = float(options.get("nvml.deadline_s", _DEADLINE_S))
        self._nvml = _binding(options)
        self._asleep = _all_asleep(self._place.sysfs)
        if self._asleep:
            return [_note("nvml.asleep", "every NVIDIA GPU sleeps; read as soon as one is awake")]
        return chain(self._start(), _dcgm(proc))

    def poll(self) -> Iterable[Frame]:
        """One reading of every GPU that answers in time."""
        if self._asleep:
            self._asleep = _all_asleep(self._place.sysfs)
            return [] if self._asleep else self._start()
        return self._read()

    def close(self) -> None:
        """Never waits for a GPU that hangs."""
        self._crew.close()
        idle = [watched for watched in self._watched if not watched.busy]
        for watched in idle:
            watched.gpu.close()
        if self._running and len(idle) == len(self._watched):  # else it would wait for the hung call
            closer: Crew[None] = Crew("nvml-close")
            closer.settle(closer.ask([self._shutdown]), self._deadline_s)
            closer.close()
        self._running, self._watched = False, []

    def _start(self) -> Iterator[Frame]:
        try:
            self._nvml.nvmlInit()
            self._running = True
            count = self._nvml.nvmlDeviceGetCount()
        except self._nvml.NVMLError as error:
            raise _no_driver(error) from None
        if not count:
            raise Unavailable("there is a driver but no NVIDIA GPU", "check `lspci`, and `--gpus` of the container")
        self._watched = [_Watched(Gpu(self._nvml, index, self._place)) for index in range(count)]
        return self._read()

    def _shutdown(self) -> None:
        with contextlib.suppress(self._nvml.NVMLError):  # a driver that is gone has nothing left to close
            self._nvml.nvmlShutdown()

    def _read(self) -> Iterator[Frame]:
        frames = [frame for watched in self._watched for frame in watched.frames()]  # of late ones that came meanwhile
        free = [watched for watched in self._watched if not watched.busy]
        asked = self._crew.ask([watched.gpu.read for watched in free])
        for watched, job in zip(free, asked, strict=True):
            watched.asked(job)
        self._crew.settle(asked, self._deadline_s)
        frames += [frame for watched in self._watched for frame in watched.frames()]
        users = [frame for frame in frames if isinstance(frame, Sample) and frame.pid is not None]
        yield from (frame for frame in frames if not isinstance(frame, Sample) or frame.pid is None)
        yield from self._roster.meet({user.pid for user in users if user.pid} - self._watched_elsewhere)
        yield from users
        yield from self._roster.ended()

    @cached_property
    def _roster(self) -> Roster:
        from acceltop.collectors.processes import Roster  # takes as long as the first reading, which is there by then

        return Roster()


class _Watched:
    """A GPU, the reading that is out, and whether it is late."""

    def __init__(self, gpu: Gpu) -> None:
        self.gpu = gpu
        self._reading: Job[list[Frame]] | None = None
        self._asked_ns = 0
        self._late = False

    @property
    def busy(self) -> bool:
        """A reading is out: never a second one beside it."""
        return self._reading is not None and not self._reading.done

    def asked(self, reading: Job[list[Frame]]) -> None:
        """A new reading is out."""
        self._reading, self._asked_ns = reading, now_ns()

    def frames(self) -> list[Frame]:
        """The reading if it is there, else a Note when it became late."""
        if self._reading is None:
            return []
        if not self._reading.done:
            return [] if self._late else [self._turn_late()]
        reading, self._reading = self._reading, None
        return [*self._back(), *reading.result()]

    def _turn_late(self) -> Note:
        self._late = True
        text = f"GPU {self.gpu.index} doesn't answer; the others go on"
        return self._note("warning", text, "look at dmesg for Xid errors")

    def _back(self) -> list[Frame]:
        if not self._late:
            return []
        self._late = False
        away = (now_ns() - self._asked_ns) / NS_PER_S
        return [self._note("info", f"GPU {self.gpu.index} answers again after {away:.1f} s", "")]

    def _note(self, level: str, text: str, step: str) -> Note:
        return Note(now_ns(), level, "nvml.gpu_late", text, step, NAME, self.gpu.device, since_ns=self._asked_ns)


def _binding(options: Mapping[str, str]) -> Any:
    try:
        import pynvml
    except ImportError:
        raise Unavailable("no binding to NVML", "pip install nvidia-ml-py") from None
    path = options.get("nvml.library")
    if path:
        try:
            ctypes.CDLL(path)  # the binding asks for it by its SONAME and gets the one that is loaded
        except OSError as error:
            raise Unavailable(f"can't load {path}: {error}", "check nvml.library") from None
    return pynvml


def _no_driver(error: Any) -> Unavailable:
    cause, step = _NO_DRIVER.get(error.value, (f"NVML can't start: {error}", "try `nvidia-smi`"))
    return Unavailable(cause, step)


def _all_asleep(sysfs: Path) -> bool:
    """Opening the driver would wake a laptop's sleeping GPU."""
    states = [runtime_status(str(folder)) for folder in (sysfs / "bus/pci/drivers/nvidia").glob("*:*:*.*")]
    return bool(states) and all(state == "suspended" for state in states)


def _dcgm(proc: Path) -> Iterator[Frame]:
    """Looks at all processes of the machine: nothing that the first reading should wait for."""
    names = {_text(file) for file in proc.glob("[0-9]*/comm")}
    for running in sorted(names & _DCGM)[:1]:
        yield _note("nvml.dcgm", f"{running} runs: it and acceltop read the same hardware counters")


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace").strip()
    except OSError:  # it ended meanwhile
        return ""


def _note(code: str, text: str) -> Note:
    return Note(now_ns(), "info", code, text, source=NAME)
