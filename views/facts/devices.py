"""Devices as rows: which of their metrics tells how busy they are, and the words for their state."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from acceltop.profiler.clock import NS_PER_S
from acceltop.profiler.history.bands import Band
from acceltop.profiler.history.subjects import DeviceState
from acceltop.profiler.metrics import METRICS
from acceltop.profiler.model import DeviceFound
from acceltop.profiler.timeline import Key
from acceltop.views.facts.activity import ACTIVITY, HOST_ACTIVITY
from acceltop.views.facts.notes import clock
from acceltop.views.scene import Scene

BANDWIDTH = ("hw.gpu.dram.bandwidth", "hw.gpu.dram.busy_hint")
_HOST = {
    "hw.gpu.memory.usage": "system.memory.usage",
    "hw.gpu.memory.limit": "system.memory.limit",
}
STALE_S = 5  # and at least three intervals


@dataclass(frozen=True)
class DeviceFact:
    state: DeviceState
    activity: str | None  # the metric that tells best how busy it is
    is_host: bool
    _keys: dict[str, Key] = field(default_factory=dict, compare=False)

    @property
    def found(self) -> DeviceFound:
        return self.state.found

    @property
    def id(self) -> str:
        return self.found.device

    @property
    def host(self) -> str:
        """Which of several machines it is in; empty where there is only one."""
        return self.found.attributes.get("host", "")

    @property
    def label(self) -> str:
        """`0` for a GPU, a word for others."""
        if self.is_host:
            return "cpu"
        if self.found.kind == "gpu" and self.found.index is not None and self.found.source != "opencl":
            return str(self.found.index)
        if self.found.source == "opencl" and self.found.index is not None:
            return f"ocl {self.found.index}"
        return self.found.name or self.found.device

    def key(self, metric: str) -> Key:
        """The host's CPU has the host's own metrics."""
        key = self._keys.get(metric)
        if key is None:
            key = self._keys[metric] = self._key(metric)
        return key

    def _key(self, metric: str) -> Key:
        if self.is_host:
            return Key(_HOST.get(metric, metric), self.id if self.host else None)
        return Key(metric, self.id)


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
    return None if metric is None else scene.timeline.value(fact.key(metric), scene.at())


def ratio(scene: Scene, fact: DeviceFact, metric: str) -> float | None:
    """A metric as a share of its limit: the registry's, the one read beside it, or the device's peak."""
    amount = value(scene, fact, metric)
    if amount is None:
        return None
    limit = limit_of(scene, fact, metric)
    return amount / limit if limit else None


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
        reading = scene.timeline.latest(*fact.key("system.cpu.utilization"))
        last = reading.time_ns if reading else 0
    return _old_s(scene, last) if last else None


def _old_s(scene: Scene, time_ns: int) -> float | None:
    age = (scene.now_ns - time_ns) / NS_PER_S
    return age if age > max(STALE_S, 3 * scene.link.interval_s) else None


def is_silent(scene: Scene, fact: DeviceFact) -> bool:
    """Nothing has come from it for a while, or never will again."""
    lost = fact.state.lost
    return (lost is not None and lost.time_ns <= scene.head.at_ns) or stale_s(scene, fact) is not None


def answering(scene: Scene, facts: Iterable[DeviceFact]) -> list[DeviceFact]:
    """Those whose last readings are of now."""
    return [fact for fact in facts if not is_silent(scene, fact)]


def history(scene: Scene, key: Key, points: int, span_ns: int) -> list[float]:
    """The mean in `points` bins up to the moment shown. The bins stand on a grid in time: they don't tremble."""
    t0, t1 = grid(scene.head.at_ns, points, span_ns)
    name = f"history {key} {points}"
    values = scene.memo(name, (id(scene.timeline), t1, span_ns), lambda: means(scene, key, t0, t1, points))
    last = scene.timeline.latest(*key, scene.at())
    newest = last.value if last is not None and _old_s(scene, last.time_ns) is None else None
    return with_newest(values, newest, scene.head.at_ns, t0, t1)


def with_newest(values: list[float], newest: float | None, at_ns: int, t0: int, t1: int) -> list[float]:
    """The series is looked up when its pairs of bins move on; until then what is newest goes into its bin."""
    if newest is not None:
        values[(at_ns - t0) * len(values) // (t1 - t0)] = newest
    return values


def grid(at_ns: int, points: int, span_ns: int) -> tuple[int, int]:
    """The range of `points` bins whose last pair holds `at_ns`; two bins share a cell, so it moves by pairs."""
    pair = max(2 * span_ns // points, 2)
    end = at_ns - at_ns % pair + pair
    return end - pair * points // 2, end


def means(scene: Scene, key: Key, t0: int, t1: int, points: int) -> list[float]:
    found: list[float] = known_band(scene, key, t0, t1, points).mean.tolist()
    return found


def known_band(scene: Scene, key: Key, t0: int, t1: int, points: int) -> Band:
    """Without what is after the moment shown: readings hold for a while, but there nothing is known yet."""
    band = scene.timeline.series(key, t0, t1, points)
    later = int(band.times.searchsorted(scene.head.at_ns + (t1 - t0) // points, "right"))
    for column in band[1:]:
        column[later:] = math.nan
    return band


class Condition(NamedTuple):
    """The word for a device's state and its token, and since when it is silent or lost; `·` is nothing to say."""

    word: str
    token: str
    since_ns: int | None = None

    @property
    def text(self) -> str:
        return self.word if self.since_ns is None else f"{self.word} {clock(self.since_ns)}"


def condition(scene: Scene, fact: DeviceFact) -> Condition:
    lost, at = fact.state.lost, scene.head.at_ns
    if lost is not None and lost.time_ns <= at:
        return Condition("✖ lost", "bad", lost.time_ns)  # the reason is among the findings
    age = stale_s(scene, fact)
    if age is not None:
        return Condition("since", "warn", scene.now_ns - int(age * NS_PER_S))
    if fact.found.source == "opencl" and not fact.state.last_ns:  # it lists devices, and reads nothing of them
        return Condition("no counters", "dim")
    if fact.is_host:
        pressure = scene.value(*fact.key("system.pressure.cpu"))
        return Condition("·" if pressure is None else f"psi {pressure:.0%}", "dim")
    words = scene.timeline.states(fact.id)
    for name in ("throttle", "throttle_reasons"):
        state = words.get(name)
        if state is not None and state.time_ns <= at and state.word not in ("", "none", "idle"):
            return Condition(f"▼ {state.word}", "warn")
    return Condition("·", "dim")
