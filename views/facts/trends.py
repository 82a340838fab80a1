"""The mean of all devices over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from acceltop.views.facts.devices import DeviceFact, device_facts, grid, limit_of, means, value, with_newest
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
    span, at = scene.head.history_ns, scene.head.at_ns
    t0, t1 = grid(at, points, span)
    key = (id(scene.timeline), t0, t1, len(facts))
    name = f"trend {metric} {points} {fact.id if fact else ''}"
    values = scene.memo(name, key, lambda: _values(scene, metric, points, facts, t0, t1))
    known = [v for fact in facts if (v := value(scene, fact, metric)) is not None]
    now = sum(known) / len(known) if known else None
    limit = limit_of(scene, facts[0], metric) if facts else None
    shares = with_newest(values, now, at, t0, t1)
    high = limit or max((v for v in shares if v == v), default=0.0) or 1.0
    return Trend(metric, [v / high for v in shares], now, limit, len(known))


def _values(scene: Scene, metric: str, points: int, facts: Sequence[DeviceFact], t0: int, t1: int) -> list[float]:
    known = np.array([means(scene, fact.key(metric), t0, t1, points) for fact in facts] or [[np.nan] * points])
    counts = np.maximum((~np.isnan(known)).sum(axis=0), 1)
    mean: list[float] = np.where(np.isnan(known).all(axis=0), np.nan, np.nansum(known, axis=0) / counts).tolist()
    return mean
