"""What a device is called, and which metric tells how busy it is; known before anything heavy is loaded."""

from acceltop.profiler.model import DeviceFound

ACTIVITY = ("hw.gpu.sm.active", "hw.gpu.graphics.active", "hw.gpu.utilization")  # the best first
HOST_ACTIVITY = "system.cpu.utilization"


def device_label(found: DeviceFound) -> str:
    """`0` for a GPU, a word for others."""
    if found.device.rpartition("/")[2] == "cpu":  # of several machines: `node1/cpu`
        return "cpu"
    if found.index is None:
        return found.name or found.device
    if found.source == "opencl":
        return f"ocl {found.index}"
    return str(found.index) if found.kind == "gpu" else found.name or found.device
