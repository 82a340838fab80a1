"""Check acceltop on an NVIDIA GPU: against known work, by the job's own clock, over hundreds of windows.

python tools/gpu_check.py [--wheels DIR] [--output gpu_check.json] [--windows 200] [--seconds 10]

Needs the installed packages (acceltop and a torch for CUDA), or a folder of wheels. Some 8 minutes with 200 windows.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tools.gpu.result import Result

ROOT = Path(__file__).resolve().parents[1]
NVML = "libnvidia-ml.so.1"
CUDA = "import sys, torch; sys.exit(not torch.cuda.is_available())"


def main(argv: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    args = _parser().parse_args(arguments)
    if not args.cpu and (reason := no_gpu()):
        print(f"gpu_check: {reason}; nothing was checked (--cpu goes through the same motions without one)")
        return 0
    if args.wheels:
        return _in_venv(args.wheels, arguments)
    if args.cpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    if problem := _missing(args.cpu):
        print(f"gpu_check: {problem}", file=sys.stderr)
        return 1
    sys.path[0] = str(ROOT)  # started as a script this is tools/
    return check(args.output, args.windows, args.seconds, cuda=not args.cpu)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheels", type=Path, metavar="DIR", help="install from this folder into a venv, and use that")
    parser.add_argument("--output", type=Path, default=Path("gpu_check.json"), help="the same as data (%(default)s)")
    parser.add_argument("--windows", type=int, default=200, help="over which memory must not grow (%(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each stretch that is measured (%(default)s)")
    parser.add_argument("--cpu", action="store_true", help="the same on the CPU, without the counters of a GPU")
    return parser


def no_gpu() -> str | None:
    """Why there is no NVIDIA GPU to use here; None when there is one."""
    try:
        nvml = ctypes.CDLL(NVML)
    except OSError:
        return f"no NVIDIA driver here ({NVML} was not found)"
    found = ctypes.c_uint(0)
    if nvml.nvmlInit_v2() != 0 or nvml.nvmlDeviceGetCount_v2(ctypes.byref(found)) != 0 or not found.value:
        return "there is an NVIDIA driver, but it gives no GPU"
    return None


def _missing(cpu: bool) -> str | None:
    for name in ("torch", "acceltop.profiler"):
        if not _importable(name):
            return f"{name.partition('.')[0]} is not installed; pip install it, or use --wheels DIR"
    if not cpu and subprocess.run([sys.executable, "-c", CUDA], stderr=subprocess.DEVNULL).returncode != 0:
        return "this torch can't use the GPU (a build for CPUs?); install one for CUDA, or use --wheels DIR"
    return None


def _importable(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _in_venv(wheels: Path, arguments: list[str]) -> int:
    """The same again in a new environment, which still sees what is installed here."""
    rest = [word for at, word in enumerate(arguments) if not _names_wheels(arguments, at)]
    with tempfile.TemporaryDirectory(prefix="gpu_check-") as folder:
        python = f"{folder}/bin/python"
        packages = ["acceltop", *(["torch"] if any(wheels.glob("torch-*")) else [])]
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
        for command in (
            [sys.executable, "-m", "venv", "--system-site-packages", folder],
            [*pip, "--find-links", str(wheels), *packages],
        ):
            if subprocess.run(command).returncode != 0:
                print(f"gpu_check: could not install from {wheels}: see above", file=sys.stderr)
                return 1
        return subprocess.run([python, str(Path(__file__).resolve()), *rest]).returncode


def _names_wheels(arguments: list[str], at: int) -> bool:
    return arguments[at].startswith("--wheels") or (at > 0 and arguments[at - 1] == "--wheels")


def check(output: Path, windows: int, seconds: float, cuda: bool) -> int:
    """Runs all measurements; 1 when any of them failed."""
    from benchmarks.table import markdown
    from tools.gpu import checks, known
    from tools.gpu.run import collect

    _say(f"training with acceltop attached for {windows} windows (they come every 2 s)")
    run = collect(windows, seconds)
    tasks: list[tuple[str, Callable[[], Result]]] = [
        *((of.__name__, partial(of, run, cuda)) for of in checks.ON_RUN),
        *((of.__name__, partial(of, seconds, cuda)) for of in (known.copy, known.product)),
    ]
    whole: dict[str, Any] = {"time_s": time.time(), "cuda": cuda, "windows": windows, "failed": []}
    rows: list[tuple[str, str, str, str]] = []
    for name, task in tasks:
        _say(name)
        _measure(name, task, whole, rows)
        output.write_text(json.dumps(whole, indent=1))
    print(markdown(("measurement", "what", "value", "remark"), rows))
    return 1 if whole["failed"] else 0


def _measure(
    name: str, task: Callable[[], Result], whole: dict[str, Any], rows: list[tuple[str, str, str, str]]
) -> None:
    """One measurement, or the line that says why there is none: the others go on whatever happens here."""
    try:
        result = task()
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        whole["failed"].append({"name": name, "reason": reason})
        rows.append((name, "FAILED", "", reason))
        return
    whole[name] = {"rows": result.rows, **result.data}
    rows += [(result.name, *row) for row in result.rows]


def _say(text: str) -> None:
    print(f"gpu_check: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
