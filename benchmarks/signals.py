"""What `graphsignal-run` serves for graphsignal-top's screen, of a made job: its `/signals`, with kernels and GPUs.

It takes a CUDA device to have the real one. The shape is that of graphsignal 1.1 (`signals/routes.py`), whose profiles
hold 250 kernels at most: more come as those of a second process.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MOST_FRAMES = 250
BEGAN_NS = time.time_ns()


def payload(gpus: int, kernels: int) -> dict[str, Any]:
    now_ns = time.time_ns()
    return {
        "profiler": {"version": "made"},
        "payload_ns": now_ns,
        "start_ns": BEGAN_NS,
        "context": {"host.name": "made"},
        "metrics": [*_profiles(kernels, now_ns), *_gauges(gpus, now_ns)],
        "errors": [],
        "resources": [],
    }


def _profiles(kernels: int, now_ns: int) -> Iterator[dict[str, Any]]:
    """Totals since the start, as counters are."""
    steps = (now_ns - BEGAN_NS) // 100_000_000
    for process, first in enumerate(range(0, kernels, MOST_FRAMES)):
        frames = [
            {"name": f"cutlass_80_tensorop_bf16_s16816gemm_{n}x128", "value": steps * 1000 * (n + 1), "samples": steps}
            for n in range(first, min(first + MOST_FRAMES, kernels))
        ]
        tags = {"process.pid": str(process)}
        yield _metric("cuda_kernels_nanoseconds", "profile", tags, {"frames": frames}, now_ns)


def _gauges(gpus: int, now_ns: int) -> Iterator[dict[str, Any]]:
    for gpu in range(gpus):
        wave = math.sin(now_ns / 5e9 + gpu)
        values = {
            "gpu_utilization_percent": 50 + 40 * wave,
            "gpu_memory_used_bytes": (40 + 10 * wave) * 1e9,
            "gpu_memory_total_bytes": 80e9,
            "gpu_power_usage_watts": 400 + 200 * wave,
            "gpu_power_management_limit_watts": 700,
            "gpu_temperature_celsius": 60 + 10 * wave,
            "gpu_clock_sm_megahertz": 1980,
            "gpu_pcie_throughput_rx_kilobytes_per_second": 3e6 + 1e6 * wave,
            "gpu_pcie_throughput_tx_kilobytes_per_second": 2e6 + 1e6 * wave,
        }
        tags = {"device.uuid": f"GPU-{gpu}", "device.bus_id": f"{gpu:02x}"}
        for name, value in values.items():
            yield _metric(name, "gauge", tags, {"value": value}, now_ns)


def _metric(name: str, kind: str, tags: dict[str, str], stats: dict[str, Any], now_ns: int) -> dict[str, Any]:
    return {"name": name, "type": kind, "tags": tags, "stats": stats, "updated_ns": now_ns}


class Signals(ThreadingHTTPServer):
    """Serves from the start of `with` to its end, on a port of its own."""

    gpus, kernels = 8, 300

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)

    def __enter__(self) -> Signals:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Answer(BaseHTTPRequestHandler):
    server: Signals

    def do_GET(self) -> None:
        body = json.dumps(payload(self.server.gpus, self.server.kernels)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""
