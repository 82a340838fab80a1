"""The agent's way in: its source is old Python, stays out of the target's tables, and never raises there."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from importlib.util import MAGIC_NUMBER
from pathlib import Path

import pytest

from acceltop.profiler.attach import payload
from acceltop.profiler.attach.payload import agent_source

FOLDER = Path(__file__).resolve().parents[3] / "profiler" / "agent"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.name)
def test_the_source_is_python_3_7(path: Path) -> None:
    assert ast.parse(path.read_text(), feature_version=(3, 7))


@pytest.mark.parametrize("magic", [None, MAGIC_NUMBER, b"an alpha's"], ids=["as source", "compiled", "by an alpha"])
def test_it_leaves_no_name_and_no_module_and_works_without_a_framework(
    magic: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs the very text that is injected, in an interpreter of its own, and asks the agent for its hello."""
    place = tmp_path / "agent"
    code = f"""
import json, socket, sys, time
before = set(sys.modules)
exec(sys.stdin.read(), {{}})
link = socket.socket(socket.AF_UNIX)
end = time.monotonic() + 60
while True:
    try:
        link.connect({str(place / "agent.sock")!r})
        break
    except OSError:
        assert time.monotonic() < end
hello = json.loads(link.makefile().readline())
ours = [name for name in set(sys.modules) - before if "acceltop" in name or "agent" in name]
print(hello["kind"], hello["probe"], ours, [name for name in globals() if "acceltop" in name])
"""
    monkeypatch.setattr(payload, "MAGIC_NUMBER", magic)
    source = agent_source({"directories": [str(place)], "budget": 0.01}, sys.version_info[:2] if magic else None)
    done = subprocess.run([sys.executable, "-c", code], input=source, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("AgentHello None [] []\n", "")
    assert not place.exists()


def test_left_alone_it_takes_no_time_from_the_job(tmp_path: Path) -> None:
    """Between the end of its last acceltop and its own it only waits: when it turned in circles, steps took thrice."""
    pytest.importorskip("torch")
    place = tmp_path / "agent"
    code = f"""
import os, select, socket, time, torch
exec({agent_source({"directories": [str(place)], "budget": 0.01})!r}, {{}})
end = time.monotonic() + 60
with socket.socket(socket.AF_UNIX) as link:
    while link.connect_ex({str(place / "agent.sock")!r}):  # it is not there, or nobody listens yet
        assert time.monotonic() < end
        time.sleep(0.01)
    said = b""
    while b'"PyTorch"' not in said:
        assert time.monotonic() < end
        said += link.recv(1 << 16)
    time.sleep(0.5)
began, cpu = time.monotonic(), time.process_time()
while os.path.exists({str(place)!r}):
    assert time.monotonic() < end
    time.sleep(0.1)
print(f"{{(time.process_time() - cpu) / (time.monotonic() - began):.3f}}")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stderr == "" and float(done.stdout) < 0.2


def test_somebody_elses_directory_is_not_taken(tmp_path: Path) -> None:
    place = tmp_path / "agent"
    place.mkdir(0o755)
    (place / "precious").write_text("theirs")
    code = f"""
exec({agent_source({"directories": [str(place)], "budget": 0.01})!r}, {{}})
import threading
print(threading.Event().wait(0.5))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("False\n", "")
    assert os.listdir(place) == ["precious"]
