"""One job on two machines: its ranks side by side, and the one that the other waits for is named."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.nursery import ROOT
from tests.profiler.cli.program import acceltop
from tests.remote.sshd import ALONE, Server, free_port, needs_sshd, several

from acceltop.profiler.remote.transport import ssh

pytest.importorskip("torch")


@contextmanager
def _ranks(servers: list[Server], *words: str) -> Iterator[None]:
    """One rank on each of the machines, all of which have done their first steps."""
    common = ["env", "-C", str(ROOT), "MASTER_ADDR=127.0.0.1", f"MASTER_PORT={free_port()}"]
    program = [sys.executable, "-m", "tests.targets.ranks", *words]
    running = []
    try:
        for rank, server in enumerate(servers):
            command = [*common, f"WORLD_SIZE={len(servers)}", f"RANK={rank}", *program]
            transport = ssh("127.0.0.1", server.options)
            running.append(subprocess.Popen(transport.command(command), stdout=subprocess.PIPE, text=True))
        for process in running:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
        yield
    finally:
        for process in running:
            process.kill()
            process.communicate()


@needs_sshd
@pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root")
def test_the_rank_that_the_others_wait_for_is_found_across_machines(tmp_path: Path) -> None:
    with several(tmp_path, 2, ALONE) as (servers, known), _ranks(servers, "--late", "0.1"):
        words = ("attach", "-n", "tests.targets.ranks", "--only", "agent,host", "--duration", "5s", "--text")
        result = acceltop("ssh", known, "n1,n2", *words, timeout_s=120)
    assert result.returncode == 0, result.stderr
    assert "[n1] python" in result.stdout and "[n2] python" in result.stdout
    assert "slowest rank 1: 1" in " ".join(result.stdout.split()), result.stdout  # of 100 ms and more
