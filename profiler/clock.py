"""The one clock. Times in Frames are nanoseconds since the epoch, of the machine that measured."""

from __future__ import annotations

import time

NS_PER_S = 1_000_000_000

now_ns = time.time_ns
# Deadlines and durations never use the wall clock: it may be set while we run.
monotonic = time.monotonic
