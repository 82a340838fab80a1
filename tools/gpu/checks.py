"""The measurements on a `Run`. Each raises Failed (one line) when it can't be made, and no other one suffers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from statistics import median
from typing import Any

from benchmarks.job import Failed
from tools.gpu.kernels import document, hottest
from tools.gpu.result import Result
from tools.gpu.run import Run

from acceltop.profiler.numbers import count, duration, percent, shorten, size

MOST_KERNELS = 12
AFTERMATH_NS = 100_000_000  # after a window its records are read: such steps are neither inside nor between
PAUSE_NS = 1_200_000_000  # windows follow each other at most so soon: gaps beyond twice that are the agent's own pauses
Span = tuple[int, int]


def machine(run: Run, cuda: bool) -> Result:
    """What it all ran on."""
    result = Result("machine")
    for device in run.of("DeviceFound"):
        if device.get("device_kind", device.get("kind")) == "gpu" or not cuda:
            words = [f"{key} {value}" for key, value in device.get("attributes", {}).items() if len(value) < 24]
            result.row("device", device["name"], ", ".join(words[:4]))
    for process in run.of("ProcessFound")[-1:]:
        result.row("job", process.get("framework") or "?", "; ".join(sum(process.get("layers", {}).values(), [])))
        result.data["layers"] = process.get("layers", {})
    return result


def kernels(run: Run, cuda: bool) -> Result:
    """The report's first rows. On a GPU they must be kernels of the device."""
    whole = document(run.frames)
    found, result = hottest(run.frames), Result("kernels")
    if cuda and whole["kernels_are"] != "device":
        raise Failed(f"the windows hold no kernels of the device, only rows of kind {found[0]['kind']}")
    for kernel in found[:MOST_KERNELS]:
        made = f"made by {kernel['origin'] or '?'}, {count(kernel['calls'])} calls, by {kernel['op'] or '?'}"
        result.row(shorten(kernel["name"], 60), percent(kernel["share"]), made)
    profile = whole["profile"]
    seen = f"{count(profile['events'])} events, {profile['invalid']} invalid, {profile['dropped']} dropped"
    result.row("seen", f"{percent(profile['share'])} of the time", f"{profile['windows']} windows, {seen}")
    result.data |= {"kernels": found[:MOST_KERNELS], "profile": profile, "kernels_are": whole["kernels_are"]}
    return result


def pause(run: Run, _cuda: bool) -> Result:
    """How long the job stood while it was entered, as acceltop says, and the longest step around that moment."""
    note = next((note for note in run.of("Note") if note["code"] == "agent.attached"), None)
    if note is None:
        raise Failed("acceltop did not say that it attached")
    said = re.search(r"stood still for ([\d.]+) ms", note["text"])
    second = 1_000_000_000
    around = _longest(run.within(run.attached[0], note["time_ns"] + second))
    result = Result("attaching")
    still = float(said[1]) / 1e3 if said else None
    result.row("pause", duration(still and still * 1e9), note["text"], pause_s=still)
    result.row("longest step around it", duration(around), _usual(run), longest_step_s=around / 1e9)
    return result


def first_window(run: Run, _cuda: bool) -> Result:
    """The first window's stall: what the steps that it touched took beyond the usual."""
    first = run.of("KernelWindow")[0]
    touched = _touching(run.within(*run.attached), [(first["t0_ns"], first["t1_ns"])])
    if not touched:
        raise Failed("no whole step ran in the first window")
    usual = median(b - a for a, b in run.within(*run.before))
    stall = sum(b - a for a, b in touched) - usual * len(touched)
    result = Result("first window")
    lasted = duration(first["profiled_ns"])
    result.row("stall", duration(stall), f"over {len(touched)} steps, window of {lasted}", stall_s=stall / 1e9)
    stalls = [cost["stall_ns"] for cost in run.of("Cost") if "stall_ns" in cost]
    if stalls:
        result.row("longest start or stop of a window", duration(max(stalls)), "by the agent", stall_ns=max(stalls))
    return result


def step_time(run: Run, _cuda: bool) -> Result:
    """Before, inside and between windows, in the agent's own pauses, and after detaching, by the job's own clock."""
    windows = [(window["t0_ns"], window["t1_ns"]) for window in run.of("KernelWindow")]
    attached = run.within(windows[0][0], windows[-1][1])
    near = _touching(attached, [(a, b + AFTERMATH_NS) for a, b in windows])
    gaps = [(a[1], b[0]) for a, b in zip(windows, windows[1:], strict=False) if b[0] - a[1] > 2 * PAUSE_NS]
    paused = [step for step in attached if any(a + AFTERMATH_NS < step[0] and step[1] < b for a, b in gaps)]
    usual = median(b - a for a, b in run.within(*run.before))
    stretches = {
        "before attaching": run.within(*run.before),
        "attached, all steps": attached,
        "inside windows": _touching(attached, windows),
        "between windows": [step for step in attached if step not in set(near)],
        "in long pauses of windows": paused,
        "after detaching": run.within(*run.after),
    }
    result = Result("step time")
    for name, steps in stretches.items():
        _stretch(result, name, steps, usual)
    last = run.of("Cost")[-1]
    how = "measured" if last.get("measured") else "estimated"
    result.row("cost by the agent", percent(last["ratio"]), f"{how}, budget {percent(last.get('budget'))}", cost=last)
    return result


def memory(run: Run, _cuda: bool) -> Result:
    """Growth of the job's resident memory while windows came and went."""
    times = [window["t1_ns"] for window in run.of("KernelWindow")]
    if len(times) < 3:
        raise Failed(f"{len(times)} windows are too few")
    half = times[len(times) // 2]
    first, middle, last = (_resident(run, at) for at in (times[0], half, times[-1]))
    before = _resident(run, run.before[0])
    later = len(times) - len(times) // 2 - 1
    result = Result("memory of the job")
    result.row("before attaching", size(before), before_bytes=before)
    grown = last - first
    result.row(f"growth over {len(times)} windows", size(grown), f"first window: {size(first - before)}", growth=grown)
    result.row("by window, later half", size((last - middle) / later), by_window_bytes=(last - middle) / later)
    allocated = [stats["reserved"] for stats in run.frames if stats["kind"] == "MemoryStats" and "reserved" in stats]
    if allocated:
        result.row("reserved on the GPU", size(allocated[-1]), f"at first {size(allocated[0])}", reserved=allocated[-1])
    return result


def leaving(run: Run, _cuda: bool) -> Result:
    """The agent goes, a second attach sees kernels again, and the job ends well, without a word on stderr."""
    result = Result("leaving")
    if run.gone_s is None:
        raise Failed(run.problems[0] if run.problems else "acceltop was not detached")
    result.row("agent gone after", duration(run.gone_s * 1e9), gone_s=run.gone_s)
    again = document(run.again)
    rows = f"{len(again['kernels'])} rows of kind {again['kernels_are']}"
    result.row("second attach", f"{again['profile']['windows']} windows", rows, again=again["kernels_are"])
    said = run.errors.strip().splitlines()
    result.row("job's end", f"code {run.exit_code}", said[-1] if said else "nothing on stderr", stderr=said[:20])
    return result


def problems(run: Run, _cuda: bool) -> Result:
    """What went wrong in the run itself, and acceltop's own warnings."""
    result = Result("problems")
    for problem in run.problems:
        result.row("run", "!", problem)
    for note in {n["code"]: n for n in run.frames if n["kind"] == "Note" and n["level"] != "info"}.values():
        result.row(note["code"], note["level"], note["text"])
    if not result.rows:
        result.row("run", "none")
    return result


def _touching(steps: Iterable[Span], spans: list[Span]) -> list[Span]:
    return [(a, b) for a, b in steps if any(a < end and begin < b for begin, end in spans)]


def _longest(steps: list[Span]) -> int:
    return max(b - a for a, b in steps)


def _usual(run: Run) -> str:
    return f"before: median {duration(median(b - a for a, b in run.within(*run.before)))}"


def _stretch(result: Result, name: str, steps: list[Span], usual: float) -> None:
    if not steps:
        result.row(name, "–", "no steps")
        return
    took = [b - a for a, b in steps]
    middle, mean = median(took), sum(took) / len(took)
    remark = f"× {middle / usual:.3f}; mean × {mean / usual:.3f}, worst {duration(max(took))}, {count(len(took))} steps"
    seconds: dict[str, Any] = {"median_s": middle / 1e9, "mean_s": mean / 1e9, "worst_s": max(took) / 1e9}
    result.row(name, duration(middle), remark, **{name: seconds})


def _resident(run: Run, at_ns: int) -> int:
    """Bytes at the look that is nearest in time."""
    if not run.memory:
        raise Failed("the job's memory could not be read")
    return min(run.memory, key=lambda look: abs(look[0] - at_ns))[1]


ON_RUN = (machine, kernels, pause, first_window, step_time, memory, leaving, problems)
