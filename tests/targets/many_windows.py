"""A job that opens and closes --windows of the agent's own sessions in itself, one right after the other.

A hundred annotations begin and end every few steps. --aside 1: it trains in a thread that is not the main one.
"""

from __future__ import annotations

import random
import threading
import time
from contextlib import ExitStack

import torch
from tests.targets.own_clock import arguments
from torch import nn

from acceltop.profiler.agent.torch_quiet import first_session_in_this_thread
from acceltop.profiler.agent.torch_session import Session

wish = arguments(windows=300, aside=0)
layer = nn.TransformerEncoderLayer(32, 2, 64, batch_first=True, dropout=0.0)
model = nn.Sequential(nn.TransformerEncoder(layer, 4, enable_nested_tensor=False), nn.Linear(32, 16))
optimizer = torch.optim.AdamW(model.parameters())
tokens, wanted = torch.randn(4, 16, 32), torch.randn(4, 16, 16)
done = threading.Event()
first_session_in_this_thread()
session = Session(torch, lambda: None)
optimizer.register_step_post_hook(lambda *_: session.step_end.visit())


def take_windows() -> None:
    taken = events = 0
    while taken < wish.windows:
        length_s = random.uniform(0.001, 0.012)
        if session.start(time.monotonic(), length_s):
            time.sleep(length_s)
            events += len(session.finish())
            taken += 1
    session.leave()
    print("taken", taken, "seen", events > 0, flush=True)
    done.set()


def train() -> None:
    while not done.is_set():
        with ExitStack() as stack:
            for _ in range(100):
                stack.enter_context(torch.profiler.record_function("some steps"))
            for _ in range(3):
                step()


def step() -> None:
    optimizer.zero_grad()
    nn.functional.mse_loss(model(tokens), wanted).backward()
    optimizer.step()


if wish.aside:
    trainer = threading.Thread(target=train)
    trainer.start()
    session.trainer = trainer.ident
    take_windows()
    trainer.join()
else:
    threading.Thread(target=take_windows).start()
    train()
