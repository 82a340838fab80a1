"""Two short runs as Frames, from what real ones gave: a CNN on two cores, and two ranks on two H100."""

from __future__ import annotations

from collections.abc import Iterator

from acceltop.profiler.analysis.summary import Summary
from acceltop.profiler.model import (
    Cost,
    DeviceFound,
    DeviceLost,
    Frame,
    Hello,
    KernelRow,
    KernelWindow,
    Launch,
    MemoryStats,
    Note,
    ProcessFound,
    ProcessGone,
    Sample,
    StackWindow,
    Steps,
)

S, MS, US = 1_000_000_000, 1_000_000, 1_000
T0 = 1_790_000_000 * S


def cpu_run() -> Iterator[Frame]:
    """15 s of the bundled demo: torch's CPU build, no accelerator; the process ends with exit code 3."""
    yield Hello(T0, "laptop", tool_version="0.1.0", os="Linux 6.1", cpu="AMD EPYC")
    yield DeviceFound(T0, "cpu", "AMD EPYC", "cpu", "AMD", "host", memory_bytes=24_000_000_000)
    layers = {"framework": ("PyTorch 2.13",), "platform": ("CPU", "oneDNN"), "hardware": ("AMD EPYC, 2 cores",)}
    yield ProcessFound(T0, 4711, "python -u demo/train.py --batch 24", "ann", framework="PyTorch 2.13", layers=layers)
    yield Note(T0, "info", "nvml.no_driver", "no NVIDIA driver", "acceltop doctor says more", "nvml")
    for second in range(1, 16):
        now = T0 + second * S
        host = {"system.cpu.utilization": 0.9 + second / 300, "system.pressure.cpu": 0.12}
        yield Sample(now, "host", {**host, "system.memory.usage": 7.4e9, "system.memory.limit": 24e9})
        yield Sample(now, "host", {"process.cpu.utilization": 1.8, "process.memory.usage": 9e8}, pid=4711)
        durations = tuple([18 * MS] * 49 + [118 * MS])
        phases = {"data": tuple([1 * MS] * 49 + [101 * MS]), "forward": (6 * MS,) * 50, "backward": (9 * MS,) * 50}
        yield Steps(now - S, 4711, (second - 1) * 50, durations, phases)
        if second % 5 == 0:
            yield _cpu_window(now)
            yield Cost(now, 4711, 0.004, measured=True, budget=0.01, inside_s=0.0183, between_s=0.018, away_s=0.018)
    yield StackWindow(T0 + 5 * S, T0 + 7 * S, 4711, "py-spy", 50.0, 100, {
        "MainThread;main (train.py:80);train (train.py:64);backward (_tensor.py:581)": 75,
        "MainThread;main (train.py:80);__next__ (dataloader.py:733)": 25,
    })  # fmt: skip
    yield MemoryStats(T0 + 14 * S, 4711, "torch", allocated=300_000_000, peak=480_000_000)
    yield Sample(T0 + 15 * S, "session", {"acceltop.frames.dropped": 2.0})
    yield ProcessGone(T0 + 15 * S, 4711, 3, "exited")


def _cpu_window(now: int) -> KernelWindow:
    ops = (
        ("aten::convolution_backward", 40, 56_800, "features.4"),
        ("aten::mkldnn_convolution", 40, 40_400, "features.0"),
        ("aten::native_batch_norm_backward", 20, 16_800, "features.1"),
        ("(other)", 300, 6_000, None),
    )
    rows = tuple(
        KernelRow(name, "op", calls, us * US, us * US // calls, us * US // calls + 9, module=module)
        for name, calls, us, module in ops
    )
    return KernelWindow(now - 2 * S, now, 4711, "torch", rows, 200 * MS, 2, steps=10.0, events=400, invalid=1)


def gpu_run(ranks: int = 2) -> Iterator[Frame]:
    """Four seconds of data-parallel training; the last GPU is hot, then lost, and its rank lags behind."""
    yield Hello(T0, "gpu-17", tool_version="0.1.0", os="Linux 6.8", cpu="Xeon Platinum 8480", cloud="AWS p5.48xlarge")
    for rank in range(ranks):
        yield DeviceFound(T0, f"nvidia:GPU-{rank}", "NVIDIA H100 80GB HBM3", "gpu", "NVIDIA", "nvml", rank,
                          memory_bytes=80_000_000_000, peak_bytes_per_s=3.35e12,
                          peak_flop_per_s={"bf16": 989e12, "fp32": 67e12})  # fmt: skip
        yield ProcessFound(T0, 100 + rank, "python train.py", rank=rank, world_size=ranks, framework="PyTorch 2.6")
        hot = rank == ranks - 1
        for second in range(1, 5):
            yield _gpu_sample(T0 + second * S, rank, hot)
        yield Steps(T0, 100 + rank, 0, (260 * MS if hot else 240 * MS,) * 16)
        yield _gpu_window(T0 + 4 * S, 100 + rank, f"nvidia:GPU-{rank}")
    yield DeviceLost(T0 + 4 * S + 1, f"nvidia:GPU-{ranks - 1}", "GPU is lost")
    yield Note(
        T0 + 4 * S, "error", "nvml.gpu_lost", f"GPU {ranks - 1} fell off the bus", "reset it: nvidia-smi -r", "nvml"
    )


def _gpu_sample(now: int, rank: int, hot: bool) -> Sample:
    values = {
        "hw.gpu.sm.active": 0.52 if hot else 0.86,
        "hw.gpu.tensor.active": 0.41,
        "hw.gpu.dram.bandwidth": 2.31e12,
        "hw.gpu.memory.usage": 61.2e9,
        "hw.gpu.memory.limit": 80e9,
        "hw.power": 648.0,
        "hw.power.limit": 700.0,
        "hw.temperature": 87.0 if hot else 64.0,
    }
    return Sample(now, "nvml", values, f"nvidia:GPU-{rank}", states={"throttle": "thermal"} if hot else {})


def _gpu_window(now: int, pid: int, device: str) -> KernelWindow:
    def row(name: str, calls: int, us: int, kind: str = "kernel", **more: object) -> KernelRow:
        total = calls * us * US
        return KernelRow(name, kind, calls, total, us * US, us * US, device, 7, **more)  # type: ignore[arg-type]

    rows = (
        row("nvjet_tst_128x256_64x4_2x1_v_bz_coopA_bf16_TNN", 192, 176, bytes=192 * 200_000_000,
            flops=192 * 135 * 10**9, op="aten::mm", module="model.layers.0.mlp.up",
            launch=Launch((132, 1, 1), (384, 1, 1), 168, occupancy=0.19)),
        row("triton_red_fused_native_layer_norm_backward_7", 96, 266, bytes=96 * 766_000_000, flops=96 * 2 * 10**8),
        row("ncclDevKernel_AllReduce_Sum_bf16_RING_LL(ncclDevKernelArgsStorage<4096ul>)", 12, 1820),
        row("Memcpy HtoD (Pinned -> Device)", 8, 598, "memcpy", bytes=8 * 30_000_000),
        KernelRow("aten::mm", "op", 192, 3 * MS, 10 * US, 40 * US),
    )  # fmt: skip
    return KernelWindow(now - 2 * S, now, pid, "torch", rows, 100 * MS, steps=0.4, events=500, dropped=3)


def summed(frames: Iterator[Frame]) -> Summary:
    summary = Summary()
    for frame in frames:
        summary.add(frame)
    return summary
