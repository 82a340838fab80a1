"""The mean of all devices over time, and the band between the lowest and the highest of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from acceltop.views.facts.devices import (
    DeviceFact,
    answering,
    chart,
    device_facts,
    limit_of,
    value,
)
from acceltop.views.scene import Scene


@dataclass(frozen=True)
class Trend:
    """`low`, `mean` and `high` are shares of `limit`, or of the highest of them where there is no limit."""

    metric: str
    low: Sequence[float]
    mean: Sequence[float]
    high: Sequence[float]
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
    name = f"trend {metric} {points} {fact.id if fact else ''}"
    band = chart(scene, name, [each.keys[metric] for each in facts], points, scene.head.history_ns)
    known = [v for fact in answering(scene, facts) if (v := value(scene, fact, metric)) is not None]
    limit = limit_of(scene, facts[0], metric) if facts else None
    top = limit or max((v for v in band.high if v == v), default=0.0) or 1.0
    low, mean, high = scene.memo(f"{name} shares", (band, top), lambda: [[v / top for v in values] for values in band])
    return Trend(metric, low, mean, high, sum(known) / len(known) if known else None, limit, len(known))
