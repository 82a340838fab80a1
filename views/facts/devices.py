"""Devices as rows: which of their metrics tells how busy they are, and the words for their state."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from acceltop.profiler.clock import NS_PER_S
from acceltop.profiler.history.subjects import DeviceState
from acceltop.profiler.metrics import METRICS
from acceltop.profiler.model import DeviceFound
from acceltop.profiler.timeline import Key
from acceltop.views.facts.activity import ACTIVITY, HOST_ACTIVITY, device_label
from acceltop.views.facts.notes import clock
from acceltop.views.facts.rolling import Chart, Rolling
from acceltop.views.scene import Scene

BANDWIDTH = ("hw.gpu.dram.bandwidth", "hw.gpu.dram.busy_hint")
_HOST = {
    "hw.gpu.memory.usage": "system.memory.usage",
    "hw.gpu.memory.limit": "system.memory.limit",
}
STALE_S = 5  # and at least three intervals
CHART_S = 10  # so long a chart grows with each reading; later its newest cell may be so old. Numbers are of now


class _Keys(dict[str, Key]):
    """The series of a device, by metric."""

    def __init__(self, device: str | None, names: Mapping[str, str]) -> None:
        self._device, self._names = device, names

    def __missing__(self, metric: str) -> Key:
        key = self[metric] = Key(self._names.get(metric, metric), self._device)
        return key


@dataclass(frozen=True)
class DeviceFact:
    state: DeviceState
    activity: str | None  # the metric that tells best how busy it is
    is_host: bool

    @cached_property
    def found(self) -> DeviceFound:
        return self.state.found

    @cached_property
    def id(self) -> str:
        return self.found.device

    @cached_property
    def host(self) -> str:
        """Which of several machines it is in; empty where there is only one."""
        return self.found.attributes.get("host", "")

    @cached_property
    def label(self) -> str:
        return device_label(self.found)

    @cached_property
    def keys(self) -> Mapping[str, Key]:
        """Of each metric; the host's CPU has the host's own metrics."""
        return _Keys(self.id if self.host else None, _HOST) if self.is_host else _Keys(self.id, {})


def device_facts(scene: Scene) -> list[DeviceFact]:
    key = (scene.seen("DeviceFound", "DeviceLost"), scene.timeline.series_count)
    return scene.memo("devices", key, lambda: _facts(scene))


def _facts(scene: Scene) -> list[DeviceFact]:
    return [_fact(scene, state) for state in scene.devices()]


def _fact(scene: Scene, state: DeviceState) -> DeviceFact:
    if state.found.device.rpartition("/")[2] == "cpu":  # of several machines: `node1/cpu`
        return DeviceFact(state, HOST_ACTIVITY, True)
    latest = scene.timeline.latest
    activity = next((metric for metric in ACTIVITY if latest(metric, state.found.device)), None)
    return DeviceFact(state, activity, False)


def value(scene: Scene, fact: DeviceFact, metric: str | None) -> float | None:
    return None if metric is None else scene.timeline.value(fact.keys[metric], scene.head.cursor)


def ratio(scene: Scene, fact: DeviceFact, metric: str) -> float | None:
    """A metric as a share of its limit: the registry's, the one read beside it, or the device's peak."""
    return share_of(value(scene, fact, metric), limit_of(scene, fact, metric))


def share_of(amount: float | None, limit: float | None) -> float | None:
    return amount / limit if amount is not None and limit else None


def limit_of(scene: Scene, fact: DeviceFact, metric: str) -> float | None:
    known = METRICS.get(metric)
    if metric == "hw.gpu.dram.bandwidth":
        return fact.found.peak_bytes_per_s
    if known is None:
        return None
    if known.high is not None:
        return known.high
    limit = value(scene, fact, known.limit) if known.limit else None
    if limit is None and metric == "hw.gpu.memory.usage" and fact.found.memory_bytes:
        return float(fact.found.memory_bytes)
    return limit


def stale_s(scene: Scene, fact: DeviceFact) -> float | None:
    """Seconds since the last reading, where that is too long ago; None: up to date, or it never had one."""
    last = fact.state.last_ns
    if fact.is_host:
        reading = scene.timeline.latest(*fact.keys["system.cpu.utilization"])
        last = reading.time_ns if reading else 0
    return _old_s(scene, last) if last else None


def _old_s(scene: Scene, time_ns: int) -> float | None:
    age = (scene.now_ns - time_ns) / NS_PER_S
    return age if age > max(STALE_S, 3 * scene.link.interval_s) else None


def answering(scene: Scene, facts: Iterable[DeviceFact]) -> list[DeviceFact]:
    """Those whose last readings are of now."""
    told = conditions(scene)
    return [fact for fact in facts if not told[fact.id].is_silent]


def history(scene: Scene, key: Key, points: int, span_ns: int) -> list[float]:
    """The mean in `points` bins up to the moment shown. The bins stand on a grid in time: they don't tremble."""
    return chart(scene, ("history", key, points), (key,), points, span_ns).mean


def chart(scene: Scene, name: Hashable, keys: Sequence[Key], points: int, span_ns: int) -> Chart:
    """As `history`, of some series together."""
    t0, t1 = grid(scene.head.at_ns, points, span_ns)
    rolling = scene.memo(("rolling", name), (id(scene.timeline), keys), Rolling)
    moved = _looked(scene, t0, t1, points), keys
    return scene.memo(name, moved, lambda: rolling.over(scene, keys, t0, t1, points))


def _looked(scene: Scene, t0: int, t1: int, points: int) -> Hashable:
    """Changes when a chart on that grid is to be looked up again: as its cells move, or every CHART_S."""
    at, begun = scene.head.at_ns, scene.timeline.span
    if begun is None or at - begun[0] < CHART_S * NS_PER_S:
        moment = at
    else:
        moment = at // (CHART_S * NS_PER_S) if (t1 - t0) * 2 > CHART_S * NS_PER_S * points else 0
    return id(scene.timeline), t0, t1, moment


def grid(at_ns: int, points: int, span_ns: int) -> tuple[int, int]:
    """The range of `points` bins whose last pair holds `at_ns`; two bins share a cell, so it moves by pairs."""
    pair = max(2 * span_ns // points, 2)
    end = at_ns - at_ns % pair + pair
    return end - pair * points // 2, end


class Condition(NamedTuple):
    """The word for a device's state and its token, and since when it is silent or lost; `·` is nothing to say."""

    word: str
    token: str
    since_ns: int | None = None

    @property
    def is_silent(self) -> bool:
        """Nothing has come from it for a while, or never will again."""
        return self.since_ns is not None

    @property
    def text(self) -> str:
        return self.word if self.since_ns is None else f"{self.word} {clock(self.since_ns)}"


def conditions(scene: Scene) -> Mapping[str, Condition]:
    """Of all devices, by id. Every pane with devices asks: a picture is drawn in less than a tenth of a second."""
    seen = scene.seen("DeviceFound", "DeviceLost", "Sample"), scene.timeline.series_count
    key = (seen, scene.now_ns // (NS_PER_S // 10))  # all that the list of devices changes with, and the time
    return scene.memo("conditions", key, lambda: {fact.id: _condition(scene, fact) for fact in device_facts(scene)})


def _condition(scene: Scene, fact: DeviceFact) -> Condition:
    lost, at = fact.state.lost, scene.head.at_ns
    if lost is not None and lost.time_ns <= at:
        return Condition("✖ lost", "bad", lost.time_ns)  # the reason is among the findings
    age = stale_s(scene, fact)
    if age is not None:
        return Condition("since", "warn", scene.now_ns - int(age * NS_PER_S))
    if fact.found.source == "opencl" and not fact.state.last_ns:  # it lists devices, and reads nothing of them
        return Condition("no counters", "dim")
    if fact.is_host:
        pressure = scene.value(*fact.keys["system.pressure.cpu"])
        return Condition("·" if pressure is None else f"psi {pressure:.0%}", "dim")
    for name in ("throttle", "throttle_reasons"):
        word = scene.timeline.word(name, fact.id, at_ns=at)
        if word not in (None, "", "none", "idle"):
            return Condition(f"▼ {word}", "warn")
    return Condition("·", "dim")
