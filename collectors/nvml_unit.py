"""One NVIDIA device or MIG instance: its calls put together into Frames."""

from __future__ import annotations

from acceltop.collectors import nvml_describe, nvml_fields
from acceltop.collectors.nvml_calls import Calls
from acceltop.collectors.nvml_gpm import Gpm
from acceltop.collectors.nvml_processes import Listing, PidMap, Processes
from acceltop.collectors.proc_totals import meminfo
from acceltop.profiler.clock import now_ns
from acceltop.profiler.model import DeviceFound, Frame, Note, Sample

NAME = "nvml"


class Unit:
    """What can be read on its own: a whole GPU, or one MIG instance."""

    def __init__(self, calls: Calls, device: str, pids: PidMap, gpm: Gpm, whole: bool, split: bool) -> None:
        self.calls, self.device = calls, device
        self._whole = whole
        self._split = split  # a GPU cut into instances: processes and activity are told there
        self._gpm = gpm
        self._fields = nvml_fields.FieldValues(calls, counters=not self._gpm.supported)
        self._plain = nvml_fields.PlainValues(calls, nvml_describe.nvlink_limit(calls) if whole else {})
        self._size, self._states = nvml_fields.MemoryValues(calls), nvml_fields.States(calls)
        self._processes = Processes(calls, pids)
        self._shared_memory = False
        self._strangers = False
        self._peak: float | None = None

    def found(self, index: int, extra: dict[str, str]) -> DeviceFound:
        """The frame that introduces it."""
        memory = self._memory().get("hw.gpu.memory.limit")
        extra["activity"] = "GPM" if self._gpm.supported else "kernel resident"
        if self._shared_memory:
            extra["memory"] = "shared with the host"
        size = int(memory) if memory else None
        frame = nvml_describe.device_found(self.calls, self.device, index, size, extra, self._whole)
        self._peak = frame.peak_bytes_per_s
        return frame

    def frames(self) -> list[Frame]:
        """One reading. Raises GpuLost."""
        values = self._values()
        listing = None if self._split else self._processes.read()
        usage = values.get("hw.gpu.memory.usage")
        if usage is not None and listing is not None and listing.owned is not None and not self._shared_memory:
            values["hw.gpu.memory.unowned"] = max(usage - listing.owned, 0.0)
        words = self._states.words() if self._whole else {}
        sample = Sample(now_ns(), NAME, values, self.device, states=words)
        return [sample, *(self._process_frames(listing) if listing else ()), *self._failures()]

    def close(self) -> None:
        """Gives back what the driver holds for it."""
        self._gpm.close()

    def _values(self) -> dict[str, float]:
        values = self._memory() | (self._of_the_whole() if self._whole else {}) | self._gpm.values()
        if self._gpm.supported:
            values.pop("hw.gpu.dram.busy_hint", None)  # the true number makes the hint needless
        share = values.get("hw.gpu.dram.active")
        if share is not None and self._peak:
            values["hw.gpu.dram.bandwidth"] = share * self._peak
        return values

    def _of_the_whole(self) -> dict[str, float]:
        """What an instance shares with its neighbours: told once, for the GPU, or sums would count it twice."""
        return self._plain.values() | self._fields.values()

    def _memory(self) -> dict[str, float]:
        values = self._size.values()
        # A GPU that lives on the host's memory (GB10) has none of its own to tell about.
        self._shared_memory = not values and self.calls.unsupported("nvmlDeviceGetMemoryInfo")
        if self._shared_memory:
            host = meminfo()
            values = {"hw.gpu.memory.usage": float(host["MemTotal"] - host["MemAvailable"])}
            values["hw.gpu.memory.limit"] = float(host["MemTotal"])
        return values

    def _process_frames(self, listing: Listing) -> list[Frame]:
        frames: list[Frame] = []
        for usage in listing.usages:
            values = {"process.gpu.memory.usage": usage.memory, "process.gpu.sm.utilization": usage.sm}
            known = {name: float(value) for name, value in values.items() if value is not None}
            frames.append(Sample(now_ns(), NAME, known, self.device, usage.pid))
        if listing.foreign and not self._strangers:  # said again only when they had all gone
            frames.append(self._foreign_note(listing.foreign))
        self._strangers = bool(listing.foreign)
        return frames

    def _foreign_note(self, pids: list[int]) -> Note:
        some = ", ".join(map(str, pids[:8])) + (" …" if len(pids) > 8 else "")
        return Note(
            now_ns(),
            "info",
            "nvml.other_pid_namespace",
            f"{len(pids)} process(es) of another pid namespace use this GPU (host pid {some})",
            "run acceltop on the host or with --pid=host, or mount the host's /proc and name it in HOST_PROC",
            NAME,
            self.device,
        )

    def _failures(self) -> list[Frame]:
        return [
            Note(now_ns(), "warning", "nvml.field_failed", f"{function}: {reason}", "", NAME, self.device)
            for function, reason in self.calls.failures().items()
        ]
