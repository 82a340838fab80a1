"""Counters and kernels against work whose size is known beforehand."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import mean
from typing import Any

from benchmarks.job import Failed, Job, Steps
from benchmarks.watch import Watch
from tools.gpu.kernels import hottest
from tools.gpu.result import Result
from tools.gpu.sizes import CPU, GPU, Sizes

from acceltop.profiler.numbers import percent, si

SETTLED = 2  # the first readings of counters reach back to before
DRAM, DRAM_SHARE, TENSOR, SM = "hw.gpu.dram.bandwidth", "hw.gpu.dram.active", "hw.gpu.tensor.active", "hw.gpu.sm.active"


@dataclass(frozen=True)
class Seen:
    """A job and what acceltop said of it meanwhile; `counters` are means, of the busiest device."""

    steps: Steps
    counters: dict[str, float]
    device: dict[str, Any]
    frames: list[dict[str, Any]]


def copy(seconds: float, cuda: bool) -> Result:
    """Bytes a second by the copying job's own clock, by GPM, and by the recorded copies."""
    return copied(_watch("tools.gpu.known_copy", seconds), GPU if cuda else CPU, cuda)


def copied(seen: Seen, sizes: Sizes, cuda: bool) -> Result:
    """What was seen of the copying job, beside the known."""
    known = sizes.copy_bytes / seen.steps.mean
    result = Result("known copy")
    result.row("by the job's own clock", si(known, "B/s"), bytes_per_s=known)
    # CUDA counts a copied byte once, the memory twice: it is read and written.
    result.rows += [_kernel(seen, "bytes_per_s", known / 2, "B/s")] if cuda else [("by windows", *_top(seen))]
    counted = seen.counters.get(DRAM)
    if counted is None:
        result.row("by GPM", "–", "no GPM here: the comparison is left out")
    else:
        result.row("by GPM", si(counted, "B/s"), f"× {counted / known:.3f} of the known", gpm_bytes_per_s=counted)
    if DRAM_SHARE in seen.counters:
        result.row("DRAM busy by GPM", percent(seen.counters[DRAM_SHARE]), dram_active=seen.counters[DRAM_SHARE])
    return result


def product(seconds: float, cuda: bool) -> Result:
    """FLOP a second by the multiplying job's own clock as a share of the device's peak, beside the tensor counter."""
    return multiplied(_watch("tools.gpu.known_product", seconds), GPU if cuda else CPU)


def multiplied(seen: Seen, sizes: Sizes) -> Result:
    """What was seen of the multiplying job, beside the known."""
    known = sizes.product_flop / seen.steps.mean
    peak = seen.device.get("peak_flop_per_s", {}).get("bf16")
    share = f"{percent(known / peak)} of the peak {si(peak, 'FLOP/s')}" if peak else "no peak is known"
    result = Result("known matrix product")
    result.row("by the job's own clock", si(known, "FLOP/s"), share, flop_per_s=known, peak_flop_per_s=peak)
    result.rows.append(("by windows", *_top(seen)))
    for label, name in (("tensor active by GPM", TENSOR), ("SM active by GPM", SM)):
        value = seen.counters.get(name)
        result.row(label, percent(value), "" if value is not None else "no GPM here", **{name: value})
    return result


def _watch(module: str, seconds: float) -> Seen:
    with Job(module, warm_steps=3) as job, Watch(job.pid) as watch:
        watch.wait_for("KernelWindow", timeout_s=60.0)
        begin = time.time_ns()
        time.sleep(seconds)
        end = time.time_ns()
        watch.detach()
        steps, frames = job.steps(begin, end), watch.frames()
    counters = _counters([f for f in frames if f["kind"] == "Sample" and begin < f["time_ns"] <= end])
    device, values = max(counters.items(), key=lambda item: item[1].get(SM, 0.0), default=("", {}))
    found = (f for f in frames if f["kind"] == "DeviceFound" and f["device"] == device)
    return Seen(steps, values, next(found, {}), frames)


def _counters(samples: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Device → counter → mean."""
    values: dict[str, dict[str, list[float]]] = {}
    for sample in samples:
        if sample.get("device") and not sample.get("pid"):
            for name, value in sample["values"].items():
                values.setdefault(sample["device"], {}).setdefault(name, []).append(value)
    return {
        device: {name: mean(series[SETTLED:] or series) for name, series in of.items()} for device, of in values.items()
    }


def _kernel(seen: Seen, field: str, known: float, unit: str) -> tuple[str, str, str]:
    """The busiest recorded kernel's own rate against the known."""
    top = hottest(seen.frames)[0]
    rate = top[field]
    if rate is None:
        raise Failed(f"the busiest kernel, {top['name']}, has no {field}")
    return "by windows", si(rate, unit), f"× {rate / known:.3f} of the known: {top['name']}"


def _top(seen: Seen) -> tuple[str, str]:
    top = hottest(seen.frames)[0]
    return percent(top["share"]), f"{top['name']}, made by {top['origin'] or '?'}"
