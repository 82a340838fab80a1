"""Loads what all targets need, once, and forks one for each line of its input: torch takes seconds to load, and to end.

A line is {"module", "arguments", "out", "err", "code"}, the answer is the PID; the exit code comes into that file.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
from pathlib import Path
from typing import Any

import torch


def load_all() -> None:
    """torch loads as much again at the first step of an optimizer."""
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter])
    optimizer.zero_grad()
    optimizer.step()


def fork(wish: dict[str, Any]) -> bool:
    """True in the new process. One in between waits for its end: we have others to start."""
    if os.fork():
        return False
    job = os.fork()
    if job == 0:
        return True
    print(job, flush=True)
    code = os.waitstatus_to_exitcode(os.waitpid(job, 0)[1])
    Path(wish["code"]).write_text(f"{code}\n")
    os._exit(0)


def become(wish: dict[str, Any]) -> None:
    for descriptor, name in enumerate((os.devnull, wish["out"], wish["err"])):
        os.dup2(os.open(name, os.O_RDWR), descriptor)
    sys.argv[1:] = wish["arguments"]
    runpy.run_module(wish["module"], run_name="__main__", alter_sys=True)


load_all()
for line in sys.stdin:
    if fork(json.loads(line)):
        become(json.loads(line))
        break
