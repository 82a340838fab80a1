"""Runs one source in a process of its own, a step a line: "poll" or "close" in, its Frames and an empty line out.

python serve_source.py acceltop.collectors.nvml '{"pids": [1], "options": {"nvml.deadline_s": "0.2"}}'
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterable

from acceltop.profiler.codec import encode
from acceltop.profiler.errors import Unavailable
from acceltop.profiler.model import Frame, Note
from acceltop.profiler.source import SourceContext


def show(frames: Iterable[Frame]) -> None:
    """Prints the answer to one step."""
    for frame in frames:
        print(encode(frame))
    print(flush=True)


def main(module: str, text: str) -> None:
    """Serves steps until the input ends."""
    wanted = json.loads(text)
    source = importlib.import_module(module).Source()
    try:
        show(source.open(SourceContext(pids=tuple(wanted["pids"]), options=wanted["options"])))
    except Unavailable as error:
        show([Note(0, "warning", "unavailable", error.cause, error.next_step)])
    for line in sys.stdin:
        if line.strip() == "poll":
            show(source.poll())
        else:
            source.close()
            show([])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
