"""A pattern stands in acceltop's own command line too, and never means that."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.profiler.cli.program import SPIN, acceltop, one_line, python
from tests.remote.sshd import needs_sshd, serve

from acceltop.profiler.remote.chosen import is_ours


@pytest.mark.parametrize(
    ("argv", "ours"),
    [
        (("/usr/bin/python3", "/opt/bin/acceltop", "ssh", "box", "attach", "-n", "train"), True),
        (("python3", "-m", "acceltop", "attach", "-n", "train"), True),
        (("python3", "-I", "-S", "-c", "from acceltop.profiler.remote.keeper import main", "train"), True),
        (("acceltop", "top"), True),
        (("python3", "-m", "acceltop.profiler.demo.train"), False),
        (("python3", "train.py", "acceltop"), False),
        (("python3", "-c", "print('acceltop')"), False),
        (("python3", "-m"), False),
        (("python3",), False),
        ((), False),
    ],
)
def test_what_is_ours(argv: Sequence[str], ours: bool) -> None:
    assert is_ours(argv) is ours


@needs_sshd
def test_a_name_means_the_job_alone_and_never_us(tmp_path: Path) -> None:
    name = f"the-job-of-{tmp_path.name}"
    with serve(tmp_path) as server:
        words = ("ssh", *server.words, "127.0.0.1", "attach", "--no-inject", "--only", "host", "-n", name)
        with python(SPIN, name) as job:
            result = acceltop(*words, "--duration", "2s", "--json")
        assert result.returncode == 0, result.stderr
        found = [json.loads(line) for line in result.stdout.splitlines()]
        assert {frame["pid"] for frame in found if frame["kind"] == "ProcessFound"} == {job.pid}
        nobody = acceltop(*words)  # the job has ended: we alone are left with that name
    assert nobody.returncode == 3
    assert "but for acceltop's own" in one_line(nobody)
