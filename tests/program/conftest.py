"""One training job, one fake driver and one recording that the tests of the whole program share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.nvml.build import compiler, library
from tests.fakes.nvml.driver import FakeDriver
from tests.jobs import Job, job
from tests.profiler.cli.program import acceltop


@pytest.fixture(scope="session")
def training() -> Iterator[Job]:
    """A real job that goes on for as long as the tests; needs PyTorch."""
    pytest.importorskip("torch")
    with job("transformer") as running:
        yield running


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if compiler() is None:
        pytest.skip("no C compiler for the fake driver")
    return library(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def driver(built: Path, tmp_path: Path) -> FakeDriver:
    """4 GPUs whose values move."""
    fake = FakeDriver(built, tmp_path)
    fake.set(gpus=4, waves=1)
    return fake


@pytest.fixture(scope="session")
def recorded(training: Job, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few seconds of the job, through `acceltop record`."""
    path = tmp_path_factory.mktemp("trace") / "job.mcap"
    done = acceltop("record", str(training.pid), "-o", str(path), "--duration", "6s")
    assert done.returncode == 0, done.stderr
    return path
