"""More devices than rows: those of a host in one row, and below it those with which something is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from acceltop.profiler.clock import NS_PER_S
from acceltop.views.facts.devices import (
    DeviceFact,
    answering,
    chart,
    conditions,
    device_facts,
    history,
    limit_of,
    share_of,
    value,
)
from acceltop.views.scene import Scene

# Where the worst device says more than the mean of all.
_WORST: dict[str, Callable[[Sequence[float]], float]] = {
    "hw.gpu.memory.usage": max,
    "hw.temperature": max,
    "hw.gpu.clock.sm": min,
}
_SEVERITY = {"bad": 0, "warn": 1}
_OF_MEMBER = {"since": "silent"}  # since when is said in the row of the member


@dataclass(frozen=True)
class DeviceGroup:
    """Devices of one host; `label` is what the row is called, `measured` are those that its figures are of."""

    label: str
    members: tuple[DeviceFact, ...]
    measured: tuple[DeviceFact, ...]

    @property
    def id(self) -> str:
        return f"group {self.members[0].host} {self.members[0].id}"

    @property
    def activity(self) -> str | None:
        return next((fact.activity for fact in self.measured if fact.activity), None)


DeviceRow: TypeAlias = DeviceFact | DeviceGroup


def several_hosts(scene: Scene) -> bool:
    return len({fact.host for fact in device_facts(scene)}) > 1


def device_rows(scene: Scene, opened: Collection[str], grouped: bool, crowded: bool = False) -> Sequence[DeviceRow]:
    """All devices; `grouped`: by host, and of the groups that are not in `opened` only what is wrong.

    `crowded`: not all rows will be in sight, so what is lost or silent comes first.
    """
    if not grouped:
        return device_facts(scene)
    # Also without a reading a device can become wrong: it has been silent for too long.
    key = (scene.seen("DeviceFound", "DeviceLost", "Sample"), scene.now_ns // NS_PER_S, tuple(opened), crowded)
    return scene.memo("device rows", key, lambda: _rows(scene, opened, crowded))


def _rows(scene: Scene, opened: Collection[str], crowded: bool) -> list[DeviceRow]:
    groups = _groups(scene)
    if crowded:
        groups.sort(key=lambda group: len(answering(scene, group.members)) == len(group.members))
    return [row for group in groups for row in _with_members(scene, group, group.id in opened, crowded)]


def _with_members(scene: Scene, group: DeviceGroup, is_open: bool, crowded: bool) -> Sequence[DeviceRow]:
    if len(group.members) == 1 and not group.members[0].host:
        return group.members
    told = conditions(scene)
    shown = [fact for fact in group.members if is_open or told[fact.id].token in _SEVERITY]
    if crowded:
        shown.sort(key=lambda fact: not told[fact.id].is_silent)
    return [group, *shown]


def _groups(scene: Scene) -> list[DeviceGroup]:
    """A row a host; on a single host its accelerators are one, and each other device stands for itself."""
    facts = device_facts(scene)
    if several_hosts(scene):
        hosts = dict.fromkeys(fact.host for fact in facts)
        return [_group(scene, host, [fact for fact in facts if fact.host == host]) for host in hosts]
    alike = [fact for fact in facts if fact.found.kind == "gpu"]
    rest = [_group(scene, fact.label, [fact]) for fact in facts if fact.found.kind != "gpu"]
    return [_group(scene, f"{len(alike)} GPUs", alike), *rest] if alike else rest


def _group(scene: Scene, label: str, members: Sequence[DeviceFact]) -> DeviceGroup:
    """Its figures are of its accelerators, without any of its CPU; of those that answer, while any does."""
    measured = [fact for fact in members if not fact.is_host] or members
    return DeviceGroup(label, tuple(members), tuple(answering(scene, measured) or measured))


# --- the figures of a row


def row_value(scene: Scene, row: DeviceRow, metric: str | None) -> float | None:
    """Of a group the mean, or the worst where that says more."""
    if isinstance(row, DeviceFact):
        return value(scene, row, metric)
    known = _known(scene, row, metric)
    return _WORST.get(metric or "", _mean)(known) if known else None


def row_lowest(scene: Scene, row: DeviceRow, metric: str | None) -> float | None:
    """The lowest in a group; None for a device."""
    known = _known(scene, row, metric) if isinstance(row, DeviceGroup) else []
    return min(known, default=None)


def _known(scene: Scene, group: DeviceGroup, metric: str | None) -> list[float]:
    if metric is None:
        return []
    read, at = scene.timeline.value, scene.head.cursor
    return [amount for fact in group.measured if (amount := read(fact.keys[metric], at)) is not None]


def row_limit(scene: Scene, row: DeviceRow, metric: str) -> float | None:
    return limit_of(scene, row if isinstance(row, DeviceFact) else row.measured[0], metric)


def row_ratio(scene: Scene, row: DeviceRow, metric: str) -> float | None:
    """As a share of the limit."""
    return share_of(row_value(scene, row, metric), row_limit(scene, row, metric))


def row_history(scene: Scene, row: DeviceRow, points: int, span_ns: int) -> list[float]:
    """How busy it was; of a group the mean."""
    if isinstance(row, DeviceFact):
        return history(scene, row.keys[row.activity], points, span_ns) if row.activity else []
    keys = [fact.keys[fact.activity] for fact in row.measured if fact.activity]
    return chart(scene, ("history of", row.id, points), keys, points, span_ns).mean


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan


class RowState(NamedTuple):
    """The word and its token; `is_stale`: nothing has come from it for a while, or never will again."""

    word: str
    token: str
    is_stale: bool


def row_state(scene: Scene, row: DeviceRow) -> RowState:
    """Of a group that of its worst member, and how many more there are."""
    known = conditions(scene)
    if isinstance(row, DeviceFact):
        found = known[row.id]
        return RowState(found.text, found.token, found.is_silent)
    told = [(fact, known[fact.id]) for fact in row.members]
    wrong = sorted((one for one in told if one[1].token in _SEVERITY), key=lambda one: _SEVERITY[one[1].token])
    if not wrong:
        return RowState("·", "dim", False)
    fact, worst = wrong[0]
    more = f" +{len(wrong) - 1}" if len(wrong) > 1 else ""
    is_stale = all(found.is_silent for _, found in told)
    return RowState(f"{_OF_MEMBER.get(worst.word, worst.word)} {fact.label}{more}", worst.token, is_stale)
