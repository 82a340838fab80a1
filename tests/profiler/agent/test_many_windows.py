"""Hundreds of windows in one job: closed from another thread than the training one, they crashed it in 25 to 175."""

from __future__ import annotations

import pytest
from tests.jobs import Job

pytest.importorskip("torch", reason="the targets train with PyTorch")


@pytest.mark.parametrize(("aside", "windows"), [("0", "250"), ("1", "80")], ids=["main thread", "another thread"])
def test_a_job_survives_hundreds_of_windows(aside: str, windows: str) -> None:
    running = Job("many_windows", "--windows", windows, "--aside", aside)
    try:
        assert running.process.wait(300) == 0
        assert running.output() == f"taken {windows} seen True\n"
        assert not running.errors()
    finally:
        running.close()
