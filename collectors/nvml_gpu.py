"""One NVIDIA GPU with its MIG instances: found, read, lost and found again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acceltop.collectors import nvml_describe
from acceltop.collectors.kernel_files import contents
from acceltop.collectors.nvml_calls import Calls, GpuLost
from acceltop.collectors.nvml_gpm import Gpm
from acceltop.collectors.nvml_processes import PidMap
from acceltop.collectors.nvml_unit import NAME, Unit
from acceltop.profiler.clock import monotonic, now_ns
from acceltop.profiler.model import DeviceLost, Frame, Note

_LOOK_S = 10.0  # from one look at whether it may sleep to the next


@dataclass(slots=True)
class Place:
    """Where to look things up; the folders are parameters for recorded trees."""

    sysfs: Path
    pids: PidMap


class Gpu:
    """The GPU with number `index`. `read` never raises for the device's sake."""

    def __init__(self, nvml: Any, index: int, place: Place) -> None:
        self.index = index
        self.device: str | None = None
        self._power: str | None = None  # its folder in sysfs, once its place is known
        self._may_sleep, self._look_s = False, 0.0
        self._nvml, self._place = nvml, place
        self._units: list[Unit] = []
        self._told: str | None = None  # why it can't be found, or that it sleeps: said once

    def read(self) -> list[Frame]:
        """One reading of all its parts; DeviceFound before the first, DeviceLost when it goes."""
        if self._asleep():
            return self._tell("info", "nvml.asleep", "it sleeps (runtime power management) and is not woken for this")
        try:
            found = [] if self._units else self._find()
            frames = found + [frame for unit in self._units for frame in unit.frames()]
        except GpuLost as error:
            return self._lose(error.cause)
        if self._units:
            self._told = None
        return frames

    def close(self) -> None:
        """Only while no reading is under way."""
        for unit in self._units:
            unit.close()
        self._units = []

    def _find(self) -> list[Frame]:
        calls = Calls(self._nvml, None)
        calls.handle = calls.call("nvmlDeviceGetHandleByIndex", self.index)
        device = calls.handle and nvml_describe.device_id(calls)
        if not device:
            reason = "; ".join(calls.failures().values()) or "the driver gives no handle"
            return self._tell("warning", "nvml.gpu_unreadable", f"it can't be read: {reason}")
        self.device = device
        address = nvml_describe.pci_address(calls)
        self._power = address and f"{self._place.sysfs}/bus/pci/devices/{address}"
        split = bool((calls.get("nvmlDeviceGetMigMode") or [0])[0])
        unit = Unit(calls, device, self._place.pids, Gpm(calls), whole=True, split=split)
        frames: list[Frame] = [unit.found(self.index, {"mig": "on"} if split else {})]
        units = [unit]
        for instance in self._instances(calls) if split else ():
            units.append(instance)
            frames.append(instance.found(self.index, {"mig_parent": device}))
        self._units = units
        return frames

    def _instances(self, parent: Calls) -> list[Unit]:
        units = []
        for number in range(min(parent.get("nvmlDeviceGetMaxMigDeviceCount") or 0, 64)):
            handle = parent.get("nvmlDeviceGetMigDeviceHandleByIndex", number)
            calls = Calls(self._nvml, handle)
            device = handle and nvml_describe.device_id(calls)
            if device:
                gpm = Gpm(parent, calls.get("nvmlDeviceGetGpuInstanceId"))
                units.append(Unit(calls, device, self._place.pids, gpm, whole=False, split=False))
        return units

    def _lose(self, reason: str) -> list[Frame]:
        lost = [unit.device for unit in self._units]
        self.close()
        if lost:
            return [DeviceLost(now_ns(), device, reason) for device in lost]
        return [] if self.device else self._tell("warning", "nvml.gpu_unreadable", f"it can't be read: {reason}")

    def _asleep(self) -> bool:
        """An open call wakes a laptop's GPU; whether it sleeps can be read without one."""
        if self._power is None:
            return False
        if monotonic() >= self._look_s:
            self._look_s = monotonic() + _LOOK_S
            self._may_sleep = _power_file(self._power, "control") == "auto"  # in a server it is "on"
        return self._may_sleep and runtime_status(self._power) == "suspended"

    def _tell(self, level: str, code: str, text: str) -> list[Frame]:
        if self._told == text:
            return []
        self._told = text
        return [Note(now_ns(), level, code, f"GPU {self.index}: {text}", "", NAME, self.device)]


def runtime_status(folder: str) -> str:
    """Of a PCI device's folder: active, suspended …; empty where nothing tells."""
    return _power_file(folder, "runtime_status")


def _power_file(folder: str, name: str) -> str:
    return contents(f"{folder}/power/{name}").decode().strip()
