"""When no window may open in a job with CUDA, and what waits for the end of one.

torch is built for CPUs here: what its CUDA half answers is set.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from acceltop.profiler.agent.torch_annotations import Annotations
from acceltop.profiler.agent.torch_session import Session

torch = pytest.importorskip("torch", reason="sessions are torch's")
pytestmark = pytest.mark.torch


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    made = Session(torch, lambda: None)
    yield made
    made.leave()


def opens(session: Session, aside: bool = False, length_s: float = 1.0) -> bool:
    """Whether a window opens in this, the main thread. `aside`: at the end of a step of a thread that is another."""
    session.trainer = -1 if aside else None
    opened: list[bool] = []
    agent = threading.Thread(target=lambda: opened.append(session.start(time.monotonic(), length_s)))
    agent.start()
    while agent.is_alive():
        session.step_end.visit()
        agent.join(0.01)
    return opened[0]


@pytest.mark.parametrize("answer", [True, RuntimeError("operation not permitted")], ids=["here", "in another thread"])
def test_no_window_opens_while_a_cuda_graph_is_captured(
    session: Session, answer: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    def capturing() -> object:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", capturing)
    assert not opens(session, aside=True)


def test_a_window_waits_for_cuda_where_there_is_a_gpu_and_no_step_without_it(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One opened before CUDA is there can cost all kernels of those after it, however long the job loads its data."""
    monkeypatch.setattr(os.path, "exists", lambda path: path == "/dev/nvidiactl")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert session.wait_reason() == "CUDA is not initialised yet"
    session.trainer = threading.get_ident()
    assert session.wait_reason() is None


def test_a_window_does_not_wait_for_cuda_where_there_is_no_gpu_for_it(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert session.wait_reason() is None


def test_threads_of_the_job_take_turns_as_before_once_a_window_is_closed(session: Session) -> None:
    before = sys.getswitchinterval()
    assert opens(session) and sys.getswitchinterval() < before
    session.give_way()
    assert not session.open and sys.getswitchinterval() == before


def test_how_threads_take_turns_is_for_the_job_to_say(session: Session) -> None:
    before = sys.getswitchinterval()
    assert opens(session)
    sys.setswitchinterval(0.25)
    try:
        session.give_way()
        assert sys.getswitchinterval() == 0.25
    finally:
        sys.setswitchinterval(before)


def test_a_window_that_is_over_before_it_could_open_is_none(session: Session) -> None:
    before = sys.getswitchinterval()
    assert opens(session)
    session.give_way()
    assert not opens(session, length_s=0.0) and sys.getswitchinterval() == before


def test_no_window_opens_or_closes_in_an_op_with_a_body_in_python(session: Session) -> None:
    """When it returns it writes to where its beginning was recorded, by then perhaps in a window that is long over."""
    opened: list[bool] = []

    def body(x: object) -> object:
        opened.append(opens(session, length_s=0.1))
        return torch.zeros_like(x)

    with torch.library._scoped_library("acceltop_tests", "DEF") as library:
        library.define("slow(Tensor x) -> Tensor")
        library.impl("slow", body, "CPU")
        torch.ops.acceltop_tests.slow(torch.ones(1))
    assert opened == [False] and opens(session)


def test_an_annotation_that_outlasts_its_window_ends_in_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a later one its end would be written to where its beginning was recorded, which has been freed."""
    ended: list[str] = []
    monkeypatch.setattr(torch.autograd.profiler.record_function, "__exit__", lambda which, *_: ended.append(which.name))
    is_open = threading.Event()
    annotations = Annotations(torch, is_open.is_set)
    earlier, first, second = (torch.profiler.record_function(name) for name in ("earlier", "first", "second"))
    annotations.session_begins()
    first.__enter__()
    annotations.session_ended()
    annotations.session_begins()
    is_open.set()
    second.__enter__()
    for annotation in (second, first, earlier):
        annotation.__exit__(None, None, None)
    assert ended == ["second"]
    is_open.clear()
    annotations.session_ended()
    annotations.leave()
    assert sorted(ended) == ["earlier", "first", "second"]
