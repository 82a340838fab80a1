"""The report's tables of devices and of processes."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from typing import Any

from acceltop.profiler.cli.report_table import Cell, Column, Paint, table
from acceltop.profiler.metrics import METRICS
from acceltop.profiler.numbers import UNKNOWN, bar, count, duration, metric, of, percent, shorten, si
from acceltop.profiler.remote.hosts import by_host, own_pid

MOST_DEVICES, MOST_PROCESSES = 16, 16
_BAR = 10
_STALE_S = 5.0
_ACTIVITY = (  # the first that is known; its label stands beside it, since they do not measure the same
    "hw.gpu.sm.active",
    "hw.gpu.graphics.active",
    "hw.gpu.utilization",
    "system.cpu.utilization",
)
_MEMORY = ("hw.gpu.memory.usage", "system.memory.usage")
_OWNED = "process.gpu.memory.usage"
_DEVICE_COLUMNS = (
    Column("device"),
    Column("name", weight=4, least=14),
    Column("", weight=5),
    Column("busy", right=True),
    Column("is"),
    Column("memory", right=True, weight=12),
    Column("tensor", right=True, weight=9),
    Column("DRAM", right=True, weight=10),
    Column("power", right=True, weight=8),
    Column("temp.", right=True, weight=7),
    Column("SM clock", right=True, weight=3),
    Column("NVLink", right=True, weight=2),
    Column("PCIe", right=True, weight=1),
    Column("state", weight=11, least=14),
)
_PROCESS_COLUMNS = (
    Column("pid", right=True),
    Column("rank", right=True),
    Column("process", least=12),
    Column("CPU", right=True, weight=6),
    Column("RSS", right=True, weight=5),
    Column("GPU memory", right=True, weight=4),
    Column("allocated", right=True, weight=2),
    Column("median step", right=True, weight=7),
    Column("cost", right=True, weight=3),
    Column("end", weight=8, least=12),
)
Document = Mapping[str, Any]
_UNNAMED_CPU: Document = {
    "id": "cpu",
    "name": "",
    "vendor": "",
    "kind": "cpu",
    "metrics": {},
    "lost": None,
    "age_s": None,
    "states": {},
}


def device_table(document: Document, width: int, paint: Paint) -> list[str]:
    """One row a device, accelerators first; the host's own counters stand in the row of its CPU."""
    devices = sorted(document["devices"], key=lambda device: device["kind"] == "cpu")
    host = document["host"]["metrics"]
    if host and not any(device["kind"] == "cpu" for device in devices):
        devices.append(_UNNAMED_CPU)
    rows = [_device(device, host if device["id"] == "cpu" else {}) for device in devices[:MOST_DEVICES]]
    lines = table(_DEVICE_COLUMNS, rows, width, paint) if rows else []
    if len(devices) > MOST_DEVICES:
        lines.append(paint(f" + {count(len(devices) - MOST_DEVICES)} more", "dim"))
    return lines


def _device(device: Document, host: Document) -> list[Cell]:
    known = {**host, **device["metrics"]}
    activity = next((name for name in _ACTIVITY if name in known), None)
    busy = known[activity]["mean"] if activity else None
    memory = next((name for name in _MEMORY if name in known), _MEMORY[0])
    return [
        Cell(_short_id(device)),
        Cell(device["name"].removeprefix(f"{device['vendor']} ")),
        Cell("" if busy is None else bar(busy, _BAR), "sm"),
        Cell("" if busy is None else percent(busy)),
        Cell(METRICS[activity].label if activity else "", "dim"),
        Cell(_value(known, memory, "max", device.get("memory_bytes"))),
        Cell(_value(known, "hw.gpu.tensor.active")),
        Cell(_dram(device, known)),
        Cell(_value(known, "hw.power")),
        Cell(_value(known, "hw.temperature", "max")),
        Cell(_value(known, "hw.gpu.clock.sm")),
        Cell(_link(known, "hw.gpu.nvlink")),
        Cell(_link(known, "hw.gpu.pcie")),
        _state(device, known),
    ]


def _short_id(device: Document) -> str:
    """`gpu 3`, `opencl 0`, `cpu`: as the tools of its vendor call it, where they have a number for it."""
    index, id = device.get("index"), device["id"]
    if index is None:
        return shorten(id, 16)
    return f"opencl {index}" if id.startswith("opencl:") else f"{shorten(device['kind'], 11)} {index}"


def _value(known: Document, name: str, which: str = "mean", limit: float | None = None) -> str:
    """A metric beside its limit, or nothing where it is unknown."""
    if name not in known:
        return ""
    held_by = METRICS[name].limit
    if held_by is not None and held_by in known:
        limit = known[held_by]["last"]
    return metric(name, known[name][which], limit)


def _dram(device: Document, known: Document) -> str:
    rate = known.get("hw.gpu.dram.bandwidth")
    if rate is not None:
        return of(rate["mean"], device.get("peak_bytes_per_s"), "B/s")
    share = known.get("hw.gpu.dram.active")
    if share is not None:
        return percent(share["mean"])
    hint = known.get("hw.gpu.dram.busy_hint")
    return f"≤ {percent(hint['mean'])}" if hint is not None else ""


def _link(known: Document, link: str) -> str:
    ways = [known[f"{link}.{way}"]["mean"] for way in ("transmit", "receive") if f"{link}.{way}" in known]
    return si(max(ways), "B/s") if ways else ""


def _state(device: Document, known: Document) -> Cell:
    """What is wrong, or else what presses."""
    if device["lost"]:
        return Cell(f"▼ lost: {device['lost']['reason']}", "error")
    throttle = device["states"].get("throttle", "")
    if throttle and throttle != "none":
        return Cell(f"▼ {throttle}", "warning")
    if device["age_s"] is not None and device["age_s"] > _STALE_S:
        return Cell(f"▼ silent for {duration(device['age_s'] * 1e9)}", "warning")
    if known.get("hw.errors.ecc.uncorrected", {}).get("last"):
        return Cell("▼ ECC errors", "error")
    if not known:
        return Cell("no counters", "dim")
    waits = {name: known.get(f"system.pressure.{name}", {}).get("mean", 0.0) for name in ("cpu", "memory", "io")}
    return Cell(", ".join(f"{name} psi {percent(share)}" for name, share in waits.items() if share >= 0.01))


def process_table(document: Document, width: int, paint: Paint) -> list[str]:
    """One row a process of which more is known than that it exists; empty without any."""
    known = [process for process in document["processes"] if process["metrics"] or process["steps"] or process["gone"]]
    lines = (
        table(_PROCESS_COLUMNS, [_process(process) for process in known[:MOST_PROCESSES]], width, paint)
        if known
        else []
    )
    if len(known) > MOST_PROCESSES:
        lines.append(paint(f" + {count(len(known) - MOST_PROCESSES)} more", "dim"))
    return lines


def _process(process: Document) -> list[Cell]:
    steps, cost = process["steps"], process["cost"]
    on_devices = [known[_OWNED] for known in process["on_devices"].values() if _OWNED in known]
    return [
        Cell(str(own_pid(process["pid"]))),
        Cell("" if process["rank"] is None else str(process["rank"])),
        Cell(_command(process["command"])),
        Cell(_value(process["metrics"], "process.cpu.utilization")),
        Cell(_value(process["metrics"], "process.memory.usage", "max")),
        Cell(si(sum(known["max"] for known in on_devices), "B") if on_devices else ""),
        Cell(_allocated(process["memory"])),
        Cell("" if not steps or steps["median_s"] is None else duration(steps["median_s"] * 1e9)),
        Cell("" if not cost else percent(max(cost["ratio"], 0.0))),
        _end(process["gone"]),
    ]


def _command(command: str) -> str:
    """Without the folders of the program and of its script, which push out the arguments."""
    host, (program, *arguments) = by_host(command)
    words = [
        word.rsplit("/", 1)[-1] if word is program or word.endswith(".py") else word for word in (program, *arguments)
    ]
    return " ".join([*host, *words]) or UNKNOWN


def _allocated(memory: Sequence[Document]) -> str:
    """The framework's own highest count, of all its devices."""
    peaks = [stats["peak_bytes"] or stats["allocated_bytes"] for stats in memory]
    known = [peak for peak in peaks if peak is not None]
    return si(sum(known), "B") if known else ""


def _end(gone: Document | None) -> Cell:
    if gone is None:
        return Cell("")
    reason = gone["reason"] or ""
    code = gone["exit_code"]
    if code is None:
        return Cell(reason.partition(";")[0] or "ended")
    how = _signal(-code) if code < 0 else f"exit code {code}"
    return Cell(f"▼ {how}" if code else how, "error" if code else "")


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
