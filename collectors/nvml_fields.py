"""The counters of one NVIDIA device, as a table: metric, the calls that may give it, scale to the metric's unit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from acceltop.collectors.nvml_calls import Calls
from acceltop.profiler.clock import monotonic

KIB = 1024
# Bytes a second of one PCIe lane, one way, by generation: transfer rate × encoding / 8.
_LANE = {1: 250e6, 2: 500e6, 3: 8e9 * 128 / 130 / 8, 4: 16e9 * 128 / 130 / 8, 5: 32e9 * 128 / 130 / 8}
_LANE |= {6: 64e9 * 242 / 256 / 8}
_HARDWARE, _ITS_CAUSES = 0x8, 0x40 | 0x80
_THROTTLE = {
    0x2: "application clocks",
    0x4: "power cap",
    _HARDWARE: "hardware slow-down",
    0x10: "sync boost",
    0x20: "thermal",
    0x40: "thermal",
    0x80: "power brake",
    0x100: "display clocks",
    0x200: "board limit",
    0x400: "reliability",
}
_SLOW_S = 10.0  # between two readings of what hardly ever changes
_CALM_S = 5.0  # of the performance state, of how warm it is, and its memory where that takes a call of its own
_Getters = list[Callable[[], Any]]
_Bound = tuple[str, float, _Getters]  # metric, scale, and what may give it


@dataclass(frozen=True, slots=True)
class _Field:
    metric: str
    calls: tuple[tuple[str, ...], ...]  # function and names of constants; the first that answers counts
    scale: float = 1.0
    pace_s: float = 0.0  # least time between two readings of it; it is told when it is read


def _field(metric: str, *call: str, scale: float = 1.0, pace_s: float = 0.0) -> _Field:
    return _Field(metric, (call,), scale, pace_s)


_FIELDS = (
    _field("hw.power", "nvmlDeviceGetPowerUsage", scale=1e-3),
    _Field(
        "hw.power.limit",
        (("nvmlDeviceGetEnforcedPowerLimit",), ("nvmlDeviceGetPowerManagementLimit",)),
        scale=1e-3,
        pace_s=_SLOW_S,
    ),
    _field("hw.energy", "nvmlDeviceGetTotalEnergyConsumption", scale=1e-3, pace_s=_SLOW_S),  # it counts up by itself
    _Field(
        "hw.temperature",
        (
            ("nvmlDeviceGetTemperatureV", "NVML_TEMPERATURE_GPU"),
            ("nvmlDeviceGetTemperature", "NVML_TEMPERATURE_GPU"),
        ),
        pace_s=_CALM_S,
    ),
    _field(
        "hw.temperature.limit",
        "nvmlDeviceGetTemperatureThreshold",
        "NVML_TEMPERATURE_THRESHOLD_SLOWDOWN",
        pace_s=_SLOW_S,
    ),
    _field("hw.gpu.clock.sm", "nvmlDeviceGetClockInfo", "NVML_CLOCK_SM", scale=1e6),
    _field("hw.gpu.clock.sm.limit", "nvmlDeviceGetMaxClockInfo", "NVML_CLOCK_SM", scale=1e6, pace_s=_SLOW_S),
    _field("hw.gpu.clock.memory", "nvmlDeviceGetClockInfo", "NVML_CLOCK_MEM", scale=1e6, pace_s=_SLOW_S),
    _field("hw.gpu.clock.memory.limit", "nvmlDeviceGetMaxClockInfo", "NVML_CLOCK_MEM", scale=1e6, pace_s=_SLOW_S),
    _field("hw.fan.speed_ratio", "nvmlDeviceGetFanSpeed", scale=0.01, pace_s=_SLOW_S),
    _field(
        "hw.errors.ecc.corrected",
        "nvmlDeviceGetTotalEccErrors",
        "NVML_MEMORY_ERROR_TYPE_CORRECTED",
        "NVML_VOLATILE_ECC",
        pace_s=_SLOW_S,
    ),
    _field(
        "hw.errors.ecc.uncorrected",
        "nvmlDeviceGetTotalEccErrors",
        "NVML_MEMORY_ERROR_TYPE_UNCORRECTED",
        "NVML_VOLATILE_ECC",
        pace_s=_SLOW_S,
    ),
    _field("hw.gpu.pcie.generation", "nvmlDeviceGetCurrPcieLinkGeneration", pace_s=_SLOW_S),
    _field("hw.gpu.pcie.width", "nvmlDeviceGetCurrPcieLinkWidth", pace_s=_SLOW_S),
    _field("hw.gpu.encoder.utilization", "nvmlDeviceGetEncoderUtilization", scale=0.01, pace_s=_SLOW_S),
    _field("hw.gpu.decoder.utilization", "nvmlDeviceGetDecoderUtilization", scale=0.01, pace_s=_SLOW_S),
)


class PlainValues:
    """All of the table that a device has, and what follows from it."""

    def __init__(self, calls: Calls, limits: dict[str, float]) -> None:
        """`limits` are told with what hardly ever changes."""
        self._limits = limits
        self._fields = {
            pace_s: [_bound(calls, field) for field in _FIELDS if field.pace_s == pace_s]
            for pace_s in (0.0, _CALM_S, _SLOW_S)
        }
        self._due_s = dict.fromkeys(self._fields, 0.0)
        self._rates = calls.getter("nvmlDeviceGetUtilizationRates")

    def values(self) -> dict[str, float]:
        """One reading."""
        values, now = _residency(self._rates()), monotonic()
        for pace_s, fields in self._fields.items():
            if now >= self._due_s[pace_s]:
                self._due_s[pace_s] = now + pace_s
                values |= _read(fields)
                if pace_s == _SLOW_S:
                    values = _with_pcie_limit(values) | self._limits
        return values


def _read(fields: list[_Bound]) -> dict[str, float]:
    found = {}
    for metric, scale, getters in fields:
        value = _first(getters)
        if value is not None:
            # Encoder and decoder come with the length of their window.
            found[metric] = (value[0] if isinstance(value, list) else value) * scale
    return found


def _first(getters: _Getters) -> Any:
    """What the first of them gives that gives anything."""
    for get in getters:
        if (value := get()) is not None:
            return value
    return None


def _with_pcie_limit(values: dict[str, float]) -> dict[str, float]:
    lanes, generation = values.get("hw.gpu.pcie.width"), int(values.get("hw.gpu.pcie.generation", 0))
    return values | {"hw.gpu.pcie.limit": lanes * _LANE[generation]} if lanes and generation in _LANE else values


def _bound(calls: Calls, field: _Field) -> _Bound:
    """With the constants looked up; without calls whose constants the binding doesn't have."""
    known = [(function, [calls.constant(name) for name in names]) for function, *names in field.calls]
    return field.metric, field.scale, [calls.getter(name, *args) for name, args in known if None not in args]


def _residency(rates: Any) -> dict[str, float]:
    if rates is None:
        return {}
    gpu, memory = rates.gpu, rates.memory  # read once: the binding looks at what it gives each time
    return {} if gpu > 100 or memory > 100 else {"hw.gpu.utilization": gpu / 100, "hw.gpu.dram.busy_hint": memory / 100}


class MemoryValues:
    """Usage without what the driver keeps for itself, where it tells the difference, and size."""

    def __init__(self, calls: Calls) -> None:
        name = "nvmlDeviceGetMemoryInfo"
        self._getters = [calls.getter(name, calls.constant("nvmlMemory_v2")), calls.getter(name)]

    def values(self) -> dict[str, float]:
        """Empty where it is not told."""
        memory = _first(self._getters)
        if memory is None:
            return {}
        used, total = memory.used, memory.total
        known = 0 < total >= used
        return {"hw.gpu.memory.usage": float(used), "hw.gpu.memory.limit": float(total)} if known else {}


class States:
    """What is a word: performance state, reasons of throttling ("none" when there is none)."""

    def __init__(self, calls: Calls) -> None:
        self._level, self._level_due_s = calls.getter("nvmlDeviceGetPerformanceState"), 0.0
        self._reasons = [calls.getter(f"nvmlDeviceGetCurrentClocks{name}Reasons") for name in ("Event", "Throttle")]

    def words(self) -> dict[str, str]:
        """Those that are told, and looked at again."""
        found = {}
        if (reasons := _first(self._reasons)) is not None:
            found["throttle"] = _throttle(reasons)
        if monotonic() >= self._level_due_s:
            self._level_due_s = monotonic() + _CALM_S
            level = self._level()
            if level is not None and 0 <= level <= 15:
                found["performance_state"] = f"P{level}"
        return found


def _throttle(reasons: int) -> str:
    if reasons & _ITS_CAUSES:  # which say more
        reasons &= ~_HARDWARE
    return ", ".join(dict.fromkeys(word for bit, word in _THROTTLE.items() if reasons & bit)) or "none"


ALL_LINKS = 0xFFFFFFFF
# Field values that count up, as (field, scope): metric, bytes in one.
_COUNTERS: dict[tuple[int, int], tuple[str, int]] = {
    (138, ALL_LINKS): ("hw.gpu.nvlink.transmit", KIB),
    (139, ALL_LINKS): ("hw.gpu.nvlink.receive", KIB),
    (197, 0): ("hw.gpu.pcie.transmit", 1),
    (198, 0): ("hw.gpu.pcie.receive", 1),
}
_MEMORY_TEMPERATURE = (82, 0)


class FieldValues:
    """One call for all that NVML gives as "field values": memory temperature and, without GPM, the links."""

    def __init__(self, calls: Calls, counters: bool) -> None:
        self._calls = calls
        self._wanted = [_MEMORY_TEMPERATURE, *(_COUNTERS if counters else ())]
        self._before: dict[tuple[int, int], tuple[float, int]] = {}
        self._pace_s, self._due_s = 0.0 if counters else _CALM_S, 0.0

    def values(self) -> dict[str, float]:
        """Empty parts where the device has no such field; rates from the second reading on."""
        if not self._wanted or monotonic() < self._due_s:
            return {}
        items = self._calls.get("nvmlDeviceGetFieldValues", list(self._wanted))
        now = monotonic()
        self._due_s = now + self._pace_s
        found = dict(self._ok(items or ()))
        values = {_COUNTERS[key][0]: rate for key, rate in self._rates(now, found) if key in _COUNTERS}
        if _MEMORY_TEMPERATURE in found:
            values["hw.temperature.memory"] = float(found[_MEMORY_TEMPERATURE])
        return values

    def _ok(self, items: Any) -> Iterator[tuple[tuple[int, int], int]]:
        for key, item in zip(tuple(self._wanted), items, strict=False):  # answered in the order of the question
            code = item.nvmlReturn
            if code == 0:
                yield key, field_integer(item)
            elif code == 3:
                self._wanted.remove(key)

    def _rates(self, now: float, found: dict[tuple[int, int], int]) -> Iterator[tuple[tuple[int, int], float]]:
        for key in _COUNTERS.keys() & found.keys():
            then, count = self._before.get(key, (now, found[key]))
            self._before[key] = (now, found[key])
            if now > then and found[key] >= count:  # less: it wrapped around
                yield key, (found[key] - count) * _COUNTERS[key][1] / (now - then)


def field_integer(item: Any) -> int:
    """The value of an integer field, by the type that the driver says it has."""
    by_type = {1: "uiVal", 2: "ulVal", 3: "ullVal", 4: "sllVal", 5: "siVal", 6: "usVal"}
    return int(getattr(item.value, by_type.get(item.valueType, "ullVal")))
