"""The report's JSON document. Every number is plain SI, with its unit in the key's ending or in the metric registry;
a key of the contract is always there, null where unknown."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from acceltop.profiler.analysis.counters import Counters
from acceltop.profiler.analysis.hotspots import DEVICE, HOST, SAMPLED, Kernel
from acceltop.profiler.analysis.note_list import Said
from acceltop.profiler.analysis.roofline import roofline
from acceltop.profiler.analysis.steps import StepStatistics
from acceltop.profiler.history.subjects import DeviceState, ProcessState
from acceltop.profiler.model import SCHEMA_VERSION, Cost, DeviceFound, Hello, Launch, MemoryStats, ProcessFound

if TYPE_CHECKING:
    from acceltop.profiler.analysis.summary import Summary

_MOST_LINES = 50  # of the stacks
Document = dict[str, Any]


def make(summary: Summary) -> Document:
    """`Summary.document()`."""
    return {key: _finite(value) for key, value in _whole(summary).items()}


def _whole(summary: Summary) -> Document:
    tool = next((hello.tool_version for hello in summary.hellos.values()), "")
    first = summary.hotspots.group or DEVICE
    return {
        "schema_version": SCHEMA_VERSION,
        "tool_version": tool,
        "start_s": _seconds(summary.first_ns),
        "duration_s": _seconds(summary.duration_ns),
        "hosts": [_host(hello) for hello in summary.hellos.values()],
        "host": {"metrics": _metrics(summary.counters.get((None, None)))},
        "devices": [_device(summary, id, state) for id, state in summary.subjects.devices.items()],
        "processes": _processes(summary),
        "steps": _steps(summary.steps),
        "kernels": _kernels(summary, first),
        "kernels_are": first if summary.hotspots.group else None,
        "ops": _kernels(summary, HOST) if first != HOST else [],
        "sampled": _kernels(summary, SAMPLED) if first != SAMPLED else [],
        "copies": [row for row in _kernels(summary, DEVICE) if row["kind"] == "memcpy"],
        "profile": _profile(summary),
        "stacks": _stacks(summary),
        "notes": [_note(said) for said in summary.notes.by_weight()],
        "notes_left_out": summary.notes.left_out,
        "dropped": summary.dropped,
        "invalid": summary.invalid,
        "cost": _worst_cost(summary),
    }


def _host(hello: Hello) -> Document:
    return {"name": hello.host, "os": hello.os, "cpu": hello.cpu, "cloud": hello.cloud}


def _metrics(counters: Counters | None) -> Document:
    if counters is None:
        return {}
    return {
        name: {"last": s.last, "mean": s.mean, "min": s.low, "max": s.high} for name, s in counters.statistics.items()
    }


def _device(summary: Summary, id: str, state: DeviceState) -> Document:
    found, lost = state.found, state.lost
    counters = summary.counters.get((id, None))
    return {
        "id": id,
        "name": found.name,
        "kind": found.kind,
        "vendor": found.vendor,
        "source": found.source,
        "index": found.index,
        "pci": found.pci,
        "memory_bytes": found.memory_bytes,
        "peak_bytes_per_s": found.peak_bytes_per_s,
        "peak_flop_per_s": dict(found.peak_flop_per_s),
        "attributes": dict(found.attributes),
        "metrics": _metrics(counters),
        "states": dict(counters.states) if counters else {},
        "age_s": _seconds(summary.last_ns - counters.last_ns) if counters else None,
        "lost": {"reason": lost.reason, "time_s": _seconds(lost.time_ns)} if lost else None,
    }


def _processes(summary: Summary) -> list[Document]:
    on_devices: dict[int, Document] = {}
    for (device, owner), counters in summary.counters.items():
        if owner is not None and device is not None:
            on_devices.setdefault(owner, {})[device] = _metrics(counters)
    memory: dict[int, list[Document]] = {}
    for (owner, _, _), stats in summary.memory.items():
        memory.setdefault(owner, []).append(_memory(stats))
    known = summary.subjects.processes
    told = {pid for _, pid in summary.counters if pid is not None} | summary.steps_of.keys() | summary.costs.keys()
    unnamed = {pid: ProcessState(ProcessFound(0, pid, "")) for pid in sorted(told - known.keys())}
    return [
        _process(summary, pid, state) | {"on_devices": on_devices.get(pid, {}), "memory": memory.get(pid, [])}
        for pid, state in {**known, **unnamed}.items()
    ]


def _process(summary: Summary, pid: int, state: ProcessState) -> Document:
    found, gone = state.found, state.gone
    cost = summary.costs.get(pid)
    return {
        "pid": pid,
        "command": found.command,
        "user": found.user,
        "container": found.container,
        "rank": found.rank,
        "world_size": found.world_size,
        "framework": found.framework,
        "layers": {layer: list(labels) for layer, labels in found.layers.items()},
        "metrics": _metrics(summary.counters.get((None, pid))),
        "steps": _steps(summary.steps_of[pid]) if pid in summary.steps_of else None,
        "cost": _cost(cost) if cost else None,
        "gone": {"exit_code": gone.exit_code, "reason": gone.reason, "time_s": _seconds(gone.time_ns)}
        if gone
        else None,
    }


def _memory(stats: MemoryStats) -> Document:
    return {
        "source": stats.source,
        "device": stats.device,
        "allocated_bytes": stats.allocated,
        "reserved_bytes": stats.reserved,
        "peak_bytes": stats.peak,
    }


def _steps(steps: StepStatistics) -> Document:
    return {
        "count": steps.count,
        "median_s": _seconds(steps.median_ns),
        "p99_s": _seconds(steps.p99_ns),
        "mean_s": _seconds(steps.mean_ns),
        "max_s": _seconds(steps.durations.max_ns) if steps.count else None,
        "rate_per_s": steps.rate_per_s,
        "last_index": steps.last_index,
        "exact": steps.durations.exact,
        "phases": {phase.name: {"seconds": phase.seconds, "share": phase.share} for phase in steps.phases},
        "slowest": [
            {"index": slow.index, "duration_s": _seconds(slow.duration_ns), "start_s": _seconds(slow.start_ns)}
            for slow in steps.slowest
        ],
    }


def _kernels(summary: Summary, group: str) -> list[Document]:
    return [_kernel(kernel, _device_of(summary, kernel)) for kernel in summary.hotspots.ranked(group)]


def _device_of(summary: Summary, kernel: Kernel) -> DeviceFound | None:
    id = kernel.device or ("cpu" if kernel.kind == "op" else None)
    state = summary.subjects.devices.get(summary.subjects.canonical(id) or "")
    return state.found if state else None


def _kernel(kernel: Kernel, device: DeviceFound | None) -> Document:
    near = roofline(kernel, device)
    return {
        "name": kernel.name,
        "kind": kernel.kind,
        "calls": kernel.calls,
        "total_s": _seconds(kernel.total_ns),
        "share": kernel.share,
        "mean_s": _seconds(kernel.mean_ns),
        "min_s": _seconds(kernel.min_ns),
        "max_s": _seconds(kernel.max_ns),
        "per_step_s": _seconds(kernel.per_step_ns),
        "device": kernel.device,
        "stream": kernel.stream,
        "origin": kernel.origin,
        "op": kernel.op,
        "module": kernel.module,
        "modules": kernel.modules,
        "location": kernel.location,
        "phase": kernel.phase,
        "bytes": kernel.bytes,
        "bytes_per_s": kernel.bytes_per_s,
        "flop_per_s": kernel.flop_per_s,
        "of_memory_peak": near.of_memory,
        "of_compute_peak": near.of_compute,
        "bound": near.bound,
        "launch": _launch(kernel.launch) if kernel.launch else None,
    }


def _launch(launch: Launch) -> Document:
    return {
        "grid": launch.grid or None,
        "block": launch.block or None,
        "registers_per_thread": launch.registers_per_thread,
        "shared_memory_bytes": launch.shared_memory_bytes,
        "occupancy": launch.occupancy,
    }


def _profile(summary: Summary) -> Document:
    """How much of the run was looked at, for the rows in `kernels`."""
    coverage = summary.hotspots.coverage(end_of=summary.end_of)
    return {
        "profiled_s": _seconds(coverage.profiled_ns),
        "span_s": _seconds(coverage.span_ns),
        "share": coverage.ratio,
        "windows": coverage.windows,
        "events": coverage.events,
        "steps": coverage.steps,
        "total_s": _seconds(summary.hotspots.total_ns()),
        "rows_folded": summary.hotspots.folded(),
        "invalid": coverage.invalid,
        "dropped": coverage.dropped,
    }


def _stacks(summary: Summary) -> Document | None:
    totals = summary.stacks
    if not totals.samples:
        return None
    lines = [
        {"function": line.name, "self": line.self_share, "total": line.total_share}
        for line in totals.lines()[:_MOST_LINES]
    ]
    return {"samples": totals.samples, "windows": totals.windows, "errors": totals.errors, "lines": lines}


def _note(said: Said) -> Document:
    note = said.note
    return {
        "level": note.level,
        "code": note.code,
        "text": note.text,
        "next_step": note.next_step,
        "source": note.source,
        "device": note.device,
        "pid": note.pid,
        "count": said.count,
        "first_s": _seconds(said.first_ns),
        "last_s": _seconds(note.time_ns),
    }


def _worst_cost(summary: Summary) -> Document | None:
    return _cost(max(summary.costs.values(), key=lambda cost: cost.ratio)) if summary.costs else None


def _cost(cost: Cost) -> Document:
    return {
        "ratio": cost.ratio,
        "measured": cost.measured,
        "estimated": not cost.measured,
        "pid": cost.pid,
        "budget": cost.budget,
        "inside_s": cost.inside_s,
        "between_s": cost.between_s,
        "away_s": cost.away_s,
        "window_s": _seconds(cost.window_ns),
        "stall_s": _seconds(cost.stall_ns),
        "memory_bytes": cost.memory_bytes,
    }


def _finite(value: Any) -> Any:
    """Sums of absurd numbers may leave the range of floats, and JSON knows no infinity: they are unknown."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def _seconds(ns: float | None) -> float | None:
    return None if ns is None else ns / 1e9
