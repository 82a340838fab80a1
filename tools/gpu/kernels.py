"""Kernels as acceltop's own report names and ranks them."""

from __future__ import annotations

from typing import Any

from benchmarks.job import Failed

from acceltop.profiler.analysis.summary import Summary
from acceltop.profiler.codec import from_dict


def document(frames: list[dict[str, Any]]) -> dict[str, Any]:
    """The report's document of these frames."""
    summary = Summary()
    for data in frames:
        frame = from_dict(data)
        if frame is not None:
            summary.add(frame)
    return summary.document()


def hottest(frames: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The report's kernels, those with the most time first. Raises Failed when there are none."""
    found: list[dict[str, Any]] = document(frames)["kernels"]
    if not found:
        raise Failed("no window held a kernel")
    return found
