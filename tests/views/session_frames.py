"""Sessions to look at: the Frames that a node with eight GPUs, and a laptop without one, would have recorded.

Deterministic: the same second always holds the same numbers, so that pictures of them can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from acceltop.profiler.clock import NS_PER_S
from acceltop.profiler.model import (
    Cost,
    DeviceFound,
    Frame,
    Hello,
    KernelRow,
    KernelWindow,
    Launch,
    MemoryStats,
    Note,
    ProcessFound,
    Sample,
    Slices,
    StackWindow,
    Steps,
)

T0 = 1_790_000_000 * NS_PER_S
MS = 1_000_000
TRAIN_PID, DEMO_PID = 41233, 4711
# name, origin, calls a step, ns a call, GB moved a call, GFLOP a call, op, module, line, phase
_GPU_KERNELS = (
    ("flash_bwd_dq_dk_dv_loop_seqk_parallel_kernel<Flash_bwd_kernel_traits<128, 64, 128, 8, 4, 4, 4, true>>",
     "FlashAttention", 48, 812_000, 0.57, 505.0, "aten::_flash_attention_backward", "model.layers.attn",
     "gpt.py:84 attn", "backward"),
    ("sm90_xmma_gemm_bf16bf16_bf16f32_f32_tn_n_tilesize128x256x64_warpgroupsize2x1x1_execute_segment_k_off",
     "cuBLAS", 192, 176_000, 0.2, 135.0, "aten::mm", "model.layers.mlp.up", "gpt.py:97 linear", "forward"),
    ("triton_red_fused_native_layer_norm_backward_7", "Triton", 96, 266_000, 0.766, 0.2,
     "aten::native_layer_norm_backward", "model.layers.norm1", "gpt.py:118 forward", "backward"),
    ("ncclDevKernel_AllReduce_Sum_bf16_RING_LL", "NCCL", 12, 1_820_000, 0.66, None, "nccl:all_reduce", None,
     "train.py:64 main", "communication"),
    ("flash_fwd_kernel<Flash_fwd_kernel_traits<128, 128, 64, 4, false, false, cutlass::bfloat16_t>>",
     "FlashAttention", 48, 394_000, 0.25, 276.0, "aten::_flash_attention_forward", "model.layers.attn",
     "gpt.py:84 attn", "forward"),
    ("triton_poi_fused_gelu_mul_3", "Triton", 96, 176_000, 0.536, 0.05, "aten::gelu", "model.layers.mlp.act",
     "gpt.py:98 mlp", "forward"),
    ("void at::native::vectorized_elementwise_kernel<4, at::native::CUDAFunctor_add<c10::BFloat16>>", "ATen",
     384, 36_000, 0.095, 0.02, "aten::add_", "model.layers.resid", "gpt.py:119 forward", "forward"),
    ("sm90_xmma_gemm_bf16bf16_bf16f32_f32_nt_n_tilesize128x128x64_warpgroupsize1x1x1", "cuBLAS", 144, 87_000,
     0.09, 57.0, "aten::mm", "model.layers.mlp.down", "gpt.py:99 linear", "backward"),
    ("void at::native::multi_tensor_apply_kernel<FusedAdamMathFunctor<float, 4>>", "ATen", 24, 389_000, 1.14,
     0.4, "aten::_fused_adamw_", None, "train.py:71 main", "optimizer"),
    ("triton_per_fused__softmax_backward_data_12", "Triton", 48, 152_000, 0.377, 0.2,
     "aten::_softmax_backward_data", "model.head", "gpt.py:131 head", "backward"),
    ("Memcpy HtoD (Pinned -> Device)", "CUDA", 8, 598_000, 0.03, None, "aten::copy_", None, "train.py:55 loader",
     "data"),
    ("void at::native::indexSelectLargeIndex<c10::BFloat16, long, 2, 2, -2, true>", "ATen", 2, 1_600_000, 1.2,
     0.0, "aten::embedding", "model.embed", "gpt.py:41 embed", "forward"),
)  # fmt: skip
_CPU_OPS = (
    ("aten::convolution_backward", "ATen", 4, 1_420_000, "conv2", "train.py:41 step", "backward"),
    ("aten::mkldnn_convolution", "oneDNN", 4, 1_010_000, "conv2", "train.py:22 forward", "forward"),
    ("aten::native_batch_norm_backward", "ATen", 3, 842_000, "bn1", "train.py:41 step", "backward"),
    ("aten::max_pool2d_with_indices_backward", "ATen", 2, 812_000, "pool", "train.py:41 step", "backward"),
    ("aten::threshold_backward", "ATen", 4, 318_000, "relu", "train.py:41 step", "backward"),
    ("aten::addmm", "ATen", 2, 455_000, "fc1", "train.py:27 forward", "forward"),
    ("aten::_fused_adam_", "ATen", 1, 730_000, None, "train.py:43 step", "optimizer"),
    ("aten::log_softmax", "ATen", 1, 370_000, "loss", "train.py:29 forward", "forward"),
)
_STACKS = {
    "MainThread;main (train.py:64);fit (trainer.py:310);training_step (gpt.py:201);forward (gpt.py:118);"
    "attn (gpt.py:84);scaled_dot_product_attention (functional.py:5310)": 320,
    "MainThread;main (train.py:64);fit (trainer.py:310);training_step (gpt.py:201);forward (gpt.py:118);"
    "attn (gpt.py:79)": 230,
    "MainThread;main (train.py:64);fit (trainer.py:310);training_step (gpt.py:201);forward (gpt.py:118);"
    "mlp (gpt.py:97);linear (gpt.py:97)": 175,
    "MainThread;main (train.py:64);fit (trainer.py:310);training_step (gpt.py:201);"
    "cross_entropy (functional.py:3053)": 350,
    "MainThread;main (train.py:64);fit (trainer.py:310);backward (_tensor.py:581);"
    "run_backward (graph.py:841)": 1078,
    "MainThread;main (train.py:64);fit (trainer.py:310);__next__ (dataloader.py:701);"
    "_try_get_data (dataloader.py:1163);Queue.get (queue.py:180);wait (threading.py:331)": 380,
    "MainThread;main (train.py:64);log_metrics (train.py:88)": 233,
    "pin_memory;run (threading.py:982);_pin_memory_loop (pin_memory.py:41)": 148,
}  # fmt: skip


def _wave(device: int, second: float, mean: float, swing: float) -> float:
    return mean + swing * math.sin(second / 9 + device * 1.3) + swing / 3 * math.sin(second * 1.7 + device)


def gpu_session(seconds: int = 240, gpus: int = 8) -> Iterator[Frame]:
    """A bf16 language model on `gpus` H100; GPU 6 is too hot, and the data loader stalls now and then."""
    yield from gpu_opening(gpus)
    index = 17_500
    yield from _gpu_notes()
    for second in range(1, seconds + 1):
        yield from gpu_second(second, gpus)
        index += 4
        yield from _train_steps(second, index, gpus)
        if second % 2 == 0:
            yield gpu_window(second)
        if second % 10 == 0:
            yield _stack_window(second, TRAIN_PID, "MainThread")
            yield Cost(T0 + second * NS_PER_S, TRAIN_PID, 0.003, measured=True, budget=0.01, inside_s=0.278,
                       between_s=0.271, away_s=0.270, window_ns=100 * MS, stall_ns=3 * MS)  # fmt: skip


def gpu_opening(gpus: int = 8) -> Iterator[Frame]:
    yield Hello(T0, "gpu-17", tool_version="1.0", os="Linux 6.8", cpu="Xeon Platinum 8480", cloud="SageMaker")
    for gpu in range(gpus):
        yield DeviceFound(T0, f"nvidia:GPU-{gpu}", "NVIDIA H100 80GB HBM3", "gpu", "NVIDIA", "nvml", gpu,
                          f"0000:{0x18 + gpu:02x}:00.0", memory_bytes=80_000_000_000, peak_bytes_per_s=3.35e12,
                          peak_flop_per_s={"bf16": 989e12, "tf32": 495e12, "fp32": 67e12})  # fmt: skip
    yield DeviceFound(T0, "cpu", "Xeon Platinum 8480", "cpu", "Intel", "host", memory_bytes=2_000_000_000_000)
    layers = {"framework": ("PyTorch 2.13", "Lightning"), "compiler": ("Triton", "cuBLAS", "FlashAttention", "ATen"),
              "platform": ("CUDA 13.0",), "hardware": ("8× H100 SXM",), "cloud": ("SageMaker",)}  # fmt: skip
    for rank in range(gpus):
        yield ProcessFound(T0, TRAIN_PID + rank, "python train.py --config gpt-7b.yaml", "ann", T0 - 723 * NS_PER_S,
                           rank=rank, world_size=gpus, framework="PyTorch", attachable="yes",
                           layers=layers)  # fmt: skip


def _gpu_notes() -> Iterator[Frame]:
    at = T0 + NS_PER_S
    yield Note(at, "error", "device.throttled", "GPU 6 is thermally throttled: 1110 of 1980 MHz at 87 °C, so rank 6 "
               "holds all ranks back 31 ms a step (11 %)", "check its airflow", "nvml", "nvidia:GPU-6")  # fmt: skip
    yield Note(at, "warning", "steps.data_wait", "Data loader stalls 4 of 36 steps: up to 152 ms waiting in "
               "DataLoader.__next__ with 2 workers, each at 99 % CPU", "num_workers=8, or cheaper transforms", "agent",
               pid=TRAIN_PID)  # fmt: skip
    yield Note(at, "info", "kernel.memory_limit", "Near the memory limit: 11 % of time in layer_norm_backward at 86 % "
               "of DRAM peak; only fusing it away makes it faster", source="agent", pid=TRAIN_PID)  # fmt: skip


def gpu_second(second: int, gpus: int = 8) -> Iterator[Frame]:
    now = T0 + second * NS_PER_S
    for gpu in range(gpus):
        hot = gpu == 6
        scale = 0.6 if hot else 1.0
        active = min(_wave(gpu, second, 0.85, 0.08) * scale, 1.0)
        dram = _wave(gpu, second, 0.68, 0.07) * (0.57 if hot else 1)
        values = {
            "hw.gpu.sm.active": active,
            "hw.gpu.tensor.active": _wave(gpu, second, 0.41, 0.02) * (0.54 if hot else 1),
            "hw.gpu.dram.active": dram,
            "hw.gpu.dram.bandwidth": dram * 3.35e12,
            "hw.gpu.memory.usage": 61.2e9 + (gpu == 2) * 1e8,
            "hw.gpu.memory.limit": 80e9,
            "hw.power": _wave(gpu, second, 648, 6) * (0.665 if hot else 1),
            "hw.power.limit": 700.0,
            "hw.temperature": 87.0 if hot else 64 + gpu % 4,
            "hw.temperature.limit": 87.0,
            "hw.gpu.clock.sm": 1110e6 if hot else 1755e6,
            "hw.gpu.clock.sm.limit": 1980e6,
            "hw.gpu.nvlink.transmit": _wave(gpu, second, 106e9, 2e9),
            "hw.gpu.nvlink.receive": _wave(gpu, second, 106e9, 2e9),
            "hw.gpu.pcie.transmit": 0.2e9,
            "hw.gpu.pcie.receive": 1.0e9,
        }
        states = {"throttle": "thermal"} if hot else {}
        yield Sample(now, "nvml", values, device=f"nvidia:GPU-{gpu}", states=states)
        yield Sample(now, "host", {"process.cpu.utilization": 1.02, "process.memory.usage": 9.1e9,
                                   "process.gpu.memory.usage": 60.8e9}, pid=TRAIN_PID + gpu)  # fmt: skip
    yield Sample(now, "host", {"system.cpu.utilization": 0.21, "system.memory.usage": 310e9,
                               "system.memory.limit": 2e12, "system.pressure.cpu": 0.02})  # fmt: skip


def _train_steps(second: int, index: int, gpus: int) -> Iterator[Frame]:
    for rank in range(gpus):
        own = 271 if rank == 6 else 239 + rank % 3
        waits = [152 if (second * 4 + i) % 37 == 5 else 1 for i in range(4)]
        total = tuple((own + wait) * MS for wait in waits)
        phases = {
            "data": tuple(wait * MS for wait in waits),
            "forward": tuple(int(own * 0.28) * MS for _ in waits),
            "backward": tuple(int(own * 0.47) * MS for _ in waits),
            "optimizer": tuple(int(own * 0.1) * MS for _ in waits),
            "communication": tuple(int(own * 0.1) * MS for _ in waits),
        }
        yield Steps(T0 + (second - 1) * NS_PER_S, TRAIN_PID + rank, index, total, phases, rank=rank)


def gpu_window(second: int, pid: int = TRAIN_PID, steps: float = 1.0) -> KernelWindow:
    rows = [
        KernelRow(name, "memcpy" if name.startswith("Memcpy") else "kernel", round(calls * steps),
                  round(calls * ns * steps), round(ns * 0.94), round(ns * 1.5), "nvidia:GPU-0", 7,
                  bytes=round(moved * 1e9 * calls * steps), flops=None if flop is None else round(
                      flop * 1e9 * calls * steps), op=op, module=module, location=line, origin=origin, phase=phase,
                  launch=None if name.startswith("Memcpy") else _launch(calls))
        for name, origin, calls, ns, moved, flop, op, module, line, phase in _GPU_KERNELS
    ]  # fmt: skip
    for rest in range(41):
        ns = 4_000 + rest * 300
        rows.append(KernelRow(f"void at::native::unrolled_elementwise_kernel_{rest}<float>", "kernel", 12, 12 * ns, ns,
                              ns * 2, "nvidia:GPU-0", 7, op="aten::mul", origin="ATen"))  # fmt: skip
    t1 = T0 + second * NS_PER_S
    return KernelWindow(t1 - 2 * NS_PER_S, t1, pid, "torch", tuple(rows), 100 * MS, steps=steps,
                        events=sum(row.calls for row in rows), slices=slices(tuple(r.name for r in rows[:12])),
                        phases={"forward": 28 * MS, "backward": 47 * MS, "optimizer": 10 * MS})  # fmt: skip


def _launch(calls: int) -> Launch:
    return Launch((calls * 11, 8, 1), (256, 1, 1), 40 + calls % 128, 1024 * (calls % 200), 0.25)


def slices(names: tuple[str, ...], count: int = 600, lanes: tuple[str, ...] = ("stream 7", "stream 20")) -> Slices:
    """`count` calls over 100 ms, three in four on the first lane."""
    step = 100 * MS // count
    return Slices(
        names, lanes,
        tuple((i * 7) % len(names) for i in range(count)),
        tuple(int(i % 4 == 3) % len(lanes) for i in range(count)),
        tuple(i * step for i in range(count)),
        tuple(step * (3 + i % 5) // 8 for i in range(count)),
    )  # fmt: skip


def nested_slices(names: tuple[str, ...], count: int, depth: int = 3) -> Slices:
    """`count` calls of one thread over 100 ms, each with calls in calls below it."""
    step = 100 * MS // count
    calls = [
        ((at * 7 + level) % len(names), at * step + level * step // 16, step * (7 - 2 * level) // 8)
        for at in range(count)
        for level in range(depth - at % 2)
    ]
    name, start, duration = zip(*calls, strict=True)
    return Slices(names, ("MainThread",), name, (0,) * len(calls), start, duration)


def _stack_window(second: int, pid: int, thread: str) -> StackWindow:
    t1 = T0 + second * NS_PER_S
    idle = {f"{thread};main (train.py:64);fit (trainer.py:310);sleep (time.py:1)": 90}
    stacks = dict(_STACKS)
    return StackWindow(t1 - 2 * NS_PER_S, t1, pid, "py-spy", 100.0, sum(stacks.values()), stacks, idle,
                       {key: count // 4 for key, count in stacks.items()})  # fmt: skip


def cpu_session(seconds: int = 44) -> Iterator[Frame]:
    """A small convolutional network on a laptop's two cores, with PoCL beside them and no GPU."""
    yield Hello(T0, "laptop", tool_version="1.0", os="Linux 6.8", cpu="Xeon 2 cores")
    yield DeviceFound(T0, "cpu", "Xeon", "cpu", "Intel", "host", memory_bytes=24_000_000_000)
    yield DeviceFound(T0, "opencl:0", "PoCL", "cpu", "PoCL", "opencl", 0)
    layers = {"framework": ("PyTorch 2.13",), "compiler": ("oneDNN", "ATen"), "platform": ("CPU", "OpenCL"),
              "hardware": ("Xeon 2 cores",)}  # fmt: skip
    yield ProcessFound(T0, DEMO_PID, "python demo.py", "ann", T0, framework="PyTorch", attachable="yes", layers=layers)
    yield Note(T0, "info", "nvml.no_driver", "no NVIDIA driver", "see acceltop doctor", "nvml")
    index = 0
    for second in range(1, seconds + 1):
        now = T0 + second * NS_PER_S
        yield Sample(now, "host", {"system.cpu.utilization": _wave(0, second, 0.9, 0.05),
                                   "system.memory.usage": 7.4e9, "system.memory.limit": 24e9,
                                   "system.pressure.cpu": 0.12})  # fmt: skip
        yield Sample(now, "host", {"process.cpu.utilization": 1.8, "process.memory.usage": 0.9e9}, pid=DEMO_PID)
        durations = tuple((31 if (index + i) % 13 == 0 else 18) * MS for i in range(52))
        phases = {
            "data": tuple((13 if d > 20 * MS else 1) * MS for d in durations),
            "forward": tuple(6 * MS for _ in durations),
            "backward": tuple(9 * MS for _ in durations),
            "optimizer": tuple(2 * MS for _ in durations),
        }
        yield Steps(now - NS_PER_S, DEMO_PID, index, durations, phases)
        index += 52
        yield MemoryStats(now, DEMO_PID, "torch", 410_000_000, 512_000_000, 480_000_000)
        if second % 2 == 0:
            rows = tuple(
                KernelRow(name, "op", calls * 2, 2 * calls * ns, round(ns * 0.9), ns * 2, "cpu", thread=DEMO_PID,
                          op=name, module=module, location=line, origin=origin, phase=phase)
                for name, origin, calls, ns, module, line, phase in _CPU_OPS
            )  # fmt: skip
            yield KernelWindow(now - 2 * NS_PER_S, now, DEMO_PID, "torch", rows, 36 * MS, steps=2.0, events=42,
                               slices=nested_slices(tuple(r.name for r in rows), 24))  # fmt: skip
        if second % 10 == 0:
            yield _stack_window(second, DEMO_PID, "MainThread")
            yield Cost(now, DEMO_PID, 0.004, measured=False, budget=0.01)
