"""One profiler session of torch at a time, opened and closed by the agent; the user's own sessions go before ours."""

from __future__ import annotations

import _thread
import os
import time
from typing import Any, Callable, List, Optional

from acceltop.profiler.agent.main_thread import in_main_thread
from acceltop.profiler.agent.torch_quiet import LogLevel, busy, is_warming_up, quiet, window_config

GIVE_WAY_S = 2.0  # how long a user's thread waits at most for our window to close
CUDA_WAIT_S = 30.0


class Session:
    """`open` and `close` on the agent's thread; `give_way` on any other."""

    def __init__(self, torch: Any, wake: Callable[[], None]) -> None:
        self._torch, self._wake = torch, wake
        self._calls = torch._C._autograd
        self._lock = _thread.allocate_lock()
        self._level: Optional[LogLevel] = None
        self._theirs = is_warming_up(torch)  # from a session's preparation to its end
        self._in_main = False
        self._count = 0
        self._born = time.monotonic()
        self.open = False
        self.must_close = False
        self.opened_ns = self.closed_ns = 0
        self.start_s = self.stop_s = 0.0

    @property
    def cuda(self) -> bool:
        """Whether kernels can be recorded: asking more of CUDA than this would initialise it."""
        module = self._torch.cuda
        return bool(_accelerated(self._torch) and getattr(module, "is_initialized", bool)())

    def wait_reason(self) -> Optional[str]:
        """Why no window may open now; None when one may."""
        if self._theirs or busy(self._torch):
            return "the job's own torch.profiler is in charge"
        injected = [name for name in os.environ if name.startswith("NSYS_")]
        if os.environ.get("CUDA_INJECTION64_PATH") or injected:
            return "a profiler that was injected into CUDA is in charge (CUDA_INJECTION64_PATH)"
        # A session before CUDA is there can cost all kernel events of the ones after it.
        if _accelerated(self._torch) and not self.cuda and time.monotonic() - self._born < CUDA_WAIT_S:
            return "CUDA is not initialised yet"
        return None

    def start(self) -> bool:
        """False when the user's profiler came first."""
        with self._lock:
            if self.wait_reason():
                return False
            begin = time.perf_counter()
            cuda = self.cuda
            self._in_main = cuda and not self._count and in_main_thread(lambda: self._enable(cuda), 3.0)
            if not self._in_main:
                self._enable(cuda)
            self._count += 1
            self.open, self.must_close = True, False
            self.opened_ns = time.time_ns()
            self.start_s = time.perf_counter() - begin
        return True

    def _enable(self, cuda: bool) -> None:
        config, activities = window_config(self._torch, cuda)
        if self._level is not None:
            self._calls._prepare_profiler(config, activities)
        else:
            self._level = LogLevel(self._torch)
            self._level.silence()
            with quiet():
                self._calls._prepare_profiler(config, activities)
            self._level.silence()
        self._calls._enable_profiler(config, activities)

    def finish(self) -> List[Any]:
        """The events of the window; the session is closed also when reading them fails."""
        self.closed_ns = time.time_ns()
        begin = time.perf_counter()
        results: List[Any] = []
        try:
            if not (self._in_main and in_main_thread(lambda: results.append(self._calls._disable_profiler()), 3.0)):
                results.append(self._calls._disable_profiler())
        finally:
            self.open = self._in_main = False
            self.stop_s = time.perf_counter() - begin
        return list(results[0].events()) if results[0] is not None else []

    def give_way(self) -> None:
        """From a user's thread that is about to profile, or to fork: our window closes first."""
        end = time.monotonic() + GIVE_WAY_S
        with self._lock:
            self.must_close = True
        self._wake()
        while self.open and time.monotonic() < end:
            time.sleep(0.0005)

    def their_session_begins(self) -> None:
        """From the user's thread: ours closes, and none opens until theirs has ended."""
        self._theirs = True
        self.give_way()

    def their_session_ends(self) -> None:
        self._theirs = False

    def in_child(self) -> None:
        self.open = False

    def leave(self) -> None:
        if self.open:
            self.finish()
        if self._level is not None:
            self._level.restore()
        if self.cuda and self._count and _tears_down(self._torch):
            self._tear_down()

    def _tear_down(self) -> None:
        """Take CUPTI out again, so that the job runs at full speed after us: one last session tells kineto to."""
        if self.wait_reason() is None and "TEARDOWN_CUPTI" not in os.environ:
            os.environ["TEARDOWN_CUPTI"] = "1"
            try:
                self._enable(True)
                self._calls._disable_profiler()
            finally:
                os.environ.pop("TEARDOWN_CUPTI", None)


def _accelerated(torch: Any) -> bool:
    version = torch.version
    return bool(getattr(version, "cuda", None) or getattr(version, "hip", None))


def _tears_down(torch: Any) -> bool:
    """Before CUDA 12.6 the teardown can crash a job with CUDA graphs."""
    try:
        major, minor = (int(part) for part in str(torch.version.cuda).split(".")[:2])
    except ValueError:
        return False
    return (major, minor) >= (12, 6)
