"""The one registry of metrics. Names follow OpenTelemetry's semantic conventions (hw.*, system.*, process.*) where
those have one, and their style where they don't. SI units, ratios 0–1; how a number is written is the views' business.
"""

from __future__ import annotations

from dataclasses import dataclass

RATIO, BYTES, BYTES_PER_S, WATT, CELSIUS = "1", "By", "By/s", "W", "Cel"
HERTZ, COUNT, JOULE = "Hz", "{count}", "J"


@dataclass(frozen=True, slots=True)
class Metric:
    """`high` is the end of its scale where that is the same everywhere; `limit` names the metric that holds it else."""

    name: str
    unit: str
    label: str  # a heading: at most 16 characters
    meaning: str
    draw: str = "line"  # bar | line | number
    low: float = 0.0
    high: float | None = None
    limit: str | None = None
    colour: str = "plain"  # theme token, one a metric everywhere


def _ratio(name: str, label: str, meaning: str, draw: str = "bar", colour: str = "plain") -> Metric:
    return Metric(name, RATIO, label, meaning, draw, high=1.0, colour=colour)


def _rate(name: str, label: str, meaning: str, limit: str | None = None, colour: str = "plain") -> Metric:
    return Metric(name, BYTES_PER_S, label, meaning, limit=limit, colour=colour)


_ALL = (
    # --- accelerators: activity
    _ratio(
        "hw.gpu.utilization",
        "kernel resident",
        "Share of time in which at least one kernel was resident. Not load: "
        "one tiny kernel counts as much as a full device.",
        colour="sm",
    ),
    _ratio(
        "hw.gpu.sm.active",
        "SM active",
        "Share of time × multiprocessors with at least one warp resident (GPM, DCGM).",
        colour="sm",
    ),
    _ratio("hw.gpu.sm.occupancy", "occupancy", "Resident warps as a share of the most that fit."),
    _ratio(
        "hw.gpu.graphics.active", "engine active", "Share of time in which the compute or graphics engine was active."
    ),
    _ratio("hw.gpu.tensor.active", "tensor", "Share of cycles in which the tensor pipes were active.", colour="tensor"),
    _ratio("hw.gpu.fp64.active", "FP64", "Share of cycles in which the FP64 pipes were active."),
    _ratio("hw.gpu.fp32.active", "FP32", "Share of cycles in which the FP32 pipes were active."),
    _ratio("hw.gpu.fp16.active", "FP16", "Share of cycles in which the FP16 pipes were active."),
    _ratio("hw.gpu.integer.active", "integer", "Share of cycles in which the integer pipes were active."),
    _ratio(
        "hw.gpu.dram.active",
        "DRAM busy",
        "Bytes moved to and from device memory, as a share of its peak.",
        colour="dram",
    ),
    _rate("hw.gpu.dram.bandwidth", "DRAM bandwidth", "Bytes a second to and from device memory.", colour="dram"),
    _ratio(
        "hw.gpu.dram.busy_hint",
        "memory busy",
        "Share of time in which device memory was read or written: an upper hint "
        "of bandwidth, not bandwidth (NVML utilization.memory).",
        colour="dram",
    ),
    _ratio("hw.gpu.encoder.utilization", "encoder", "Share of time in which the video encoder was busy."),
    _ratio("hw.gpu.decoder.utilization", "decoder", "Share of time in which the video decoder was busy."),
    # --- accelerators: memory, power, clocks
    Metric(
        "hw.gpu.memory.usage",
        BYTES,
        "memory",
        "Device memory in use.",
        "bar",
        limit="hw.gpu.memory.limit",
        colour="memory",
    ),
    Metric("hw.gpu.memory.limit", BYTES, "memory size", "Device memory in all.", "number"),
    Metric("hw.gpu.memory.unowned", BYTES, "unowned", "Device memory in use that no listed process owns.", "number"),
    Metric("hw.power", WATT, "power", "Electrical power.", limit="hw.power.limit", colour="power"),
    Metric("hw.power.limit", WATT, "power limit", "Power at which the device slows itself down.", "number"),
    Metric("hw.energy", JOULE, "energy", "Energy since the driver was loaded.", "number"),
    Metric("hw.temperature", CELSIUS, "temperature", "Core temperature.", limit="hw.temperature.limit"),
    Metric("hw.temperature.memory", CELSIUS, "memory temp.", "Temperature of device memory."),
    Metric(
        "hw.temperature.limit", CELSIUS, "slow-down at", "Temperature at which the device slows itself down.", "number"
    ),
    Metric("hw.gpu.clock.sm", HERTZ, "SM clock", "Clock of the multiprocessors.", limit="hw.gpu.clock.sm.limit"),
    Metric("hw.gpu.clock.sm.limit", HERTZ, "SM clock max", "Highest clock of the multiprocessors.", "number"),
    Metric("hw.gpu.clock.memory", HERTZ, "memory clock", "Clock of device memory.", limit="hw.gpu.clock.memory.limit"),
    Metric("hw.gpu.clock.memory.limit", HERTZ, "mem. clock max", "Highest clock of device memory.", "number"),
    _ratio("hw.fan.speed_ratio", "fan", "Fan speed as a share of its highest.", "number"),
    # --- accelerators: links
    _rate("hw.gpu.pcie.transmit", "PCIe out", "Bytes a second from the device over PCIe.", "hw.gpu.pcie.limit", "link"),
    _rate("hw.gpu.pcie.receive", "PCIe in", "Bytes a second to the device over PCIe.", "hw.gpu.pcie.limit", "link"),
    _rate("hw.gpu.pcie.limit", "PCIe peak", "Bytes a second that the present PCIe link carries one way."),
    Metric("hw.gpu.pcie.generation", COUNT, "PCIe gen.", "Present PCIe generation.", "number"),
    Metric("hw.gpu.pcie.width", COUNT, "PCIe lanes", "Present PCIe lanes.", "number"),
    _rate(
        "hw.gpu.nvlink.transmit",
        "NVLink out",
        "Bytes a second from the device over all NVLinks.",
        "hw.gpu.nvlink.limit",
        "link",
    ),
    _rate(
        "hw.gpu.nvlink.receive",
        "NVLink in",
        "Bytes a second to the device over all NVLinks.",
        "hw.gpu.nvlink.limit",
        "link",
    ),
    _rate("hw.gpu.nvlink.limit", "NVLink peak", "Bytes a second that all active NVLinks carry one way."),
    Metric(
        "hw.errors.ecc.corrected",
        COUNT,
        "ECC corrected",
        "Corrected memory errors since the driver was loaded.",
        "number",
    ),
    Metric(
        "hw.errors.ecc.uncorrected",
        COUNT,
        "ECC errors",
        "Uncorrected memory errors since the driver was loaded.",
        "number",
    ),
    # --- the host
    _ratio("system.cpu.utilization", "CPU", "Share of all cores' time that was not idle.", colour="sm"),
    Metric("system.cpu.count", COUNT, "cores", "Logical cores this system may use.", "number"),
    Metric("system.cpu.load_1m", COUNT, "load", "Runnable and waiting threads, mean of a minute."),
    Metric(
        "system.memory.usage",
        BYTES,
        "memory",
        "Memory that is not available to a new program.",
        "bar",
        limit="system.memory.limit",
        colour="memory",
    ),
    Metric("system.memory.limit", BYTES, "memory size", "Memory in all.", "number"),
    Metric("system.paging.usage", BYTES, "swap", "Swap in use."),
    _ratio(
        "system.pressure.cpu",
        "CPU pressure",
        "Share of the last 10 s in which some task waited for a core (PSI some avg10).",
        "number",
    ),
    _ratio(
        "system.pressure.memory",
        "mem. pressure",
        "Share of the last 10 s in which some task waited for memory.",
        "number",
    ),
    _ratio("system.pressure.io", "I/O pressure", "Share of the last 10 s in which some task waited for I/O.", "number"),
    _rate("system.disk.read", "disk read", "Bytes a second read from all disks."),
    _rate("system.disk.write", "disk write", "Bytes a second written to all disks."),
    _rate("system.network.receive", "net in", "Bytes a second received, loopback not counted."),
    _rate("system.network.transmit", "net out", "Bytes a second sent, loopback not counted."),
    # --- a process (Samples with a pid; with a device too: its part of that device)
    Metric("process.cpu.utilization", RATIO, "CPU", "CPU time by wall time: 1 = one core.", "bar", colour="sm"),
    Metric("process.memory.usage", BYTES, "RSS", "Resident memory.", "number", colour="memory"),
    Metric("process.thread.count", COUNT, "threads", "Threads.", "number"),
    _rate("process.disk.read", "disk read", "Bytes a second it caused to be read from disks."),
    _rate("process.disk.write", "disk write", "Bytes a second it caused to be written to disks."),
    Metric(
        "process.gpu.memory.usage",
        BYTES,
        "GPU memory",
        "Device memory that the process owns.",
        "bar",
        limit="hw.gpu.memory.limit",
        colour="memory",
    ),
    _ratio(
        "process.gpu.sm.utilization", "SM", "Share of time in which a kernel of the process was resident.", colour="sm"
    ),
    Metric("process.children.count", COUNT, "children", "Processes below it, such as data-loader workers.", "number"),
    Metric(
        "process.children.cpu.utilization", RATIO, "children CPU", "CPU time of all of them by wall time: 1 = one core."
    ),
    # --- a framework's own allocator (Timeline makes these of MemoryStats)
    Metric("process.allocator.allocated", BYTES, "allocated", "Bytes in tensors, by the framework's allocator."),
    Metric("process.allocator.reserved", BYTES, "reserved", "Bytes that the framework's allocator holds."),
    Metric("process.allocator.peak", BYTES, "peak", "Most bytes that were ever in tensors at once.", "number"),
    # --- acceltop itself
    Metric("acceltop.cost", RATIO, "cost", "How much slower the job is for being watched (Timeline, of Cost)."),
    Metric(
        "acceltop.frames.dropped", COUNT, "dropped", "Frames that a full queue pushed out since the start.", "number"
    ),
    _ratio("acceltop.cpu.utilization", "own CPU", "CPU time of acceltop by wall time: 1 = one core.", "number"),
    Metric("acceltop.memory.usage", BYTES, "own memory", "Resident memory of acceltop.", "number"),
)
METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}
