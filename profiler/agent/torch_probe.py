"""Torch: steps and phases from hooks that stay on, kernels from short profiler windows, the allocator's memory."""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from typing import Any, Deque, Dict, List, Optional

from acceltop.profiler.agent.budget import AWAY_EVERY_S, AWAY_S, NS, PERIOD_S, Meter, Plan, cost_frame, median
from acceltop.profiler.agent.steps import ForwardShare, Interval, Marks, Step, Tracker, overlap, steps_frame
from acceltop.profiler.agent.torch_events import Pace, Window
from acceltop.profiler.agent.torch_hooks import Hooks
from acceltop.profiler.agent.torch_reach import reach
from acceltop.profiler.agent.torch_rows import Key, Look, OpRows, Phases, Places, busy, kernel_rows, slices, walk
from acceltop.profiler.agent.torch_session import AHEAD_S, Session

NEWS_EVERY_S = 1.0  # steps: to tell them twice as often cost a job in pure Python half a per cent more
RARER = 2  # cost and memory come each such time, with the steps: to wake up costs as much as to tell
SLICES_EVERY_S = 10.0
RETRY_S = 0.5  # until the next try where no window may be opened
MISSED_S = 0.1  # at least, and where the thread that trains did not come by
LOOKS = 5  # at the training thread's Python line, within one window
LOOK_S = 0.004  # between two of them at least, in the mean: each stops the job for a moment
MOST_STEPS = 2000  # in one frame
SOON_S = 0.3  # until a window, for somebody new
MARK_S = 3e-6  # what the job pays for each mark of the hooks, by `benchmarks.hooks_cost`
RECORD_S = 9e-7  # and, in a window, for each event, by `benchmarks.step_cost`
BLIND = 8  # windows in a row without a kernel: it is no longer that they are too short


class Leaving(Exception):
    """The process ends: drop everything."""


class Seen:
    """A window that was taken: when calls were recorded, when the job could feel it, when its thread was in ops."""

    __slots__ = ("recorded", "touched", "busy")

    def __init__(self, session: Session, parts: List[Interval]) -> None:
        self.recorded = (session.opened_ns, session.closed_ns)
        self.touched = (session.opened_ns - int(session.start_s * NS), time.time_ns())
        self.busy = parts


class Probe:
    """`act` does what is due and `due` says when that is next; both on the agent's thread only."""

    def __init__(self, agent: Any, torch: Any, budget: float) -> None:
        self._agent, self._torch = agent, torch
        self._plan, self._meter = Plan(budget), Meter()
        self._tracker, self._forward, self._marks = Tracker(), ForwardShare(), Marks()
        self._session = Session(torch, agent.wake)
        self._hooks = Hooks(
            torch,
            self._marks,
            self._session.their_session_begins,
            self._session.their_session_ends,
            self._session.step_end.visit,
            self._backward_begins,
        )
        self._places, self._pace = Places(), Pace()
        self._finished: List[Step] = []  # not yet told
        self._recent: Deque[float] = deque(maxlen=100)  # step durations, s
        self._windows: Deque[Seen] = deque(maxlen=64)
        self._away: Deque[List[int]] = deque(maxlen=64)  # [begin, end] of pauses
        self._looks: List[Look] = []
        self._backwards: List[Look] = []  # where they were called, in this window
        self._first_step = 0
        self._stall_s = 0.0
        self._said: Optional[str] = None
        self._blind = 0  # windows in a row with launches and without a kernel
        now = time.monotonic()
        self._next_news, self._told = now, 0
        self._next_slices = now
        self._next_window = now
        self._close_at = self._next_look = 0.0
        self._next_away = now
        self._born, self._reading_s, self._heard = (now, time.thread_time()), 0.0, 0
        self._install()
        self._pause(0.6)

    def _install(self) -> None:
        if not self._hooks.install():
            self._agent.note("warning", "torch.no_steps", "the optimizer is never idle: steps can't be counted")

    def describe(self) -> Dict[str, Any]:
        version = self._torch.version
        cuda = getattr(version, "cuda", None) or getattr(version, "hip", None)
        return {"framework": "PyTorch", "version": str(self._torch.__version__), "cuda": cuda}

    @property
    def open(self) -> bool:
        return self._session.open

    def give_way(self) -> None:
        self._session.give_way()

    def in_child(self) -> None:
        self._session.in_child()

    def set_budget(self, budget: float) -> None:
        self._plan.budget = budget

    def welcome(self) -> None:
        """Somebody new watches: a window soon, also where the last one is not paid for yet, and with its calls."""
        now = time.monotonic()
        self._next_window = min(self._next_window, now + SOON_S)
        self._next_away = max(self._next_away, now + PERIOD_S)
        self._next_slices = now
        self._said = None  # why none opens is news again

    def close(self) -> bool:
        """Undo everything; True when nothing of ours is left in the process."""
        try:
            self._session.leave()
        finally:
            clean = self._hooks.remove()
        return clean

    # ------------------------------------------------------------------ the schedule
    def due(self) -> float:
        """Seconds until `act` has something to do."""
        now = time.monotonic()
        if self._session.open:
            return min(self._close_at, self._next_look) - now
        return min(self._next_news, self._next_window - AHEAD_S) - now

    def act(self) -> None:
        now = time.monotonic()
        if self._session.open:
            if now >= self._close_at or self._session.must_close:
                with suppress(Leaving):
                    self._finish_window()
            elif now >= self._next_look:
                self._look(now)
            return
        if now >= self._next_window - AHEAD_S:
            self._maybe_start_window(now)
            if self._session.open:
                return
        if now >= self._next_news:
            self._next_news = now + NEWS_EVERY_S
            self._tell_news()

    def _pause(self, seconds: float) -> None:
        """No windows for a while: the job as it is without them."""
        now = time.time_ns()
        self._away.append([now, now + int(seconds * NS)])
        self._next_window = time.monotonic() + seconds
        self._next_away = self._next_window + AWAY_EVERY_S

    # ------------------------------------------------------------------ windows
    def _maybe_start_window(self, now: float) -> None:
        at, self._next_window = self._next_window, now + RETRY_S
        if self._plan.budget <= 0:
            return
        if now >= self._next_away:
            self._pause(AWAY_S)
            return
        self._session.trainer = self._tracker.thread
        reason = self._session.wait_reason()
        self._say(reason)
        if reason is None:
            length = self._plan.ask_s()
            if self._session.start(at, length):
                self._close_at = self._session.since_s + length
                self._looks = []
                self._backwards = []
                self._next_look = self._look_after(time.monotonic())
            else:
                self._next_window = time.monotonic() + self._until_another()

    def _until_another(self) -> float:
        """Anywhere in a step, or what follows on that which kept the thread away would be seen too often."""
        step_s = min(PERIOD_S, median(self._recent)) if self._recent else 0.0
        return max(MISSED_S, step_s) * random.uniform(0.5, 1.5)

    def _say(self, reason: Optional[str]) -> None:
        if reason != self._said:
            self._said = reason
            if reason:
                self._agent.note("info", "torch.no_windows", "no kernel windows: " + reason)

    def _look(self, now: float) -> None:
        """Where the training thread's Python stands; it lets us look while it is inside an op."""
        self._next_look = self._look_after(now)
        ident = self._tracker.thread or threading.main_thread().ident
        native = native_id(threading._active.get(ident))  # type: ignore[attr-defined]
        place = user_line(sys._current_frames().get(ident or 0))
        if native is not None and place:
            self._looks.append((time.time_ns(), native, place))

    def _backward_begins(self) -> None:
        """In the job's thread."""
        if self._session.open and len(self._backwards) < LOOKS:
            place = user_line(sys._getframe(1))
            if place:
                self._backwards.append((time.time_ns(), threading.get_native_id(), place))

    def _look_after(self, now: float) -> float:
        return now + random.uniform(0, 2 * max(self._plan.window_s() / LOOKS, LOOK_S))

    def _rest(self) -> None:
        """Between two pieces of the work on a window, which nobody needs any more when the process ends."""
        if self._agent.stopping:
            raise Leaving
        self._pace()

    def _finish_window(self) -> None:
        session, begin = self._session, time.thread_time()  # the pauses in between are the job's
        window = Window(self._rest)
        events = session.finish()
        window.read(events)
        del events  # torch keeps the records of a window as long as these live
        until, behind = reach(window, session.closed_ns)
        self._agent.emit(self._window_frame(window, until))
        self._windows.append(Seen(session, busy(window.ops, self._native_thread())))
        worked, length = time.thread_time() - begin, (session.closed_ns - session.opened_ns) / NS
        self._reading_s += worked
        self._stall_s = max(session.start_s, session.stop_s, 0.9 * self._stall_s)
        price = session.start_s + RECORD_S * window.events + session.stop_s + worked
        self._plan.learn(window.events, length, price, behind / NS)
        self._look_whether_blind(window)
        self._next_window = time.monotonic() + self._plan.period_s()

    def _look_whether_blind(self, window: Window) -> None:
        self._blind = self._blind + 1 if window.launches and not window.kernels else 0
        if self._blind == BLIND:
            text = "kernels are launched, but none comes to its end within a window: CPU ops are shown instead"
            self._agent.note("warning", "torch.no_kernels", text)

    def _window_frame(self, window: Window, until_ns: int) -> Dict[str, Any]:
        session = self._session
        profiled = until_ns - session.opened_ns
        frame: Dict[str, Any] = {"kind": "KernelWindow", "t0_ns": session.opened_ns, "t1_ns": session.closed_ns}
        frame.update(pid=self._agent.pid, source="torch", rows=self._rows(window), profiled_ns=profiled)
        frame.update(events=window.events, invalid=window.invalid, dropped=self._agent.dropped)
        if self._recent:
            frame["steps"] = profiled / NS / median(self._recent)
        if time.monotonic() >= self._next_slices:
            self._next_slices = time.monotonic() + SLICES_EVERY_S
            frame["slices"] = slices(window, session.opened_ns, _thread_name)
        return frame

    def _rows(self, window: Window) -> List[Dict[str, Any]]:
        """Of kernels where there are any, otherwise of ops."""
        launchers: Optional[Dict[int, Key]] = {} if window.kernels else None
        self._hear()
        phases = Phases(self._native_thread(), self._tracker.history)
        ops = OpRows(self._places, self._looks, phases.calls(self._backwards), launchers)
        for node in walk(window.ops, phases, self._rest):
            ops.add(node)
        own = ops.frames()
        return own if launchers is None else kernel_rows(window, launchers, self._device_id, self._places)

    def _native_thread(self) -> Optional[int]:
        return native_id(threading._active.get(self._tracker.thread))  # type: ignore[attr-defined]

    def _device_id(self, index: int) -> str:
        with suppress(AttributeError, RuntimeError, AssertionError):
            if self._torch.version.cuda:  # HIP's devices answer to the same names
                return uuid_name(self._torch.cuda.get_device_properties(index))
        return "cuda:%d" % index

    # ------------------------------------------------------------------ steps, cost, memory
    def _tell_news(self) -> None:
        self._tell_steps()
        self._told += 1
        if self._told % RARER == 0:
            self._tell_cost()
            self._tell_memory()

    def _hear(self) -> None:
        marks = self._marks.take()
        self._heard += len(marks)
        self._finished += self._tracker.feed(marks)

    def _tell_steps(self) -> None:
        self._hear()
        finished, self._finished = self._finished, []
        for begin in range(0, len(finished), MOST_STEPS):
            self._tell(finished[begin : begin + MOST_STEPS])

    def _tell(self, steps: List[Step]) -> None:
        profiled = [self._account(step) for step in steps]
        self._agent.emit(steps_frame(self._agent.pid, self._first_step, steps, profiled, self._forward.share))
        self._first_step += len(steps)

    def _account(self, step: Step) -> bool:
        """Whether a window touched the step; keeps the books of what windows cost and of what forward work is."""
        # No step to come can have met what ended before this one: to ask all of it for each costs the job milliseconds.
        while self._windows and self._windows[0].touched[1] < step.start:
            self._windows.popleft()
        while self._away and self._away[0][1] < step.start:
            self._away.popleft()
        seconds = (step.end - step.start) / NS
        span = (step.start, step.end)
        touching = [seen for seen in self._windows if overlap(span, [seen.touched])]
        for seen in touching:
            for rest in step.rest:
                begin, end = max(rest[0], seen.recorded[0]), min(rest[1], seen.recorded[1])
                if begin < end:
                    self._forward.add(end - begin, overlap((begin, end), seen.busy))
        paused = any(a <= step.start and step.end <= b for a, b in self._away)
        self._recent.append(seconds)
        self._meter.step(seconds, bool(touching), paused)
        return bool(touching)

    def _tell_cost(self) -> None:
        if self._plan.budget > 0:
            self._plan.always = self._beside_windows()
            frame = cost_frame(self._agent.pid, time.time_ns(), self._plan, self._meter, self._stall_s)
            self._plan.correct(frame["ratio"] if frame["measured"] else None)
            self._agent.emit(frame)

    def _beside_windows(self) -> float:
        """Share of the job's time that the hooks and this thread, but for its work on windows, have taken."""
        born, worked_s = self._born
        others_s = time.thread_time() - worked_s - self._reading_s
        return (others_s + MARK_S * self._heard) / max(time.monotonic() - born, 1e-3)

    def _tell_memory(self) -> None:
        if not self._session.cuda:
            return
        cuda = self._torch.cuda
        for index in range(cuda.device_count()):
            reserved = cuda.memory_reserved(index)
            if reserved:
                frame = {"kind": "MemoryStats", "time_ns": time.time_ns(), "pid": self._agent.pid, "source": "torch"}
                frame.update(allocated=cuda.memory_allocated(index), reserved=reserved)
                frame.update(peak=cuda.max_memory_allocated(index), device=self._device_id(index))
                self._agent.emit(frame)


def uuid_name(properties: Any) -> str:
    """A device as NVIDIA's management library calls it; a part of one (MIG) shows by its name only."""
    return "nvidia:%s-%s" % ("MIG" if " MIG " in properties.name else "GPU", properties.uuid)


def native_id(thread: Any) -> Optional[int]:
    """The kernel's number of a thread. Before Python 3.13 a forked process keeps its parent's for the main thread."""
    return os.getpid() if thread is threading.main_thread() else getattr(thread, "native_id", None)


def _thread_name(native: int) -> str:
    for thread in list(threading._active.values()):  # type: ignore[attr-defined]
        if native_id(thread) == native:
            return str(thread.name)[:64]
    return "thread %d" % native


def user_line(frame: Any) -> Optional[str]:
    """`file.py:12 function` of the innermost frame that somebody wrote: not of a library, not made by a compiler."""
    for _ in range(200):
        if frame is None:
            return None
        code = frame.f_code
        if not _is_library(code.co_filename) and not str(frame.f_globals.get("__name__")).startswith(_GENERATED):
            return "%s:%d %s" % (code.co_filename[-300:], frame.f_lineno, code.co_name[:100])
        frame = frame.f_back
    return None


def _is_library(path: str) -> bool:
    return path.startswith("<") or "-packages/" in path or path.startswith((_STDLIB, sys.prefix + "/lib/python"))


_GENERATED = "torch._inductor."  # modules that Inductor wrote, wherever its cache lies
_STDLIB = random.__file__.rsplit("/", 1)[0] + "/"
