"""Four gloo ranks that average their gradients by hand; the last one is --late seconds slower, the others wait for it.

Starts its own ranks, as a launcher does, and says their PIDs.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

import torch
import torch.distributed as dist
from tests.targets.own_clock import arguments, train
from torch import nn

WORLD = 4
wish = arguments(late=0.03)


def launch() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    common = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(WORLD)}
    command = [sys.executable, "-m", "tests.targets.ranks", *sys.argv[1:]]
    ranks = [subprocess.Popen(command, env={**common, "RANK": str(rank)}) for rank in range(WORLD)]
    print("pids", *(rank.pid for rank in ranks), flush=True)
    sys.exit(max(rank.wait() for rank in ranks))


def work() -> None:
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    features, labels = torch.randn(16, 64), torch.randint(0, 10, (16,))

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(features), labels).backward()
        if rank == dist.get_world_size() - 1:
            time.sleep(wish.late)
        for parameter in model.parameters():
            if parameter.grad is not None:
                dist.all_reduce(parameter.grad)
        optimizer.step()

    train(step, model, wish)


if "RANK" in os.environ:
    work()
else:
    launch()
