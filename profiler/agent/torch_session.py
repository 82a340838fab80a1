"""One profiler session of torch at a time, opened and closed in the thread that trains, at the agent's request.

The user's own sessions go before ours: torch crashes with two at once.
"""

from __future__ import annotations

import _thread
import os
import sys
import threading
import time
from typing import Any, Callable, List, Optional

from acceltop.profiler.agent.main_thread import MainThread, StepEnd
from acceltop.profiler.agent.torch_annotations import Annotations
from acceltop.profiler.agent.torch_quiet import (
    LogLevel,
    bound_to_main,
    busy,
    first_session_in_this_thread,
    is_warming_up,
    quiet,
    sees_all_threads,
    window_config,
)

AHEAD_S = 0.008  # how long before a window `start` is to be called: more than Python's 5 ms
OPEN_S = 1.0  # how long a window waits for the training thread to be at a safe point
HASTE_S = 1e-4  # how soon another thread gets the interpreter around a window, and not after Python's 5 ms
BIND_S = 2.0  # how long the first one waits for the main thread, where that is another
CLOSE_S = 0.5  # then it is looked whether that thread still lives
GIVE_WAY_S = 2.0  # how long a user's thread waits at most for our window to close
_CALLS = (
    *("torch/autograd/__init__.py", "torch/autograd/graph.py", "torch/autograd/function.py"),
    "torch/_ops.py",  # ops may have a body in Python
    *("torch_annotations>", "torch_annotations.py"),  # injected, and in a checkout
)


class Session:
    """`start` and `finish` on the agent's thread; `give_way` on any other."""

    def __init__(self, torch: Any, wake: Callable[[], None]) -> None:
        self._torch, self._wake = torch, wake
        self._calls = torch._C._autograd
        self._level: Optional[LogLevel] = None
        self._theirs = is_warming_up(torch)  # from a session's preparation to its end
        self._count = 0
        self.trainer: Optional[int] = None  # the thread that trains, once it has
        self._owner = 0  # the thread that opened it
        self._result: Any = None
        self.main, self.step_end = MainThread(), StepEnd()
        self._place: StepEnd = self.main
        self.open = False
        self._annotations = Annotations(torch, lambda: self.open or self._theirs)
        self.must_close = False
        self.opened_ns = self.closed_ns = 0
        self.since_s = 0.0  # from when its length counts, by time.monotonic
        self.start_s = self.stop_s = 0.0
        self._switch_s = 0.0

    @property
    def cuda(self) -> bool:
        """Whether kernels can be recorded: asking more of CUDA than this would initialise it."""
        module = self._torch.cuda
        return bool(_accelerated(self._torch) and getattr(module, "is_initialized", bool)())

    @property
    def _aside(self) -> bool:
        return self.trainer not in (None, threading.main_thread().ident)

    def wait_reason(self) -> Optional[str]:
        """Why no window may open now; None when one may."""
        if self._theirs or busy(self._torch):
            return "the job's own torch.profiler is in charge"
        injected = [name for name in os.environ if name.startswith("NSYS_")]
        if os.environ.get("CUDA_INJECTION64_PATH") or injected:
            return "a profiler that was injected into CUDA is in charge (CUDA_INJECTION64_PATH)"
        # A session before CUDA is there can cost all kernel events of the ones after it. Who trains does without.
        if _accelerated(self._torch) and not self.cuda and self.trainer is None and _gpu_here():
            return "CUDA is not initialised yet"
        if self._aside and not sees_all_threads(self._torch):
            return "it trains in another thread than the main one, which needs a newer PyTorch"
        return None

    def start(self, at_s: float, length_s: float) -> bool:
        """Opens a window of such a length in the thread that trains, at that moment of time.monotonic, which must be
        AHEAD_S away; False when it did not come by, or may not now.

        One that is over before it could open is none, but for the first: if those opened that met the thread in
        something long, what comes after that would be seen too often.
        """
        if self._aside and not self._count and not bound_to_main():
            self.main.run(_bind_kineto, BIND_S)
        self._place = self.step_end if self._aside else self.main
        if not self._aside:
            self._hurry()
        time.sleep(max(0.0, at_s - time.monotonic()))
        patient = self._aside or not self._count
        self._place.run(self._open_here, OPEN_S if patient else at_s + length_s - time.monotonic())
        self.since_s = time.monotonic() if patient else at_s
        if not self.open:
            self._hurry_no_more()
        return self.open

    def _open_here(self) -> bool:
        if _in_a_call() or self._capturing() is not False:
            return False
        if self.wait_reason():
            return True
        begin = time.perf_counter()
        self._annotations.session_begins()
        self._enable(self.cuda, everywhere=self._place is self.step_end)
        self._owner, self._result = _thread.get_ident(), None
        self._count += 1
        self.opened_ns = time.time_ns()
        self.start_s = time.perf_counter() - begin
        self.open, self.must_close = True, False
        return True

    def _hurry(self) -> None:
        """Until a window is over. To open or to close it this thread needs the interpreter, which the job's Python
        lends after 5 ms and torch's backward at once: windows would begin in the one and be long in the other."""
        self._switch_s = sys.getswitchinterval()
        sys.setswitchinterval(min(HASTE_S, self._switch_s))

    def _hurry_no_more(self) -> None:
        if self._switch_s and abs(sys.getswitchinterval() - HASTE_S) < 1e-6:  # otherwise the job has set another
            sys.setswitchinterval(self._switch_s)
        self._switch_s = 0.0

    def _capturing(self) -> Optional[bool]:
        """Whether this thread captures a CUDA graph, which a call of a profiler's could break. None: the driver doesn't
        tell, as while another thread captures one."""
        try:
            return self.cuda and bool(self._torch.cuda.is_current_stream_capturing())
        except RuntimeError:
            return None

    def _enable(self, cuda: bool, everywhere: bool) -> None:
        config, activities = window_config(self._torch, cuda, everywhere)
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
        """The events of the window, which is closed when this returns, however long its thread is away."""
        while self.open:
            if not self._place.run(self._close_here, CLOSE_S) and self._owner not in sys._current_frames():
                self._close_here()  # the thread has ended, and uses nothing any more
        result, self._result = self._result, None
        return list(result.events()) if result is not None else []

    def _close_here(self) -> bool:
        if self.open and (_in_a_call() or self._capturing()):
            return False
        self._close()
        return True

    def _close(self) -> None:
        if self.open:
            self.closed_ns = time.time_ns()
            begin = time.perf_counter()
            try:
                self._result = self._calls._disable_profiler()
            finally:
                self.open = False
                self._hurry_no_more()
                self.stop_s = time.perf_counter() - begin
                self._annotations.session_ended()

    def give_way(self) -> None:
        """From a user's thread that is about to profile, or to fork: our window closes first."""
        if self.open and _thread.get_ident() == self._owner:
            self._close()
            self._result = None
            return
        end = time.monotonic() + GIVE_WAY_S
        self.must_close = True
        self._wake()
        while self.open and time.monotonic() < end:
            time.sleep(0.0005)

    def their_session_begins(self) -> None:
        """From the user's thread: ours closes, and none opens until theirs has ended."""
        self._theirs = True
        self._annotations.session_begins()
        self.give_way()

    def their_session_ends(self) -> None:
        self._theirs = False
        self._annotations.session_ended()

    def in_child(self) -> None:
        self.open = False
        self._hurry_no_more()

    def leave(self) -> None:
        self.finish()
        if self.cuda and self._count and _tears_down(self._torch):
            self.main.run(self._tear_down, OPEN_S)
        if self._level is not None:
            self._level.restore()
        self._annotations.leave()
        self.main.dismiss()
        self.step_end.dismiss()

    def _tear_down(self) -> bool:
        """Take CUPTI out again, so that the job runs at full speed after us: one last session tells kineto to."""
        if _in_a_call() or self._capturing() is not False:
            return False
        if self.wait_reason() is None and "TEARDOWN_CUPTI" not in os.environ:
            os.environ["TEARDOWN_CUPTI"] = "1"
            try:
                self._enable(True, everywhere=False)
                self._calls._disable_profiler()
            finally:
                os.environ.pop("TEARDOWN_CUPTI", None)
        return True


def _bind_kineto() -> bool:
    first_session_in_this_thread(nobody_else=True)
    return True


def _in_a_call() -> bool:
    """Whether this thread stands in a call of torch's that no session may begin or end in.

    When autograd returns, it puts the thread's state back as it was, and the session is lost. When an op with a body in
    Python returns, it writes to where its session has recorded its beginning, also after that was freed. Or an
    annotation begins or ends here.
    """
    frame: Any = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if code.co_filename.endswith(_CALLS) or code.co_name == "__torch_dispatch__":
            return True
        frame = frame.f_back
    return False


def _accelerated(torch: Any) -> bool:
    version = torch.version
    return bool(getattr(version, "cuda", None) or getattr(version, "hip", None))


def _gpu_here() -> bool:
    """Whether CUDA or HIP would find a device, without asking them."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    return any(map(os.path.exists, ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")))


def _tears_down(torch: Any) -> bool:
    """Before CUDA 12.6 the teardown can crash a job with CUDA graphs."""
    try:
        major, minor = (int(part) for part in str(torch.version.cuda).split(".")[:2])
    except ValueError:
        return False
    return (major, minor) >= (12, 6)
