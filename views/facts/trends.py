"""The mean of all devices over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from acceltop.profiler.clock import NS_PER_S
from acceltop.profiler.timeline import Key
from acceltop.views.facts.devices import DeviceFact, device_facts, grid, limit_of, value
from acceltop.views.scene import Scene


@dataclass(frozen=True)
class Trend:
    """`values` are shares of `limit`, or of the highest of them where there is no limit."""

    metric: str
    values: Sequence[float]
    now: float | None
    limit: float | None
    devices: int


def gpu_facts(scene: Scene) -> list[DeviceFact]:
    """Accelerators with readings; on a machine without any, its CPU."""
    facts = [fact for fact in device_facts(scene) if fact.activity]
    return [fact for fact in facts if not fact.is_host] or facts


def trend_metrics(scene: Scene) -> list[str]:
    """What is worth a chart here: how busy, and what its memory does."""
    facts = gpu_facts(scene)
    if not facts or facts[0].activity is None:
        return []
    second = ("hw.gpu.dram.bandwidth", "hw.gpu.memory.usage", "hw.gpu.dram.busy_hint")
    known = next((m for m in second if any(value(scene, fact, m) is not None for fact in facts)), None)
    return [facts[0].activity, *([known] if known else [])]


def trend(scene: Scene, metric: str, points: int, fact: DeviceFact | None = None) -> Trend:
    """Over the time that charts cover; of one device where `fact` is given."""
    facts = [fact] if fact else gpu_facts(scene)
    span = scene.head.history_ns
    pace = min(span // points // 2, 2 * NS_PER_S) or 1  # a chart of hours needs no new look each second
    key = (id(scene.timeline), scene.head.at_ns // pace, span, points, len(facts))
    name = f"trend {metric} {fact.id if fact else ''}"
    return scene.memo(name, key, lambda: _trend(scene, metric, points, facts))


def _trend(scene: Scene, metric: str, points: int, facts: Sequence[DeviceFact]) -> Trend:
    t0, t1 = grid(scene.head.at_ns, points, scene.head.history_ns)
    bands = [_means(scene, fact.key(metric), t0, t1, points) for fact in facts]
    known = np.array(bands) if bands else np.full((1, points), np.nan)
    counts = np.maximum((~np.isnan(known)).sum(axis=0), 1)
    means = np.where(np.isnan(known).all(axis=0), np.nan, np.nansum(known, axis=0) / counts)
    limit = limit_of(scene, facts[0], metric) if facts else None
    high = limit or float(np.nanmax(means, initial=0.0)) or 1.0
    now = [v for fact in facts if (v := value(scene, fact, metric)) is not None]
    return Trend(metric, (means / high).tolist(), sum(now) / len(now) if now else None, limit, len(now))


def _means(scene: Scene, key: Key, t0: int, t1: int, points: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    band = scene.timeline.series(key, t0, t1, points)
    # Readings hold for a while, also past the moment that is shown: there nothing is known yet.
    return np.where(band.times > scene.head.at_ns + (t1 - t0) // points, np.nan, band.mean)
