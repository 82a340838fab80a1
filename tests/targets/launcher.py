"""Starts four ranks on one machine, as a launcher does, and says their PIDs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

WORLD = 4


def launch() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    common = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(WORLD)}
    command = [sys.executable, "-m", "tests.targets.ranks", *sys.argv[1:]]
    ranks = [subprocess.Popen(command, env={**common, "RANK": str(rank)}) for rank in range(WORLD)]
    print("pids", *(rank.pid for rank in ranks), flush=True)
    sys.exit(max(rank.wait() for rank in ranks))


launch()
