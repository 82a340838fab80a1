"""How far the device is behind the thread that launches its work, which decides how much of it a window sees.

kineto records a kernel that was launched in a window and ended in it. Of a job whose device is 80 ms behind, as large
models on fast devices are, a window of 50 ms sees none. Waiting for the device would stop the job: the next windows
are longer instead.
"""

from __future__ import annotations

from typing import Dict, List, Tuple

from acceltop.profiler.agent.torch_events import Kernel, Window

GROW = 3  # the next window, by the length of one in which no kernel came to its end


def reach(window: Window, closed_ns: int) -> Tuple[int, int]:
    """Until when (ns since the epoch) all that was launched was seen, and how long a kernel waited at most (ns).

    The queue with most work decides: others run ahead. Of the launches without a kernel those before the last that has
    one got lost, which happens at the beginning of a window; those after it still waited for the device.
    """
    launched = window.launches
    seen = {k[8]: k for k in window.kernels if k[8] in launched}
    if not seen:
        behind = GROW * (closed_ns - min(launched.values())) if launched else 0
        return closed_ns, behind
    queue = _busiest(list(seen.values()))
    last = max(launched[number] for number, k in seen.items() if k[4:6] == queue)
    until = min((at for number, at in launched.items() if at > last and number not in seen), default=closed_ns)
    return until, max(0, max(k[0] - launched[number] for number, k in seen.items()))


def _busiest(kernels: List[Kernel]) -> Tuple[int, ...]:
    """Device and stream."""
    busy: Dict[Tuple[int, ...], int] = {}
    for kernel in kernels:
        busy[kernel[4:6]] = busy.get(kernel[4:6], 0) + kernel[1]
    return max(busy, key=lambda queue: busy[queue])
