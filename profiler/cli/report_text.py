"""The report as text: what people paste into an issue. Read from top to bottom it is one argument: which job, on what,
what the devices do, what a step costs, which kernels, what was seen on the way, and how far all this can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from statistics import median
from typing import Any

from acceltop.profiler import numbers
from acceltop.profiler.analysis.names import labels, short_name
from acceltop.profiler.analysis.steps import LATE, own_time
from acceltop.profiler.cli.report_devices import device_table, process_table
from acceltop.profiler.cli.report_table import (
    Cell,
    Column,
    Paint,
    flowing,
    heading,
    painter,
    table,
    wrapped,
)
from acceltop.profiler.model import LAYERS
from acceltop.profiler.numbers import UNKNOWN, bar, count, duration, percent, size
from acceltop.profiler.remote.hosts import by_host, own_pid, script_name
from acceltop.profiler.text import clean

NARROWEST, WIDEST = 80, 160
MOST_KERNELS, MOST_OTHERS, MOST_LINES = 15, 6, 8
_BAR = 8
_MARKS = {"error": "▲", "warning": "▲"}
_ASCII = {ord(char): plain for char, plain in zip("─·–…▲▼●▸→×µ≤°█▉▊▋▌▍▎▏", "-|-~!v*>>xu< #####...", strict=True)}
Document = Mapping[str, Any]


def render(
    document: Document, width: int = 100, colour: bool = False, ascii_only: bool = False, reading: bool = False
) -> str:
    """The report, `width` columns wide (80 to 160), in colour or plain; ends with a newline.

    `reading`: the document is one reading, which looks into no process.
    """
    document = _cleaned(document)
    width = min(max(width, NARROWEST), WIDEST)
    paint = painter(colour)
    inside = (_steps, _kernels, _copies, _more_kernels, _stacks)
    sections = (_title, _devices, _processes, *(() if reading else inside), _notes, _measurement)
    blocks = [lines for section in sections if (lines := section(document, width, paint))]
    text = "\n\n".join("\n".join(line.rstrip() for line in block) for block in blocks) + "\n"
    return text.translate(_ASCII).encode("ascii", "replace").decode() if ascii_only else text


def _cleaned(value: Any) -> Any:
    """The same document with all its strings fit for a terminal: names in it come from anywhere."""
    if isinstance(value, Mapping):
        return {clean(key): _cleaned(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    return clean(value) if isinstance(value, str) else value


def _title(document: Document, width: int, paint: Paint) -> list[str]:
    hosts = ", ".join(host["name"] for host in document["hosts"]) or "unknown host"
    when = _time(document["start_s"])
    left = f" acceltop {document['tool_version']}".rstrip() + f"  {hosts}{_job(document)}"
    right = f"{when} · {_seconds(document['duration_s'])}"
    left = numbers.shorten(left, width - numbers.cells(right) - 3)
    lines = [paint(left, "bold") + " " * (width - numbers.cells(left) - numbers.cells(right) - 1) + paint(right, "dim")]
    return lines + flowing(_layers(document), width, paint)


def _job(document: Document) -> str:
    processes = document["processes"]
    if not processes:
        return ""
    first = processes[0]
    ranks = f" · {len(processes)} processes" if len(processes) > 1 else ""
    name = " ".join([*by_host(first["command"])[0], script_name(first["command"])])
    return f" ▸ {name} pid {own_pid(first['pid'])}{ranks}"


def _layers(document: Document) -> list[tuple[str, str]]:
    """The five layers; who made the kernels, by time, says more than which compilers are loaded."""
    merged: dict[str, list[str]] = {layer: [] for layer in LAYERS}
    for process in document["processes"]:
        for layer in LAYERS:
            merged[layer] += [told for told in process["layers"].get(layer, ()) if told not in merged[layer]]
    if not merged["framework"]:
        merged["framework"] = list(dict.fromkeys(p["framework"] for p in document["processes"] if p["framework"]))
    merged["cloud"] = merged["cloud"] or [host["cloud"] for host in document["hosts"] if host["cloud"]]
    merged["hardware"] = merged["hardware"] or list(dict.fromkeys(h["cpu"] for h in document["hosts"] if h["cpu"]))
    shown = {layer: " · ".join(merged[layer]) for layer in LAYERS if merged[layer]}
    if made := _makers(document["kernels"]):
        shown["made by"] = made
    return list(shown.items())


def _makers(kernels: Sequence[Document]) -> str:
    shares: dict[str, float] = {}
    for kernel in kernels:
        if kernel["origin"]:
            shares[kernel["origin"]] = shares.get(kernel["origin"], 0.0) + kernel["share"]
    top = sorted(shares.items(), key=lambda item: -item[1])[:4]
    return "  ".join(f"{maker} {share:.0%}" for maker, share in top if share >= 0.005)


def _devices(document: Document, width: int, paint: Paint) -> list[str]:
    title = heading("devices", f"mean of {_seconds(document['duration_s'])} · memory, temp.: highest", width, paint)
    lines = device_table(document, width, paint)
    return [title, *(lines or [" no device was read"])]


def _processes(document: Document, width: int, paint: Paint) -> list[str]:
    lines = process_table(document, width, paint)
    return [heading("processes", "mean · memory highest", width, paint), *lines] if lines else []


def _steps(document: Document, width: int, paint: Paint) -> list[str]:
    steps = document["steps"]
    if not steps["count"]:
        return [heading("steps", "", width, paint), " no training step was seen"]
    note = "" if steps["exact"] else " · quantiles within 0.5 %"
    title = heading("steps", f"{count(steps['count'])} steps{note}", width, paint)
    slowest = f"{_seconds(steps['max_s'])} (step {count(steps['slowest'][0]['index'])})"
    rate = UNKNOWN if steps["rate_per_s"] is None else f"{numbers.three(steps['rate_per_s'])} steps/s"
    facts = [("median", _seconds(steps["median_s"])), ("p99", _seconds(steps["p99_s"])), ("slowest", slowest)]
    facts += [("rate", rate), *_slowest_rank(document["processes"])]
    return [title, *flowing(facts, width, paint), *_phases(steps["phases"], width, paint)]


def _slowest_rank(processes: Sequence[Document]) -> list[tuple[str, str]]:
    """The rank that holds the others back, if one takes longer than they do."""
    own = {p["pid"]: _own_s(p["steps"]) for p in processes if p["steps"] and p["steps"]["median_s"]}
    if len(own) < 2:
        return []
    slowest = max(own, key=lambda pid: own[pid])
    typical = median(own.values())
    if own[slowest] < LATE * typical:
        return []
    rank = next(p["rank"] for p in processes if p["pid"] == slowest)
    label, who = ("slowest process", slowest) if rank is None else ("slowest rank", rank)
    return [(label, f"{who}: {_seconds(own[slowest])}, {_seconds(own[slowest] - typical)} over the median")]


def _own_s(steps: Document) -> float:
    waiting = steps["phases"].get("communication")
    return own_time(steps["median_s"], waiting["share"] if waiting else 0.0)


def _phases(phases: Document, width: int, paint: Paint) -> list[str]:
    room = min(40, width - 50)
    rows = [
        [
            Cell(name),
            Cell(bar(phase["share"], room), "sm"),
            Cell(percent(phase["share"])),
            Cell(_seconds(phase["seconds"])),
        ]
        for name, phase in phases.items()
    ]
    columns = (Column("phase"), Column("share of a step"), Column("", right=True), Column("a step", right=True))
    return table(columns, rows, width, paint) if rows else []


_KERNEL_COLUMNS = (
    Column("share"),
    Column("", right=True),
    Column("kernel", least=28),
    Column("made by", weight=7),
    Column("calls", right=True, weight=3),
    Column("mean", right=True, weight=4),
    Column("a step", right=True, weight=5),
    Column("memory", right=True, weight=2),
    Column("compute", right=True, weight=1),
    Column("bound", weight=8),
    Column("where", weight=6, least=12),
)
_WHAT = {"device": "on the devices", "host": "CPU ops, self time", "sampled": "sampled on the CPU"}


def _kernels(document: Document, width: int, paint: Paint) -> list[str]:
    kernels = document["kernels"]
    if not kernels:
        return [heading("kernels", "", width, paint), *_why_none(document, width)]
    rows = _kernel_rows(kernels, MOST_KERNELS, width, paint)
    peaks = " · memory, compute: of peak" if "compute" in rows[0] else ""
    what = f"{_WHAT[document['kernels_are']]} · {_looked_at(document['profile'])}{peaks}"
    return [heading("kernels", what, width, paint), *rows]


def _why_none(document: Document, width: int) -> list[str]:
    if not document["processes"]:
        return [" no process was attached"]
    return wrapped("no kernels were recorded: the notes say why, where it is known", width, " ", " ")


def _looked_at(profile: Document) -> str:
    windows = f"{count(profile['windows'])} window{'' if profile['windows'] == 1 else 's'}"
    if profile["share"] is None:
        return windows
    return f"{percent(profile['share'])} of {_seconds(profile['span_s'])} looked at, in {windows}"


def _kernel_rows(kernels: Sequence[Document], most: int, width: int, paint: Paint) -> list[str]:
    named = [kernel for kernel in kernels if kernel["kind"] != "other"]
    shown = named[:most]
    names = labels([kernel["name"] for kernel in shown])
    rows = [_kernel(kernel, name, shown[0]["share"]) for kernel, name in zip(shown, names, strict=True)]
    lines = table(_KERNEL_COLUMNS, rows, width, paint) if rows else []
    left = len(named) - len(shown)
    rest = sum(kernel["share"] for kernel in kernels) - sum(kernel["share"] for kernel in shown)
    if rest > 5e-4:
        more = f"+ {count(left)} more" if left else "+ others"
        lines.append(paint(f" {'':{_BAR}}  {percent(rest):>6}  {more}", "dim"))
    return lines


def _kernel(kernel: Document, name: str, largest: float) -> list[Cell]:
    """Bars are drawn against the largest: the numbers beside them are of the whole."""
    return [
        Cell(bar(kernel["share"] / largest if largest else 0.0, _BAR), "sm"),
        Cell(percent(kernel["share"])),
        Cell(name),
        Cell(kernel["origin"] or UNKNOWN, "" if kernel["origin"] else "dim"),
        Cell(count(kernel["calls"])),
        Cell(_seconds(kernel["mean_s"])),
        Cell("" if kernel["per_step_s"] is None else _seconds(kernel["per_step_s"])),
        Cell("" if kernel["of_memory_peak"] is None else percent(kernel["of_memory_peak"]), "dram"),
        Cell("" if kernel["of_compute_peak"] is None else percent(kernel["of_compute_peak"]), "tensor"),
        Cell(kernel["bound"] or ""),
        Cell(_where(kernel)),
    ]


def _where(kernel: Document) -> str:
    """The end of the module's path, else the user's line, else the op that launched it."""
    if kernel["module"]:
        module = ".".join(kernel["module"].split(".")[-2:])
        others = kernel["modules"] - 1
        return f"{module} + {others}" if others > 0 else module
    if kernel["location"]:
        return str(kernel["location"]).rsplit("/", 1)[-1]
    op = kernel["op"] if kernel["op"] != kernel["name"] else None
    return short_name(op) if op else ""


def _copies(document: Document, width: int, paint: Paint) -> list[str]:
    copies = [copy for copy in document["copies"] if copy["bytes"]]
    if not copies:
        return []
    columns = (
        Column("copy", least=24),
        Column("calls", True),
        Column("mean", True),
        Column("moved", True),
        Column("rate", True),
    )
    rows = [
        [
            Cell(copy["name"]),
            Cell(count(copy["calls"])),
            Cell(_seconds(copy["mean_s"])),
            Cell(size(copy["bytes"])),
            Cell(numbers.si(copy["bytes_per_s"], "B/s"), "dram"),
        ]
        for copy in copies[:MOST_OTHERS]
    ]
    return [heading("copies", "in the time looked at", width, paint), *table(columns, rows, width, paint)]


def _more_kernels(document: Document, width: int, paint: Paint) -> list[str]:
    """What can't be added to the table above: ops that launched kernels, samples of another profiler."""
    lines: list[str] = []
    for key, title, what in (("ops", "CPU ops", "self time"), ("sampled", "JIT code", "samples, not counted calls")):
        if document[key]:
            lines += [heading(title, what, width, paint), *_kernel_rows(document[key], MOST_OTHERS, width, paint)]
    return lines


def _stacks(document: Document, width: int, paint: Paint) -> list[str]:
    stacks = document["stacks"]
    if not stacks:
        return []
    failed = f" · {count(stacks['errors'])} unreadable" if stacks["errors"] else ""
    title = heading("Python stacks", f"{count(stacks['samples'])} samples of running threads{failed}", width, paint)
    largest = stacks["lines"][0]["self"]
    columns = (Column("self"), Column("", True), Column("total", True), Column("function", least=24))
    rows = [
        [
            Cell(bar(line["self"] / largest if largest else 0.0, _BAR), "sm"),
            Cell(percent(line["self"])),
            Cell(percent(line["total"])),
            Cell(line["function"]),
        ]
        for line in stacks["lines"][:MOST_LINES]
    ]
    return [title, *table(columns, rows, width, paint)]


def _notes(document: Document, width: int, paint: Paint) -> list[str]:
    if not document["notes"]:
        return []
    lines = [heading("notes", "", width, paint)]
    for note in document["notes"]:
        lines += _note(note, width, paint)
    if document["notes_left_out"]:
        lines.append(paint(f"   + {count(document['notes_left_out'])} more", "dim"))
    return lines


def _note(note: Document, width: int, paint: Paint) -> list[str]:
    times = f" ({count(note['count'])} times)" if note["count"] > 1 else ""
    step = f"  → {note['next_step']}" if note["next_step"] else ""
    lines = wrapped(f"{note['text']}{times}{step}", width, "   ", "   ")
    mark = paint(_MARKS.get(note["level"], "●"), note["level"] if note["level"] in _MARKS else "dim")
    return [f" {mark} {lines[0][3:]}", *lines[1:]]


def _measurement(document: Document, width: int, paint: Paint) -> list[str]:
    """How far the numbers can be trusted, and what they cost."""
    profile = document["profile"]
    facts = {"cost to the job": _cost(document["cost"])}
    if profile["windows"]:
        facts["kernels"] = f"{_looked_at(profile)}, {count(profile['events'])} events; shares are of that time"
    lost = [f"{count(document['dropped'])} frames and records dropped", f"{count(document['invalid'])} broken"]
    if profile["rows_folded"]:
        lost.append(f"{count(profile['rows_folded'])} small kernels only in the sum")
    facts["lost"] = ", ".join(lost)
    lines = [heading("the measurement", "", width, paint)]
    for label, text in facts.items():
        first, *later = wrapped(text, width, " " * 18, " " * 18)
        lines += [f" {paint(label, 'dim')}{first[len(label) + 1 :]}", *later]
    return lines


def _cost(cost: Document | None) -> str:
    if cost is None:
        return "nothing ran inside it"
    how = "measured" if cost["measured"] else "estimated"
    ratio = f"{percent(cost['ratio'])} slower" if cost["ratio"] > 0 else "none that can be seen"
    budget = f", budget {percent(cost['budget'])}" if cost["budget"] is not None else ""
    steps = (("in a window", "inside_s"), ("between", "between_s"), ("without", "away_s"))
    medians = [f"{_seconds(cost[key])} {word}" for word, key in steps if cost[key] is not None]
    detail = f"; median step {', '.join(medians)}" if cost["measured"] and medians else ""
    stall = f"; longest halt {_seconds(cost['stall_s'])}" if cost["stall_s"] else ""
    return f"{ratio} ({how}{budget}){detail}{stall}"


def _seconds(seconds: float | None) -> str:
    return duration(None if seconds is None else seconds * 1e9)


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "nothing recorded"
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return "at an impossible time"
