"""The report of a job on another machine says what one from there would: the same steps, layers and heavy ops."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from tests.jobs import job, own_steps, record
from tests.profiler.agent.test_torch_jobs import phases
from tests.remote.sshd import needs_sshd, serve

pytest.importorskip("torch", reason="the targets train with PyTorch")
# A handful of windows on a busy machine: two reports from there differ by some hundredths.
HEAVY, NOISE = 0.2, 0.15


def shares(document: dict[str, Any]) -> dict[str, float]:
    return {kernel["name"]: kernel["share"] for kernel in document["kernels"]}


def marked(document: dict[str, Any]) -> dict[str, float]:
    """Shares of the phases that every step marks; what is forward of the rest only windows tell, and those differ."""
    return {name: share for name, share in phases(document).items() if name not in ("forward", "other")}


@needs_sshd
def test_a_recording_from_elsewhere_says_the_same(tmp_path: Path) -> None:
    with serve(tmp_path) as server, job("cnn", "--slow", "200", forked=True) as running:
        words = ("record", str(running.pid), "--only", "agent,host")
        there = record(tmp_path / "near.mcap", *words)
        here = record(tmp_path / "far.mcap", "ssh", *server.words, "127.0.0.1", *words)
        running.stop()
        said = running.result()
    for document, file in ((there, "near.mcap"), (here, "far.mcap")):
        # The machine gets busier and idler within these seconds: the job's own clock is the judge of both.
        assert document["steps"]["mean_s"] == pytest.approx(fmean(own_steps(tmp_path / file, said)), rel=0.1)
        assert document["dropped"] == 0
    assert here["processes"][0]["layers"] == there["processes"][0]["layers"]
    assert here["kernels"][0]["location"] == there["kernels"][0]["location"]
    heavy = {name: share for name, share in shares(there).items() if share > HEAVY}
    assert heavy and {name: shares(here).get(name, 0.0) for name in heavy} == pytest.approx(heavy, abs=NOISE)
    assert marked(here) == pytest.approx(marked(there), abs=NOISE)
