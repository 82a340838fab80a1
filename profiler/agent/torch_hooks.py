"""Where torch tells that a phase begins or ends. All stay on between windows: together a few microseconds a step."""

from __future__ import annotations

import functools
import sys
from typing import Any, Callable, List

from acceltop.profiler.agent.patch import Swaps, when_no_thread_is_in
from acceltop.profiler.agent.steps import BACKWARD, COMMUNICATION, DATA, OPTIMIZER, Marks

_OPTIMIZER = ("wrapper", "torch/optim/optimizer.py")  # the loop over the hooks that we add to


class Hooks:
    """In the user's thread: `begins` and `ends` are called around a session of its own profiler, `step_end` after each
    step of an optimizer, `backward` before each backward."""

    def __init__(
        self,
        torch: Any,
        marks: Marks,
        begins: Callable[[], None],
        ends: Callable[[], None],
        step_end: Callable[[], None],
        backward: Callable[[], None],
    ) -> None:
        self._torch, self._marks, self._begins, self._ends, self._step_end = torch, marks, begins, ends, step_end
        self._backward = backward
        self._swaps = Swaps()
        self._handles: List[Any] = []

    def install(self) -> bool:
        """False when the optimizer could not be hooked: everything else is."""
        torch, swap = self._torch, self._swaps.swap
        begins, ends = (functools.partial(_quietly, call) for call in (self._begins, self._ends))
        for name in ("_prepare_profiler", "_enable_profiler"):
            swap(torch.autograd.profiler, name, functools.partial(_around, begins, _nothing))
        swap(torch.autograd.profiler, "_disable_profiler", functools.partial(_around, _nothing, ends))
        backward = functools.partial(_around, self._backward_begins, functools.partial(self._marks.end, BACKWARD))
        swap(torch.autograd, "backward", backward)
        loader = sys.modules.get("torch.utils.data.dataloader")
        if loader is not None:
            swap(loader._BaseDataLoaderIter, "__next__", functools.partial(_marked, self._marks, DATA))
        work = getattr(getattr(torch._C, "_distributed_c10d", None), "Work", None)
        if work is not None:
            swap(work, "wait", functools.partial(_marked, self._marks, COMMUNICATION))
        return when_no_thread_is_in(*_OPTIMIZER, self._add_optimizer_hooks)

    def _backward_begins(self) -> None:
        self._marks.begin(BACKWARD)
        _quietly(self._backward)

    def _add_optimizer_hooks(self) -> None:
        optimizer, marks, step_end = sys.modules["torch.optim.optimizer"], self._marks, self._step_end

        def before(which: Any, args: Any, kwargs: Any) -> None:
            marks.begin(OPTIMIZER, id(which))

        def after(which: Any, args: Any, kwargs: Any) -> None:
            marks.end(OPTIMIZER, id(which))
            _quietly(step_end)

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


def _around(before: Callable[[], None], after: Callable[[], None], original: Any) -> Any:
    """`original` with a call of ours on either side, which must not raise; arguments, results and exceptions pass
    untouched."""

    @functools.wraps(original)
    def around(*args: Any, **kwargs: Any) -> Any:
        before()
        try:
            return original(*args, **kwargs)
        finally:
            after()

    return around


def _quietly(call: Callable[[], None]) -> None:
    """Nothing that goes wrong here may reach the user's code."""
    try:
        call()
    except Exception:
        return


def _nothing() -> None:
    """On the one side of a call of which only the other matters."""


def _marked(marks: Marks, phase: str, original: Any) -> Any:
    return _around(functools.partial(marks.begin, phase), functools.partial(marks.end, phase), original)
