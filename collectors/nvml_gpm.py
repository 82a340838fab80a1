"""GPM: activity inside Hopper and newer, all metrics in one call from two samples, without a daemon."""

from __future__ import annotations

import ctypes
from typing import Any

from acceltop.collectors.nvml_calls import Calls
from acceltop.profiler.clock import monotonic

_MIB = 1 << 20
# id: metric, factor. Percents and MiB/s; mind that PCIe counts out first and NVLink in first.
_METRICS = {
    1: ("hw.gpu.graphics.active", 0.01),
    2: ("hw.gpu.sm.active", 0.01),
    3: ("hw.gpu.sm.occupancy", 0.01),
    4: ("hw.gpu.integer.active", 0.01),
    5: ("hw.gpu.tensor.active", 0.01),
    10: ("hw.gpu.dram.active", 0.01),
    11: ("hw.gpu.fp64.active", 0.01),
    12: ("hw.gpu.fp32.active", 0.01),
    13: ("hw.gpu.fp16.active", 0.01),
    20: ("hw.gpu.pcie.transmit", _MIB),
    21: ("hw.gpu.pcie.receive", _MIB),
    60: ("hw.gpu.nvlink.receive", _MIB),
    61: ("hw.gpu.nvlink.transmit", _MIB),
}
_SHORTEST_S = 0.02  # between two samples: below that the counters say little
_SLACK = 1.05  # the share of a short window may come out a little above 1


class Gpm:
    """Two samples of one GPU, or of one GPU instance of it (MIG), used in turn. `calls`: those of the whole GPU."""

    def __init__(self, calls: Calls, instance: int | None = None) -> None:
        self._calls = calls
        self._instance = instance
        self._samples: list[Any] = []
        self._request: Any = None
        self._answers: ctypes.Array[_Answer] | None = None
        self._filled, self._taken = False, 0.0
        self.supported = self._supported()

    def _supported(self) -> bool:
        support = self._calls.get("nvmlGpmQueryDeviceSupport")
        if support is None or not support.isSupportedDevice:
            return False
        self._samples = [sample for _ in range(2) if (sample := self._calls.call("nvmlGpmSampleAlloc")) is not None]
        # Only the return code of a sample tells whether it works here: under MIG, in a container, on a vGPU.
        self._filled = len(self._samples) == 2 and self._sample(self._samples[0])
        return self._filled

    def values(self) -> dict[str, float]:
        """The mean since the call before. Empty when not supported or without a sample now."""
        if not self.supported or monotonic() < self._taken + _SHORTEST_S:
            return {}
        before, now = self._samples
        taken = self._sample(now)
        found = self._metrics(before, now) if taken and self._filled else {}
        self._filled, self._samples = taken, [now, before]
        return found

    def close(self) -> None:
        """Gives the samples back to the driver."""
        self.supported = False
        while self._samples:
            self._calls.call("nvmlGpmSampleFree", self._samples.pop())

    def _sample(self, sample: Any) -> bool:
        self._taken = monotonic()
        if self._instance is None:
            return self._calls.get("nvmlGpmSampleGet", sample) is not None
        return self._calls.get("nvmlGpmMigSampleGet", self._instance, sample) is not None

    def _metrics(self, before: Any, now: Any) -> dict[str, float]:
        if self._answers is None:
            self._ask()
        self._request.sample1, self._request.sample2 = before, now
        if self._calls.call("nvmlGpmMetricsGet", self._request) is None:
            return {}
        return dict(filter(None, map(_value, self._answers or ())))

    def _ask(self) -> None:
        """The question is the same each time. Its array is longer in some bindings than in the driver."""
        request = self._calls.nvml.c_nvmlGpmMetricsGet_t()
        request.version = self._calls.nvml.NVML_GPM_METRICS_GET_VERSION
        request.numMetrics = len(_METRICS)
        self._request = request
        self._answers = (_Answer * len(_METRICS)).from_buffer(request, type(request).metrics.offset)
        for answer, metric in zip(self._answers, _METRICS, strict=True):
            answer.metric = metric


class _Answer(ctypes.Structure):
    """The driver's nvmlGpmMetric_t. The binding's own looks at every attribute for text: five times the work."""

    _fields_ = [("metric", ctypes.c_uint), ("code", ctypes.c_int), ("value", ctypes.c_double),
                ("words", ctypes.c_char_p * 3)]  # fmt: skip


def _value(answer: Any) -> tuple[str, float] | None:
    name, factor = _METRICS[answer.metric]
    value = answer.value * factor
    if answer.code != 0 or not value >= 0:  # NaN too
        return None
    if factor < 1:
        return (name, min(value, 1.0)) if value <= _SLACK else None
    return name, value
