"""What a device is: name, place, memory and peaks, asked once when it is found."""

from __future__ import annotations

from typing import Any

from acceltop.collectors.nvml_calls import Calls
from acceltop.collectors.nvml_fields import field_integer
from acceltop.profiler.clock import now_ns
from acceltop.profiler.model import DeviceFound
from acceltop.profiler.text import clean

_MHZ = 1e6
# Dense FLOP per clock of one multiprocessor's tensor cores, and its FP32 cores, by compute capability. Only where
# the number holds for every product of that capability (GeForce halves it in fuses).
_TENSOR = {
    (8, 0): (64, {"tf32": 1024, "bf16": 2048, "fp16": 2048}),
    (9, 0): (128, {"tf32": 2048, "bf16": 4096, "fp16": 4096, "fp8": 8192}),
    (10, 0): (128, {"tf32": 4096, "bf16": 8192, "fp16": 8192, "fp8": 16384}),
}
_ATTRIBUTES = {  # attribute: function
    "pcie_generation_max": "nvmlDeviceGetMaxPcieLinkGeneration",
    "pcie_width_max": "nvmlDeviceGetMaxPcieLinkWidth",
    "minor": "nvmlDeviceGetMinorNumber",
}


def device_id(calls: Calls) -> str | None:
    """`nvidia:<uuid>`; the uuid of a MIG instance begins with MIG."""
    uuid = calls.get("nvmlDeviceGetUUID")
    return f"nvidia:{clean(str(uuid), 96)}" if uuid else None


def device_found(
    calls: Calls, device: str, index: int, memory: int | None, extra: dict[str, str], whole: bool
) -> DeviceFound:
    """`memory` in bytes; `extra` joins the attributes; peaks are those of a whole GPU, not of a MIG instance."""
    return DeviceFound(
        time_ns=now_ns(),
        device=device,
        name=clean(str(calls.get("nvmlDeviceGetName") or "NVIDIA GPU"), 128),
        kind="gpu",
        vendor="NVIDIA",
        source="nvml",
        index=index,
        pci=pci_address(calls),
        memory_bytes=memory,
        peak_bytes_per_s=_peak_bytes_per_s(calls) if whole else None,
        peak_flop_per_s=_peak_flop_per_s(calls) if whole else {},
        attributes=_attributes(calls) | extra,
    )


def pci_address(calls: Calls) -> str | None:
    """In the kernel's spelling: 0000:65:00.0."""
    pci = calls.get("nvmlDeviceGetPciInfo")
    return None if pci is None else f"{pci.domain:04x}:{pci.bus:02x}:{pci.device:02x}.0"


def nvlink_limit(calls: Calls) -> dict[str, float]:
    """Bytes a second, one way, of all active NVLinks together; empty without any."""
    links = _field_value(calls, 91)  # how many links it has
    active = sum(bool(calls.get("nvmlDeviceGetNvLinkState", link)) for link in range(min(links or 0, 64)))
    speed = _field_value(calls, 90) or _field_value(calls, 164)  # MB/s of one: common to all, or of link 0
    return {"hw.gpu.nvlink.limit": active * speed * 1e6} if active and speed else {}


def _field_value(calls: Calls, field: int) -> int | None:
    items: Any = calls.get("nvmlDeviceGetFieldValues", [(field, 0)])
    return field_integer(items[0]) if items and items[0].nvmlReturn == 0 else None


def _peak_bytes_per_s(calls: Calls) -> float | None:
    clock = calls.get("nvmlDeviceGetMaxClockInfo", calls.constant("NVML_CLOCK_MEM"))
    bits = calls.get("nvmlDeviceGetMemoryBusWidth")
    return clock * _MHZ * bits / 8 * 2 if clock and bits else None  # two transfers a clock


def _peak_flop_per_s(calls: Calls) -> dict[str, float]:
    clock = calls.get("nvmlDeviceGetMaxClockInfo", calls.constant("NVML_CLOCK_SM"))
    cores = calls.get("nvmlDeviceGetNumGpuCores")
    if not clock or not cores:
        return {}
    peaks = {"fp32": cores * 2 * clock * _MHZ}
    cores_each, tensor = _TENSOR.get(tuple(calls.get("nvmlDeviceGetCudaComputeCapability") or ()), (1, {}))
    return peaks | {kind: cores / cores_each * flop * clock * _MHZ for kind, flop in tensor.items()}


def _attributes(calls: Calls) -> dict[str, str]:
    found = {name: str(v) for name, function in _ATTRIBUTES.items() if (v := calls.get(function)) is not None}
    driver = calls.call("nvmlSystemGetDriverVersion")
    if driver:
        found["driver"] = clean(str(driver), 64)
    cuda = calls.call("nvmlSystemGetCudaDriverVersion")
    if cuda:
        found["cuda"] = f"{cuda // 1000}.{cuda % 1000 // 10}"
    capability = calls.get("nvmlDeviceGetCudaComputeCapability")
    if capability:
        found["compute_capability"] = "{}.{}".format(*capability)
    return found
