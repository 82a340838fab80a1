"""Who is measured: devices and processes, each put together from all that was said about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any, TypeVar

from acceltop.profiler.model import DeviceFound, DeviceLost, ProcessFound, ProcessGone

MAX_SUBJECTS = 10_000
Found = TypeVar("Found", DeviceFound, ProcessFound)


@dataclass
class DeviceState:
    """A device as far as known; `last_ns` is its last reading."""

    found: DeviceFound
    lost: DeviceLost | None = None
    last_ns: int = 0


@dataclass
class ProcessState:
    """A process; after its end the last data stay."""

    found: ProcessFound
    gone: ProcessGone | None = None
    last_ns: int = 0


def make_room(table: Mapping[Any, object], key: object) -> None:
    """Raises OverflowError when `key` is new and `table` is full: no machine has that many."""
    if len(table) >= MAX_SUBJECTS and key not in table:
        raise OverflowError(f"more than {MAX_SUBJECTS}")


class Subjects:
    """Devices by id (one that several collectors know has one id) and processes by pid."""

    def __init__(self) -> None:
        self.devices: dict[str, DeviceState] = {}
        self.processes: dict[int, ProcessState] = {}
        self.twins: dict[str, DeviceFound] = {}  # by their own id

    def canonical(self, device: str | None) -> str | None:
        """The id under which this device is kept."""
        return None if device is None else self._id(device)

    def _id(self, device: str) -> str:
        twin = self.twins.get(device)
        return device if twin is None or twin.same_as is None else twin.same_as

    def device_found(self, frame: DeviceFound) -> None:
        """Raises OverflowError when there are too many."""
        if frame.same_as is not None and frame.same_as != frame.device:
            make_room(self.twins, frame.device)
            self.twins[frame.device] = frame
        device = self._id(frame.device)
        state = self.devices.get(device)
        make_room(self.devices, device)
        if state is None:
            self.devices[device] = DeviceState(frame)
        elif frame.device == device:
            self.devices[device] = replace(state, found=_completed(frame, state.found), lost=None)
        else:
            state.found = _completed(state.found, frame)

    def process_found(self, frame: ProcessFound) -> None:
        """A process that is found again after its end is a new one. Raises OverflowError when there are too many."""
        state = self.processes.get(frame.pid)
        make_room(self.processes, frame.pid)
        if state is None or state.gone is not None:
            self.processes[frame.pid] = ProcessState(frame)
        else:
            state.found = _completed(frame, state.found)

    def device_lost(self, frame: DeviceLost) -> None:
        state = self.devices.get(self._id(frame.device))
        if state is not None:
            state.lost = frame

    def process_gone(self, frame: ProcessGone) -> None:
        state = self.processes.get(frame.pid)
        if state is not None:
            state.gone = frame

    def seen(self, device: str | None, pid: int | None, time_ns: int) -> None:
        """A reading came in: a device that was lost is back."""
        if device is not None and (state := self.devices.get(device)) is not None:
            state.last_ns = max(state.last_ns, time_ns)
            if state.lost is not None and state.lost.time_ns < time_ns and pid is None:
                state.lost = None
        if pid is not None and (process := self.processes.get(pid)) is not None:
            process.last_ns = max(process.last_ns, time_ns)


def _completed(first: Found, second: Found) -> Found:
    """`first`, and what only `second` knows."""
    gaps: dict[str, Any] = {}
    for spec in fields(first):
        mine, theirs = getattr(first, spec.name), getattr(second, spec.name)
        if isinstance(mine, dict) and isinstance(theirs, dict):
            gaps[spec.name] = {**theirs, **mine}
        elif spec.default is not MISSING and mine == spec.default:
            gaps[spec.name] = theirs
    return replace(first, **gaps)
