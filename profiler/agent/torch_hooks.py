"""Where torch tells that a phase begins or ends. All stay on between windows: together a few microseconds a step."""

from __future__ import annotations

import functools
import sys
from typing import Any, Callable

from acceltop.profiler.agent.patch import Swaps, when_no_thread_is_in
from acceltop.profiler.agent.steps import BACKWARD, COMMUNICATION, DATA, OPTIMIZER, Marks

_OPTIMIZER = ("wrapper", "torch/optim/optimizer.py")  # the loop over the hooks that we add to


class Hooks:
    """`give_way` is called in the user's thread when it is about to start a profiler of its own."""

    def __init__(self, torch: Any, marks: Marks, give_way: Callable[[], None]) -> None:
        self._torch, self._marks, self._give_way = torch, marks, give_way
        self._swaps = Swaps()
        self._handles: list[Any] = []

    def install(self) -> bool:
        """False when the optimizer could not be hooked: everything else is."""
        torch, swap = self._torch, self._swaps.swap
        swap(torch.autograd.profiler, "_prepare_profiler", self._yielding)
        swap(torch.autograd.profiler, "_enable_profiler", self._yielding)
        swap(torch.autograd, "backward", functools.partial(_marked, self._marks, BACKWARD))
        loader = sys.modules.get("torch.utils.data.dataloader")
        if loader is not None:
            swap(loader._BaseDataLoaderIter, "__next__", functools.partial(_marked, self._marks, DATA))
        work = getattr(getattr(torch._C, "_distributed_c10d", None), "Work", None)
        if work is not None:
            swap(work, "wait", functools.partial(_marked, self._marks, COMMUNICATION))
        return when_no_thread_is_in(*_OPTIMIZER, self._add_optimizer_hooks)

    def _add_optimizer_hooks(self) -> None:
        optimizer, marks = sys.modules["torch.optim.optimizer"], self._marks

        def before(which: Any, args: Any, kwargs: Any) -> None:
            _mark(marks.begin, OPTIMIZER, id(which))

        def after(which: Any, args: Any, kwargs: Any) -> None:
            _mark(marks.end, OPTIMIZER, id(which))

        self._handles.append(optimizer.register_optimizer_step_pre_hook(before))
        self._handles.append(optimizer.register_optimizer_step_post_hook(after))

    def remove(self) -> bool:
        """True when nothing of ours is left in torch."""
        swapped = self._swaps.undo()
        return when_no_thread_is_in(*_OPTIMIZER, self._remove_optimizer_hooks) and swapped

    def _remove_optimizer_hooks(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _yielding(self, original: Any) -> Any:
        give_way = self._give_way

        @functools.wraps(original)
        def yielding(*args: Any, **kwargs: Any) -> Any:
            try:
                give_way()
            except Exception:
                return original(*args, **kwargs)
            return original(*args, **kwargs)

        return yielding


def _marked(marks: Marks, phase: str, original: Any) -> Any:
    """`original` with a mark before and after, also when it raises; arguments and results pass untouched."""

    @functools.wraps(original)
    def marked(*args: Any, **kwargs: Any) -> Any:
        _mark(marks.begin, phase, 0)
        try:
            return original(*args, **kwargs)
        finally:
            _mark(marks.end, phase, 0)

    return marked


def _mark(write: Callable[[str, int], None], phase: str, owner: int) -> None:
    """Nothing that goes wrong here may reach the user's code."""
    try:
        write(phase, owner)
    except Exception:
        return
