"""What would make a kernel faster: only what its own figures say, and how much there is to win at most."""

from __future__ import annotations

from collections.abc import Iterator

from acceltop.profiler import numbers
from acceltop.profiler.analysis.hotspots import Kernel
from acceltop.views.facts.kernels import KernelFact
from acceltop.views.facts.notes import Finding
from acceltop.views.facts.steps import StepFacts, rank_times, slowest_rank, step_facts
from acceltop.views.scene import Scene

SHORT_NS = 10_000  # a call as short as launching it
MANY = 50  # calls a step from which launching them counts
UNEVEN = 3  # times the mean


def advice(scene: Scene, fact: KernelFact) -> list[Finding]:
    """The reason first, then what would help, at last what it could bring."""
    told = [*_reason(scene, fact), *_shape(fact.kernel), *_at_most(fact, step_facts(scene))]
    return [Finding(level, 0, text, step) for level, text, step in told]


def _reason(scene: Scene, fact: KernelFact) -> Iterator[tuple[str, str, str]]:
    kernel, roof = fact.kernel, fact.roof
    if fact.bound == "memory":
        rate = f"{numbers.si(kernel.bytes_per_s, 'B/s')}, {numbers.percent(roof.of_memory)} of its device's peak"
        step = "torch.compile fuses such kernels" if kernel.origin == "ATen" else "fuse it, or use smaller types"
        yield "info", f"Memory bounds it: {rate}. It is as fast as its traffic allows; moving less helps", step
    elif fact.bound == "compute":
        rate = f"{numbers.si(kernel.flop_per_s, 'FLOP/s')}, {numbers.percent(roof.of_compute)} of its device's peak"
        yield (
            "info",
            f"Arithmetic bounds it: {rate}. It is near what the device can do",
            "fewer FLOPs or a smaller type",
        )
    elif fact.bound == "latency":
        peaks = f"{numbers.percent(roof.of_memory)} of memory's peak, {numbers.percent(roof.of_compute)} of compute's"
        yield (
            "warning",
            f"Neither peak is near: {peaks}. A call has too little to do at once",
            "larger batches or tiles",
        )
    elif fact.bound == "comm":
        yield from _communication(scene)
    elif fact.bound == "copy":
        yield from _copy(fact)
    else:
        yield "info", "How near it is to a peak is not known: its bytes or its FLOPs are not counted", ""


def _communication(scene: Scene) -> Iterator[tuple[str, str, str]]:
    ranks = rank_times(scene)
    if ranks and (slowest := slowest_rank(ranks)).is_late:
        late = numbers.duration(slowest.over_ns)
        yield (
            "warning",
            f"It waits for rank {slowest.rank}, whose steps are {late} longer than the others'",
            "mend that",
        )
    yield (
        "info",
        "Between ranks: what runs beside it costs nothing",
        "overlap it with the backward pass; larger buckets",
    )


def _copy(fact: KernelFact) -> Iterator[tuple[str, str, str]]:
    rate = f" at {numbers.si(fact.kernel.bytes_per_s, 'B/s')}" if fact.kernel.bytes_per_s is not None else ""
    if "pageable" in fact.name.lower():
        yield "warning", f"A copy{rate} from memory that is not pinned", "pin_memory=True, then non_blocking=True"
    else:
        yield "info", f"A copy{rate}", "non_blocking=True hides it; .item() and .cpu() in the loop cause more"


def _shape(kernel: Kernel) -> Iterator[tuple[str, str, str]]:
    if (kernel.calls_per_step or 0) >= MANY and kernel.mean_ns < SHORT_NS:
        many = f"{numbers.count(kernel.calls_per_step)} calls a step of {numbers.duration(kernel.mean_ns)} each"
        yield (
            "warning",
            f"{many}: launching them takes as long as they do",
            "torch.compile, CUDA graphs, fused or foreach",
        )
    if kernel.calls > 1 and kernel.max_ns > UNEVEN * kernel.mean_ns:
        longest = f"{numbers.duration(kernel.max_ns)}, the mean {numbers.duration(kernel.mean_ns)}"
        yield (
            "info",
            f"Calls differ: the longest took {longest}",
            "shapes may vary; the timeline (6) shows single calls",
        )


def _at_most(fact: KernelFact, steps: StepFacts | None) -> Iterator[tuple[str, str, str]]:
    """Without it a step would be shorter by no more than it takes: other work may run beside it."""
    per_step = fact.kernel.per_step_ns
    if per_step and steps is not None and steps.median:
        share = numbers.percent(min(per_step / steps.median, 1.0))
        yield "info", f"There is at most {numbers.duration(per_step)} a step to win, {share} of the median step", ""
