"""Asks every OpenCL platform for its devices and prints them as JSON.

Run as a program of its own, with a time limit in seconds: a vendor's driver may hang or crash in this.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from typing import Any

# Of the extensions only those that tell something about profiling or matching; the others are many.
_EXTENSIONS = {
    "cl_khr_pci_bus_info",
    "cl_khr_device_uuid",
    "cl_khr_command_buffer",
    "cl_khr_fp16",
    "cl_khr_fp64",
    "cl_khr_subgroups",
    "cl_khr_il_program",
    "cl_intel_subgroups",
    "cl_intel_unified_shared_memory",
    "cl_nv_device_attribute_query",
    "cl_amd_device_attribute_query",
}
_NUMBERS = {
    "memory": "global_mem_size",
    "local_memory": "local_mem_size",
    "max_allocation": "max_mem_alloc_size",
    "compute_units": "max_compute_units",
    "clock_mhz": "max_clock_frequency",
    "work_group": "max_work_group_size",
}
_WORDS = {"name": "name", "vendor": "vendor", "version": "version", "driver": "driver_version"}
_PCI_BUS_INFO_KHR = 0x410F  # four integers: domain, bus, device, function


def main() -> int:
    """Exit code 3: there is no pyopencl."""
    try:
        import pyopencl
    except ImportError as error:
        print(error, file=sys.stderr)
        return 3
    print(json.dumps([device for platform in _platforms(pyopencl) for device in _devices(pyopencl, platform)]))
    return 0


def _platforms(cl: Any) -> list[Any]:
    try:
        found: list[Any] = cl.get_platforms()
    except cl.Error:  # the loader is there, and no platform
        return []
    return found


def _devices(cl: Any, platform: Any) -> list[dict[str, Any]]:
    try:
        devices = platform.get_devices()
    except cl.Error:  # a platform without devices says so with an error
        return []
    return [_device(cl, platform, device) for device in devices]


def _device(cl: Any, platform: Any, device: Any) -> dict[str, Any]:
    extensions = set(str(_ask(cl, device, "extensions") or "").split())
    known = {key: value for key, name in (_NUMBERS | _WORDS).items() if (value := _ask(cl, device, name)) is not None}
    return known | {
        "platform": str(_ask(cl, platform, "name") or ""),
        "platform_version": str(_ask(cl, platform, "version") or ""),
        "type": cl.device_type.to_string(device.type),
        "pci": _pci(cl, device, extensions),
        "extensions": sorted(extensions & _EXTENSIONS),
    }


def _ask(cl: Any, thing: Any, name: str) -> Any:
    try:
        return getattr(thing, name)
    except (cl.Error, AttributeError):  # older than this field
        return None


def _pci(cl: Any, device: Any, extensions: set[str]) -> str | None:
    if "cl_khr_pci_bus_info" in extensions:
        return _pci_khr(cl, device)
    try:
        if "cl_nv_device_attribute_query" in extensions:
            domain = _ask(cl, device, "pci_domain_id_nv") or 0
            slot = device.pci_slot_id_nv  # device and function in one byte
            return _address(domain, device.pci_bus_id_nv, slot >> 3, slot & 7)
        if "cl_amd_device_attribute_query" in extensions:
            place = device.topology_amd
            return _address(0, place.bus & 0xFF, place.device, place.function)
    except (cl.Error, AttributeError):  # promised and not kept
        return None
    return None


def _address(domain: int, bus: int, device: int, function: int) -> str:
    return f"{domain:04x}:{bus:02x}:{device:02x}.{function:x}"


def _pci_khr(cl: Any, device: Any) -> str | None:
    """The binding knows no such query: asked through the loader that it brought, with the device's handle."""
    place = (ctypes.c_uint * 4)()
    try:
        get_info = ctypes.CDLL(cl._cl.__file__).clGetDeviceInfo
    except (OSError, AttributeError):  # another build of the binding
        return None
    get_info.argtypes = [ctypes.c_void_p, ctypes.c_uint, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p]
    if get_info(device.int_ptr, _PCI_BUS_INFO_KHR, ctypes.sizeof(place), ctypes.byref(place), None) != 0:
        return None
    return _address(*place)


if __name__ == "__main__":
    os.nice(10)  # devices that are only listed can wait for the first readings of the others
    signal.alarm(int(sys.argv[1]))  # ends even a hang in C, also when nobody is left to kill us
    del sys.path[0]  # the folder where we were started: its names are not meant to be imported
    sys.exit(main())
