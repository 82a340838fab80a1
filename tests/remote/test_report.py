"""The same job, recorded here and over ssh: the same report, within noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.jobs import job, record, report
from tests.profiler.cli.program import acceltop
from tests.remote.sshd import needs_sshd, serve

pytestmark = [needs_sshd, pytest.mark.torch, pytest.mark.slow]
SECONDS = 8.0


def _top(document: dict[str, Any]) -> dict[str, float]:
    """Shares of the kernels that take most of the time."""
    return {kernel["name"]: kernel["share"] for kernel in document["kernels"][:3]}


def test_a_recording_over_ssh_reports_what_a_local_one_does(tmp_path: Path) -> None:
    far = tmp_path / "far.mcap"
    with serve(tmp_path) as server, job("transformer") as running:
        ours = record(running.pid, SECONDS, tmp_path / "near.mcap")
        words = ("record", str(running.pid), "--duration", f"{SECONDS}s", "-o", str(far))
        result = acceltop("ssh", *server.words, "127.0.0.1", *words, timeout_s=120)
        assert result.returncode == 0, result.stderr
        theirs = report(far)
    assert theirs["dropped"] == ours["dropped"]
    (near,), (distant,) = ours["processes"], theirs["processes"]
    assert [distant[name] for name in ("pid", "framework")] == [near[name] for name in ("pid", "framework")]
    assert theirs["duration_s"] == pytest.approx(ours["duration_s"], rel=0.4)
    # One after the other on a machine that has other work too: its speed differs, what takes which share does not.
    assert 0.4 < theirs["steps"]["median_s"] / ours["steps"]["median_s"] < 2.5
    assert theirs["steps"]["phases"].keys() == ours["steps"]["phases"].keys()
    assert len({kernel["name"] for kernel in theirs["kernels"]} ^ {kernel["name"] for kernel in ours["kernels"]}) <= 3
    known = {kernel["name"]: kernel["share"] for kernel in theirs["kernels"]}
    for name, share in _top(ours).items():
        assert known[name] == pytest.approx(share, abs=0.1)
