from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from acceltop.profiler.analysis.layers import framework_of, layers_of, may_have_framework


@dataclass(frozen=True)
class Target:
    pid: int
    libraries: tuple[str, ...] = ()


SITE = "/opt/venv/lib/python3.12/site-packages"
# Mapped files of a bf16 training job from the pip wheels of torch 2.6 (CUDA 12.4), as in its /proc/PID/maps.
CUDA_JOB = (
    f"{SITE}/torch/lib/libtorch_cuda.so",
    f"{SITE}/torch/lib/libtorch_cpu.so",
    f"{SITE}/torch/lib/libtorch_python.so",
    f"{SITE}/nvidia/cuda_runtime/lib/libcudart.so.12",
    f"{SITE}/nvidia/cudnn/lib/libcudnn.so.9",
    f"{SITE}/triton/_C/libtriton.so",
    f"{SITE}/tokenizers/tokenizers.abi3.so",
    "/usr/lib/x86_64-linux-gnu/libcuda.so.550.54.15",
    "/tmp/torchinductor_user/ab/cabc123.main.so",
)


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A /proc with one process, in whose file system the wheels of CUDA_JOB are installed."""
    dists = ("torch-2.6.0+cu124", "triton-3.2.0", "nvidia_cuda_runtime_cu12-12.4.127", "transformers-4.49.0")
    gpu = "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 24\n"
    return tree(
        tmp_path / "proc",
        {f"7/root{SITE}/{dist}.dist-info/METADATA": "" for dist in dists}
        | {f"driver/nvidia/gpus/0000:{bus}:00.0/information": gpu for bus in ("19", "3b")}
        | {
            "cpuinfo": "processor\t: 0\nmodel name\t: Intel(R) Xeon(R)  8481C\n\n"
            "processor\t: 1\nmodel name\t: Intel(R) Xeon(R)  8481C\n"
        },
    )


def test_a_cuda_job_in_five_layers(proc: Path, tmp_path: Path) -> None:
    tree(proc, {"7/environ": "PATH=/bin\0SM_CURRENT_HOST=algo-1\0KUBERNETES_SERVICE_HOST=10.0.0.1\0"})
    dmi = {"sys_vendor": "Amazon EC2\n", "product_name": "p5.48xlarge\n"}
    sys_ = tree(tmp_path / "sys", {f"class/dmi/id/{name}": text for name, text in dmi.items()})
    assert layers_of(Target(7, CUDA_JOB), proc, sys_) == {
        "framework": ("PyTorch 2.6", "Transformers 4.49"),
        "compiler": ("Triton 3.2", "Inductor"),
        "platform": ("CUDA 12.4", "oneDNN"),
        "hardware": ("2× NVIDIA H100 80GB HBM3", "NVIDIA driver 550.54.15", "Intel(R) Xeon(R) 8481C, 2 cores"),
        "cloud": ("AWS p5.48xlarge", "SageMaker", "Kubernetes"),
    }


def test_without_the_right_to_look_names_stay_and_versions_go(tmp_path: Path) -> None:
    layers = layers_of(Target(7, CUDA_JOB), tmp_path, tmp_path)
    assert layers["framework"] == ("PyTorch", "Transformers")
    assert layers["platform"] == ("CUDA 12", "oneDNN")
    assert "cloud" not in layers


@pytest.mark.parametrize(
    ("library", "layer", "label"),
    [
        ("/usr/local/cuda-12.4/targets/x86_64-linux/lib/libcudart.so.12.4.127", "platform", "CUDA 12.4"),
        ("/opt/rocm-6.2.2/lib/libamdhip64.so.6.2.60202", "platform", "ROCm 6.2"),
        ("/opt/intel/oneapi/compiler/2025.0/lib/libsycl.so.8.0.0", "platform", "oneAPI"),
        ("/usr/lib/x86_64-linux-gnu/libOpenCL.so.1.0.0", "platform", "OpenCL"),
        ("/usr/lib/x86_64-linux-gnu/libpocl.so.2.10.0", "platform", "PoCL"),
        (f"{SITE}/libtpu/libtpu.so", "hardware", "TPU"),
        (f"{SITE}/numpy.libs/libscipy_openblas64_-32a4b2a6.so", "platform", "OpenBLAS"),
        (f"{SITE}/jaxlib/libjax_common.so", "compiler", "XLA"),
        (f"{SITE}/tensorflow/libtensorflow_cc.so.2", "framework", "TensorFlow"),
        ("/home/user/pytorch/torch/lib/libtorch_python.so", "framework", "PyTorch"),
    ],
)
def test_mapped_libraries(tmp_path: Path, library: str, layer: str, label: str) -> None:
    assert label in layers_of(Target(7, (library,)), tmp_path, tmp_path)[layer]


@pytest.mark.parametrize(
    ("files", "cloud"),
    [
        ({"sys_vendor": "Google", "product_name": "Google Compute Engine"}, "GCP"),
        ({"sys_vendor": "Microsoft Corporation", "chassis_asset_tag": "7783-7084-3265-9085-8269-3286-77"}, "Azure"),
        ({"chassis_asset_tag": "OracleCloud.com"}, "Oracle Cloud"),
        ({"sys_vendor": "Dell Inc.", "product_name": "PowerEdge XE9680"}, None),
        ({"sys_vendor": "Microsoft Corporation", "product_name": "Surface Laptop"}, None),
    ],
)
def test_clouds(tmp_path: Path, files: dict[str, str], cloud: str | None) -> None:
    tree(tmp_path / "class/dmi/id", files)
    assert layers_of(Target(7), tmp_path, tmp_path).get("cloud") == (None if cloud is None else (cloud,))


def test_a_process_of_no_framework(tmp_path: Path) -> None:
    plain = Target(7, ("/usr/lib/x86_64-linux-gnu/libc.so.6",))
    assert framework_of(plain, tmp_path) is None
    assert layers_of(plain, tmp_path, tmp_path) == {"platform": ("CPU",)}


@pytest.mark.parametrize(
    "files",
    [
        CUDA_JOB,
        (f"{SITE}/jaxlib/libjax_common.so",),
        (f"{SITE}/optree/_C.cpython-312.so", f"{SITE}/h5py/_hl.cpython-312.so"),
        (f"{SITE}/mlx.cpython-312.so",),
        ("/home/ann/pytorch/torch/lib/libtorch_cpu.so",),
    ],
)
def test_a_quick_look_misses_no_framework(files: tuple[str, ...], tmp_path: Path) -> None:
    assert framework_of(Target(7, files), tmp_path) is not None
    maps = "".join(f"7f01c2a00000-7f01c2a26000 r-xp 00000000 fe:00 1207 {' ' * 8}{file}\n" for file in files)
    assert may_have_framework(maps.encode())


def test_a_quick_look_spares_the_others() -> None:
    assert not may_have_framework(b"7f01c2a00000-7f01c2a26000 r-xp 00000000 fe:00 1207 /usr/lib/libtorchbearer.so\n")


def test_hostile_names_are_cleaned(tmp_path: Path) -> None:
    proc = tree(tmp_path, {"cpuinfo": "model name : Evil\x1b[2J" + "x" * 1000 + "\n"})
    (label,) = layers_of(Target(7), proc, proc)["hardware"]
    assert "\x1b" not in label and len(label) <= 60


@contextmanager
def running(code: str) -> Iterator[Target]:
    """A process that ran `code` and waits, with the libraries it has mapped."""
    command = [sys.executable, "-c", f"{code}\nprint('ready', flush=True)\ninput()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout
        try:
            assert process.stdout.readline() == "ready\n"
            maps = Path(f"/proc/{process.pid}/maps").read_text().splitlines()
            paths = dict.fromkeys(line.split(maxsplit=5)[-1] for line in maps if "/" in line)
            yield Target(process.pid, tuple(paths))
        finally:
            process.stdin.close()


@pytest.mark.torch
def test_a_real_torch_process() -> None:
    torch = pytest.importorskip("torch")
    with running("import torch; torch.ones(2) @ torch.ones(2)") as target:
        layers = layers_of(target)
        wanted = f"PyTorch {'.'.join(torch.__version__.split('.')[:2])}"
        assert layers["framework"] == (wanted,)
        assert framework_of(target) == wanted
        if torch.version.cuda is None and torch.version.hip is None:
            assert layers["platform"][:2] == ("CPU", "oneDNN")


def test_a_real_process_without_one() -> None:
    with running("import ssl") as target:
        assert framework_of(target) is None
    assert layers_of(target).get("framework") is None, "and when it is gone there is no error"
    assert not os.path.exists(f"/proc/{target.pid}/maps")
