"""Keeps kineto from writing to the target's stderr."""

from __future__ import annotations

import gc
import os
import sys
from typing import Any, Dict, List, Optional

_LEVEL = "KINETO_LOG_LEVEL"
_SYMBOL = "_ZN9libkineto6Logger14severityLevel_E"
SILENT = 99
_ERROR = 4  # what torch sets when it initialises kineto, unless the environment names another level
_UNTOUCHED = 0  # before that
_bound: List[bool] = []


def bound_to_main() -> bool:
    """Whether `first_session_in_this_thread` was done."""
    return bool(_bound)


def first_session_in_this_thread(nobody_else: bool = False) -> bool:
    """One empty session in the main thread: kineto binds itself to the thread of its first one, and complains on stderr
    when others follow. On CPU builds only: with CUDA an empty session can cost all later kernel events.

    `nobody_else`: it is known that the user's own profiler is not about to begin.
    """
    torch = sys.modules.get("torch")
    if torch is None or not ready(torch) or torch.version.cuda or getattr(torch.version, "hip", None):
        return False
    if busy(torch) or (has_profiler(torch) and not nobody_else):
        return False
    calls = torch._C._autograd
    config, activities = window_config(torch, False, False)
    level = LogLevel(torch)
    level.silence()  # for a kineto that has initialised itself already
    with quiet():
        calls._prepare_profiler(config, activities)
        calls._enable_profiler(config, activities)
        calls._disable_profiler()
    level.restore()
    _bound.append(True)
    return True


def ready(torch: Any) -> bool:
    """Imported to its end (a script may be in the middle of `import torch`)."""
    return hasattr(torch, "optim") and hasattr(torch, "profiler") and hasattr(getattr(torch, "_C", None), "_autograd")


def busy(torch: Any) -> bool:
    """Whether the user's own profiler is recording: two at once crash the process."""
    running = getattr(torch.autograd.profiler, "_is_profiler_enabled", False)
    return bool(running or torch._C._autograd._profiler_enabled())


def has_profiler(torch: Any) -> bool:
    """Whether there is a `torch.profiler.profile`, in whatever state: cheap to tell."""
    tracker = getattr(torch.autograd.profiler, "KinetoStepTracker", None)
    return "ProfilerStep" in getattr(tracker, "_step_dict", ())


def is_warming_up(torch: Any) -> bool:
    """Whether one of them has prepared a session and not ended it. Looks at all objects, so only if there is one."""
    if not has_profiler(torch):
        return False
    found = [o for o in gc.get_objects() if issubclass(type(o), torch.profiler.profile)]
    inner = [getattr(profile, "profiler", None) for profile in found]
    return any(p is not None and getattr(p, "entered", False) and p.kineto_results is None for p in inner)


def sees_all_threads(torch: Any) -> bool:
    """Whether a window may hold the ops of all threads."""
    return "profile_all_threads" in str(torch._C._profiler._ExperimentalConfig.__init__.__doc__)


def window_config(torch: Any, cuda: bool, everywhere: bool) -> Any:
    """(ProfilerConfig, activities) of one of our windows. `everywhere`: the ops of all threads, not only of this one
    and of autograd's for it. Raises where this torch `sees_all_threads` not."""
    kinds = torch._C._profiler
    needed: Dict[str, Any] = {"profile_all_threads": True} if everywhere else {}
    # What ties kernels to their ops takes most of the time of recording, and on a CPU nobody asks for it.
    wishes = {"expose_kineto_event_metadata": True} if cuda else {"disable_external_correlation": True}
    try:
        extra = kinds._ExperimentalConfig(**needed, **wishes)
    except TypeError:  # of an older torch
        extra = kinds._ExperimentalConfig(**needed)
    config = kinds.ProfilerConfig(kinds.ProfilerState.KINETO, False, False, False, False, False, extra)
    activities = {kinds.ProfilerActivity.CPU}
    if cuda:
        activities.add(kinds.ProfilerActivity.CUDA)
    return config, activities


class quiet:
    """While it is entered, a kineto that initialises itself reads a level at which it says nothing."""

    def __enter__(self) -> quiet:
        self._before = os.environ.get(_LEVEL)
        os.environ[_LEVEL] = str(SILENT)
        return self

    def __exit__(self, *_: Any) -> None:
        if self._before is None:
            os.environ.pop(_LEVEL, None)
        else:
            os.environ[_LEVEL] = self._before


class LogLevel:
    """kineto's own severity level; `restore` puts it back. Made outside of `quiet`, or it takes that for the user's."""

    def __init__(self, torch: Any) -> None:
        self._level: Any = _exported(torch)
        self._before: Optional[int] = None if self._level is None else self._level.value
        if self._before in (SILENT, _UNTOUCHED):
            self._before = _wanted()  # a kineto that first woke up under us, or will: this is what it had become

    def silence(self) -> None:
        if self._level is not None:
            self._level.value = SILENT

    def restore(self) -> None:
        if self._level is not None and self._before is not None:
            self._level.value = self._before


def _wanted() -> int:
    try:
        return int(os.environ.get(_LEVEL, _ERROR))
    except ValueError:
        return _ERROR


def _exported(torch: Any) -> Any:
    import ctypes

    paths: List[str] = [os.path.join(os.path.dirname(torch.__file__), "lib", "libtorch_cpu.so")]
    try:
        return ctypes.c_int.in_dll(ctypes.CDLL(paths[0], mode=os.RTLD_NOLOAD | os.RTLD_LAZY), _SYMBOL)
    except (OSError, ValueError):
        return None
