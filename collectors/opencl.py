"""Platforms and devices of OpenCL. It has no counters, so all is said in `open`."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterable
from importlib.resources import files
from typing import Any

from acceltop.profiler.attach import proc
from acceltop.profiler.clock import NS_PER_S, monotonic, now_ns
from acceltop.profiler.errors import Unavailable
from acceltop.profiler.model import DeviceFound, Frame
from acceltop.profiler.source import SourceContext
from acceltop.profiler.text import clean

NAME = "opencl"
_TIME_LIMIT_S = 10.0  # without what was spent in the queue for a processor
_PATIENCE = 12  # that many limits are the end, however busy the machine is
_MAX_DEVICES = 256
_MAX_WORD = 256
_NO_BINDING = 3
_LOOK_S = 0.1  # how often a wish to stop is looked for
_FIND_IT = "run `clinfo` to see which; OCL_ICD_VENDORS can name a folder with the good ones only"
_ATTRIBUTES = (
    "platform",
    "platform_version",
    "version",
    "driver",
    "compute_units",
    "clock_mhz",
    "work_group",
    "local_memory",
    "max_allocation",
)
_KINDS = (("GPU", "gpu"), ("CPU", "cpu"))


class Source:
    """Options: opencl.time_limit_s."""

    name = NAME
    deadline_s = 2.0

    def open(self, context: SourceContext) -> Iterable[Frame]:
        """Every device of every platform. Raises Unavailable when there is none, or a driver hangs or crashes."""
        devices = _probe(context)
        if not devices:
            raise Unavailable("OpenCL has no platform here", "install one, for example pocl-opencl-icd")
        places = [device["pci"] for device in devices]
        return [
            # Two platforms may drive one device: then only its number tells them apart.
            _found(index, device, alone=places.count(device["pci"]) == 1)
            for index, device in enumerate(devices[:_MAX_DEVICES])
        ]

    def poll(self) -> None:
        """OpenCL doesn't count."""

    def close(self) -> None:
        """Nothing to give back."""


def _probe(context: SourceContext) -> list[dict[str, Any]]:
    # A process of its own: only that can be ended when a vendor's driver hangs, and survived when it crashes.
    time_limit_s = float(context.options.get("opencl.time_limit_s", _TIME_LIMIT_S))
    # As text: on another machine we are imported from an archive, where it is no file.
    probe = files(__package__).joinpath("opencl_probe.py").read_text()
    command = [sys.executable, "-c", probe, f"{_PATIENCE * time_limit_s + 1:.0f}"]
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe)
    except OSError as error:
        raise Unavailable(f"can't ask OpenCL: {error}") from None
    output, errors = _communicate(process, time_limit_s, context.stop)
    _check(process.returncode, errors)
    return _decoded(output)


def _communicate(process: subprocess.Popen[bytes], time_limit_s: float, stop: threading.Event) -> tuple[bytes, bytes]:
    began, silent_s = monotonic(), 0.0
    while silent_s - queued_s(process.pid) < time_limit_s and silent_s < _PATIENCE * time_limit_s:
        try:
            return process.communicate(timeout=_LOOK_S)
        except subprocess.TimeoutExpired:
            silent_s = monotonic() - began
        if stop.is_set():
            break
    process.kill()  # not waited for: it may hang inside the kernel
    raise Unavailable(f"OpenCL has not answered for {silent_s:.0f} s: a driver hangs, or is very slow", _FIND_IT)


def queued_s(pid: int) -> float:
    """How long it was ready to run, and something else ran; 0 where the kernel doesn't tell."""
    told = proc.read_or_empty(pid, "schedstat").split()
    return int(told[1]) / NS_PER_S if told else 0.0


def _check(code: int, errors: bytes) -> None:
    if code == _NO_BINDING:
        raise Unavailable("no binding to OpenCL", "pip install pyopencl")
    if code < 0:
        raise Unavailable(f"an OpenCL driver crashed (signal {-code})", _FIND_IT)
    if code != 0:
        last = errors.decode(errors="replace").strip().rpartition("\n")[2]
        raise Unavailable(f"OpenCL can't be asked: {clean(last, _MAX_WORD)}", "try `clinfo`")


def _decoded(answer: bytes) -> list[dict[str, Any]]:
    try:
        # A driver may have written to stdout before; the answer is the last line.
        devices: list[dict[str, Any]] = json.loads(answer.strip().rpartition(b"\n")[2])
    except ValueError:
        raise Unavailable("OpenCL's answer can't be read", "try `clinfo`") from None
    return devices


def _found(index: int, device: dict[str, Any], alone: bool) -> DeviceFound:
    attributes = {name: clean(str(device[name]), _MAX_WORD) for name in _ATTRIBUTES if name in device}
    if device["extensions"]:
        attributes["extensions"] = " ".join(device["extensions"])
    pci = device["pci"]
    return DeviceFound(
        now_ns(),
        f"opencl:{pci}" if pci and alone else f"opencl:{index}",
        clean(str(device.get("name", "OpenCL device")), _MAX_WORD),
        next((kind for word, kind in _KINDS if word in device["type"]), "accelerator"),
        vendor=clean(str(device.get("vendor", "")), _MAX_WORD),
        source=NAME,
        index=index,
        pci=pci,
        memory_bytes=device.get("memory"),
        attributes=attributes,
    )
