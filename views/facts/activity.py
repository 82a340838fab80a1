"""Which metric tells how busy a device is; known before anything heavy is loaded."""

ACTIVITY = ("hw.gpu.sm.active", "hw.gpu.graphics.active", "hw.gpu.utilization")  # the best first
HOST_ACTIVITY = "system.cpu.utilization"
