"""Compiles the fake driver. `library` gives a folder for LD_LIBRARY_PATH."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).parent


def compiler() -> str | None:
    """The C compiler of this machine, if there is one."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def library(folder: Path, *defines: str) -> Path:
    """Compiles `libnvidia-ml.so.1` into `folder`, with `defines` such as "OLD_DRIVER", and returns `folder`."""
    cc = compiler()
    if cc is None:
        raise RuntimeError("no C compiler: install cc")
    folder.mkdir(parents=True, exist_ok=True)
    name = "libnvidia-ml.so.1"
    flags = ["-O1", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden", f"-Wl,-soname,{name}"]
    macros = [f"-D{define}" for define in defines]
    subprocess.run([cc, *flags, *macros, "-o", folder / name, HERE / "fake_nvml.c", "-lm"], check=True, timeout=120)
    return folder
