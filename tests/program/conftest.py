"""One fake driver that the tests of the whole program share."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fakes.nvml.build import compiler, library
from tests.fakes.nvml.driver import FakeDriver


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
