"""What a job is made of, in five layers, told from outside: by the libraries it has mapped, the files beside them,
its environment and the machine. Nothing is run and nothing is imported; what can't be read is left out."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Protocol

from acceltop.profiler.model import LAYERS
from acceltop.profiler.text import clean

PROC, SYS = Path("/proc"), Path("/sys")
_MOST_FILES = 20_000  # names read of one site-packages, which belongs to whoever owns the process
_MOST_BYTES = 1 << 20
_LONGEST = 60


class Target(Protocol):
    """A process: `libraries` are the paths of its mapped files, as it sees them itself."""

    @property
    def pid(self) -> int: ...
    @property
    def libraries(self) -> tuple[str, ...]: ...


class _Package(NamedTuple):
    """`mapped` are the packages whose compiled modules must all be loaded, `dists` name the version to show."""

    label: str
    mapped: tuple[str, ...]
    dists: tuple[str, ...]


_FRAMEWORKS = (
    _Package("PyTorch", ("torch",), ("torch",)),
    _Package("JAX", ("jaxlib",), ("jax", "jaxlib")),
    _Package("TensorFlow", ("tensorflow",), ("tensorflow", "tensorflow_cpu", "tensorflow_rocm", "tf_nightly")),
    _Package("MXNet", ("mxnet",), ("mxnet",)),
    _Package("PaddlePaddle", ("paddle",), ("paddlepaddle_gpu", "paddlepaddle")),
    _Package("MLX", ("mlx",), ("mlx",)),
    # Written in Python alone: told by the compiled modules that importing them always loads.
    _Package("Keras", ("optree", "h5py"), ("keras",)),
    _Package("Transformers", ("tokenizers",), ("transformers", "tokenizers")),
    _Package("vLLM", ("vllm",), ("vllm",)),
    _Package("xFormers", ("xformers",), ("xformers",)),
    _Package("ONNX Runtime", ("onnxruntime",), ("onnxruntime_gpu", "onnxruntime")),
    _Package("CuPy", ("cupy",), ("cupy_cuda13x", "cupy_cuda12x", "cupy_cuda11x", "cupy")),
    _Package("XGBoost", ("xgboost",), ("xgboost",)),
    _Package("LightGBM", ("lightgbm",), ("lightgbm",)),
    _Package("scikit-learn", ("sklearn",), ("scikit_learn",)),
)
_A_FRAMEWORK = re.compile(f"/(?:{'|'.join(package.mapped[0] for package in _FRAMEWORKS)})[/.]".encode())
_COMPILERS = (
    _Package("Triton", ("triton",), ("triton", "pytorch_triton", "pytorch_triton_rocm")),
    _Package("XLA", ("jaxlib",), ("jaxlib",)),
    _Package("TVM", ("tvm",), ("apache_tvm", "tvm")),
    _Package("IREE", ("iree",), ("iree_base_runtime", "iree_runtime")),
    _Package("nvFuser", ("nvfuser",), ("nvfuser",)),
    _Package("TensorRT", ("tensorrt_libs",), ("tensorrt_cu13", "tensorrt_cu12", "tensorrt")),
    _Package("OpenVINO", ("openvino",), ("openvino",)),
    _Package("numba", ("numba",), ("numba",)),
)
_INDUCTOR = re.compile(r"/torchinductor_[^/]*/")
_PACKAGE = re.compile(r"^(?P<site>.*/(?:site|dist)-packages)/(?P<package>[A-Za-z0-9_]+)[/.]")
_SOURCE_TREE = re.compile(r"^(?P<site>.*)/(?P<package>torch)/lib/libtorch_")
_VERSION = re.compile(r"\d+(\.\d+)?")

_PLATFORMS = (  # a library's file name, with its version where it has one; what it is
    (re.compile(r"/libcudart(?:-[0-9a-f]+)?\.so(?:\.(\d+(?:\.\d+)?))?"), "CUDA"),
    (re.compile(r"/libamdhip64\.so(?:\.(\d+(?:\.\d+)?))?"), "ROCm"),
    (re.compile(r"/libsycl\.so()"), "oneAPI"),
    (re.compile(r"/libOpenCL\.so()"), "OpenCL"),
    (re.compile(r"/libpocl\.so()"), "PoCL"),
    (re.compile(r"/libtpu\.so()"), "TPU"),
    (re.compile(r"/lib(?:dnnl|torch_cpu)\.so()"), "oneDNN"),  # libtorch_cpu has oneDNN inside
    (re.compile(r"/libmkl_core\.so()"), "MKL"),
    (re.compile(r"openblas[^/]*\.so()"), "OpenBLAS"),
)
_ACCELERATED = {"CUDA", "ROCm", "oneAPI", "TPU"}
_DRIVERS = (
    (re.compile(r"/libcuda\.so\.(\d+(?:\.\d+)*)"), "NVIDIA driver"),
    (re.compile(r"/libamdhip64\.so()"), "AMD GPU"),
    (re.compile(r"/libze_intel_gpu\.so()"), "Intel GPU"),
    (re.compile(r"/libtpu\.so()"), "TPU"),
)
_CLOUDS = (  # a file of /sys/class/dmi/id and what it starts with; the strings are those of cloud-init's ds-identify
    ("sys_vendor", "Amazon EC2", "AWS"),
    ("bios_vendor", "Amazon EC2", "AWS"),
    ("product_name", "Google Compute Engine", "GCP"),
    ("chassis_asset_tag", "7783-7084-3265-9085-8269-3286-77", "Azure"),
    ("chassis_asset_tag", "OracleCloud.com", "Oracle Cloud"),
    ("product_name", "Alibaba Cloud ECS", "Alibaba Cloud"),
    ("sys_vendor", "Tencent Cloud", "Tencent Cloud"),
    ("sys_vendor", "DigitalOcean", "DigitalOcean"),
    ("sys_vendor", "Hetzner", "Hetzner"),
    ("sys_vendor", "Scaleway", "Scaleway"),
    ("sys_vendor", "Vultr", "Vultr"),
    ("sys_vendor", "UpCloud", "UpCloud"),
    ("sys_vendor", "Akamai", "Akamai"),
    ("product_name", "Exoscale", "Exoscale"),
    ("product_name", "OpenStack", "OpenStack"),
)
_NAMES_ITS_SIZE = {"AWS"}  # where product_name is the kind of machine: "p5.48xlarge"
_SERVICES = (  # a variable that the service sets in every job
    ("SM_CURRENT_HOST", "SageMaker"),
    ("AZUREML_RUN_ID", "Azure ML"),
    ("CLOUD_ML_JOB_ID", "Vertex AI"),
    ("DATABRICKS_RUNTIME_VERSION", "Databricks"),
    ("COLAB_RELEASE_TAG", "Colab"),
    ("KAGGLE_KERNEL_RUN_TYPE", "Kaggle"),
    ("RUNPOD_POD_ID", "RunPod"),
    ("MODAL_TASK_ID", "Modal"),
    ("KUBERNETES_SERVICE_HOST", "Kubernetes"),
    ("SLURM_JOB_ID", "Slurm"),
    ("LSB_JOBID", "LSF"),
    ("PBS_JOBID", "PBS"),
)


def layers_of(target: Target, proc: Path = PROC, sys: Path = SYS) -> Mapping[str, tuple[str, ...]]:
    """The layers that could be told, by their names in `LAYERS`; `proc` and `sys` are where those are mounted."""
    packages = _Packages(target, proc)
    found = {
        "framework": tuple(packages.labels(_FRAMEWORKS)),
        "compiler": tuple(_compilers(target, packages)),
        "platform": tuple(_platforms(target, packages)),
        "hardware": tuple(_hardware(target, proc)),
        "cloud": tuple(_cloud(target, proc, sys)),
    }
    return {layer: found[layer] for layer in LAYERS if found[layer]}


def framework_of(target: Target, proc: Path = PROC) -> str | None:
    """The framework that the process trains or serves with: "PyTorch 2.13"."""
    return next(iter(_Packages(target, proc).labels(_FRAMEWORKS)), None)


def may_have_framework(maps: bytes) -> bool:
    """Looks quickly at the text of /proc/PID/maps; False only where `framework_of` would find none."""
    return _A_FRAMEWORK.search(maps) is not None


class _Packages:
    """The Python packages of which a compiled module is mapped, and the versions installed beside them."""

    def __init__(self, target: Target, proc: Path) -> None:
        self._root = proc / str(target.pid) / "root"
        self.mapped: dict[str, str] = {}  # package → its site-packages
        for path in target.libraries:
            if match := _PACKAGE.match(path) or _SOURCE_TREE.match(path):
                self.mapped.setdefault(match["package"], match["site"])
        self._versions: dict[str, dict[str, str]] = {}

    def labels(self, packages: Iterable[_Package]) -> Iterator[str]:
        for package in packages:
            if all(name in self.mapped for name in package.mapped):
                version = self.version(self.mapped[package.mapped[0]], package.dists)
                yield f"{package.label} {version}" if version else package.label

    def version(self, site: str, dists: Iterable[str]) -> str | None:
        """Major and minor, of the first of `dists` that is installed there."""
        if site not in self._versions:
            self._versions[site] = _installed(self._root / site.lstrip("/"))
        full = next((self._versions[site][dist] for dist in dists if dist in self._versions[site]), None)
        match = _VERSION.match(full or "")
        return match[0] if match else None


def _installed(site: Path) -> dict[str, str]:
    """Distribution (lower case, underscores) → version, from the names of the *.dist-info folders."""
    found = {}
    try:
        with os.scandir(site) as entries:
            for entry in islice(entries, _MOST_FILES):
                name, _, version = entry.name.removesuffix(".dist-info").partition("-")
                if version and entry.name.endswith(".dist-info"):
                    found[name.lower().replace(".", "_")] = version
    except OSError:  # another user's process, or gone: its frameworks go without a version
        return found
    return found


def _compilers(target: Target, packages: _Packages) -> Iterator[str]:
    yield from packages.labels(_COMPILERS)
    if any(_INDUCTOR.search(path) for path in target.libraries):
        yield "Inductor"


def _platforms(target: Target, packages: _Packages) -> Iterator[str]:
    versions = _matches(target, _PLATFORMS)
    if "CUDA" in versions and "." not in versions["CUDA"]:  # libcudart.so.12 from a wheel: its own version says more
        versions["CUDA"] = _cuda_wheel(packages) or versions["CUDA"]
    if not _ACCELERATED & versions.keys():
        yield "CPU"
    yield from (f"{name} {version}".rstrip() for name, version in versions.items())


def _cuda_wheel(packages: _Packages) -> str | None:
    wheels = ("nvidia_cuda_runtime", "nvidia_cuda_runtime_cu13", "nvidia_cuda_runtime_cu12", "nvidia_cuda_runtime_cu11")
    site = packages.mapped.get("nvidia")
    return packages.version(site, wheels) if site else None


def _matches(target: Target, table: Iterable[tuple[re.Pattern[str], str]]) -> dict[str, str]:
    """Label → version or "", in the order of the table."""
    found = {}
    for pattern, label in table:
        match = next(filter(None, map(pattern.search, target.libraries)), None)
        if match:
            found[label] = match[1] or ""
    return found


def _hardware(target: Target, proc: Path) -> Iterator[str]:
    drivers = _matches(target, _DRIVERS)
    if "NVIDIA driver" in drivers:
        yield from _counted(_nvidia_models(proc))
    yield from (f"{name} {version}".rstrip() for name, version in drivers.items())
    yield from _counted(_fields(_read(proc / "cpuinfo"), "model name"), "{name}, {count} cores")


def _nvidia_models(proc: Path) -> list[str]:
    files = sorted((proc / "driver/nvidia/gpus").glob("*/information"))
    return [model for file in files[:64] for model in _fields(_read(file), "Model")]


def _counted(names: list[str], many: str = "{count}× {name}") -> Iterator[str]:
    for name in dict.fromkeys(names):
        count = names.count(name)
        yield many.format(name=name, count=count) if count > 1 else name


def _fields(text: str, key: str) -> list[str]:
    pairs = (line.partition(":") for line in text.splitlines())
    return [" ".join(clean(value.strip(), _LONGEST).split()) for name, _, value in pairs if name.strip() == key]


def _cloud(target: Target, proc: Path, sys: Path) -> Iterator[str]:
    dmi = sys / "class/dmi/id"
    for file, start, cloud in _CLOUDS:
        if _read(dmi / file).startswith(start):
            size = clean(_read(dmi / "product_name").strip(), _LONGEST) if cloud in _NAMES_ITS_SIZE else ""
            yield f"{cloud} {size}".rstrip()
            break
    names = {line.partition("=")[0] for line in _read(proc / str(target.pid) / "environ").split("\0")}
    yield from (service for variable, service in _SERVICES if variable in names)


def _read(path: Path) -> str:
    """The beginning of a small file; "" where it can't be read."""
    try:
        with open(path, "rb") as file:
            return file.read(_MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
