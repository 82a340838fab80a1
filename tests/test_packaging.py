"""The wheel as a user gets it: built, installed into a clean environment, imported, and asked for its version."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DATA = {"acceltop/profiler/demo/train.py", "acceltop/profiler/py.typed", "acceltop/__main__.py"}


def run(*command: object, cwd: Path) -> str:
    result = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, timeout=280)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheel and sdist, built by the build backend that pip calls (and without an index: it is installed here)."""
    folder = tmp_path_factory.mktemp("dist")
    build = "import sys, hatchling.build as b; b.build_wheel(sys.argv[1]); b.build_sdist(sys.argv[1])"
    run(sys.executable, "-c", build, folder, cwd=ROOT)
    return folder


@pytest.fixture(scope="module")
def clean_python(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has acceltop and nothing else, no dependency either."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    (wheel,) = dist.glob("*.whl")
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=folder)
    return python


def test_the_wheel_holds_every_module_and_nothing_else(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    tops = {name.partition("/")[0] for name in names}
    assert len(tops) == 2 and "acceltop" in tops
    ours = {
        f"acceltop/{path.relative_to(ROOT)}"
        for room in ("profiler", "collectors", "views")
        for path in (ROOT / room).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert ours - {"acceltop/profiler/__main__.py"} <= names
    assert names >= DATA


def test_it_needs_neither_torch_nor_anything_that_compiles(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    archive = zipfile.ZipFile(wheel)
    metadata = archive.read(next(name for name in archive.namelist() if name.endswith("/METADATA"))).decode()
    needed = re.findall(r"^Requires-Dist: ([A-Za-z0-9._-]+)(?!.*extra ==)", metadata, re.MULTILINE)
    assert needed and {"torch", "pyopencl"}.isdisjoint(needed)


def test_the_sdist_builds_the_same_wheel(dist: Path, tmp_path: Path) -> None:
    (archive,) = dist.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    again = tmp_path / "again"
    again.mkdir()
    run(sys.executable, "-c", "import sys, hatchling.build as b; b.build_wheel(sys.argv[1])", again, cwd=source)
    (first,), (second,) = dist.glob("*.whl"), again.glob("*.whl")
    assert set(zipfile.ZipFile(first).namelist()) == set(zipfile.ZipFile(second).namelist())


def test_a_clean_install_starts_and_says_what_it_lacks_in_one_line(clean_python: Path, tmp_path: Path) -> None:
    script = clean_python.with_name("acceltop")
    assert run(script, "--version", cwd=tmp_path) == run(clean_python, "-m", "acceltop", "--version", cwd=tmp_path)
    assert "verbs:" in run(script, "--help", cwd=tmp_path)
    demo = subprocess.run([script, "demo"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert demo.returncode == 1
    (line,) = demo.stderr.splitlines()
    assert "PyTorch" in line and "pip install" in line
    assert list(tmp_path.iterdir()) == []


def test_a_clean_install_records_without_any_dependency(clean_python: Path, tmp_path: Path) -> None:
    """Every source that lacks its library becomes a Note; the stream itself needs the standard library alone."""
    script = clean_python.with_name("acceltop")
    out = run(script, "record", "-o", "-", "--duration", "1s", cwd=tmp_path)
    assert '"kind":"Hello"' in out.splitlines()[0]
    assert '"kind":"Note"' in out


@pytest.mark.parametrize("room", ["profiler", "collectors", "views"])
def test_the_bare_names_stay_the_user_s(room: str, clean_python: Path, tmp_path: Path) -> None:
    result = subprocess.run([clean_python, "-c", f"import {room}"], cwd=tmp_path, capture_output=True, text=True)
    assert "ModuleNotFoundError" in result.stderr
