"""Calls about one device: what is not supported is asked once, what fails is said once, what is lost is raised."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from acceltop.profiler.errors import AcceltopError

# Codes of NVML. Never here: bad argument, not supported, no such function, vGPU, frequency, struct version, deprecated.
_UNSUPPORTED = {2, 3, 13, 22, 24, 25, 26}
# Nothing at this moment: done without a sample, not found, more came between two calls, no data, not ready.
_NOTHING_NOW = {0, 6, 7, 21, 27}
_NOT_SUPPORTED, _NO_PERMISSION, _NO_FUNCTION = 3, 4, 13
_LOST = {15: "it fell off the bus", 16: "it must be reset", 28: "the driver no longer finds it"}
_Key = tuple[str, int | None]


class GpuLost(AcceltopError):
    """The device answers no more."""


class Calls:
    """The functions of pynvml (`nvml`) for one `handle`."""

    def __init__(self, nvml: Any, handle: Any) -> None:
        self.nvml = nvml
        self.handle = handle
        self._left_out: dict[_Key, int] = {}  # with the code that was the reason
        self._told: set[str] = set()
        self._failed: dict[str, str] = {}

    def get(self, function: str, *args: object) -> Any:
        """What `function(handle, *args)` gives; None when it gives nothing. Raises GpuLost."""
        return self.getter(function, *args)()

    def getter(self, function: str, *args: object) -> Callable[[], Any]:
        """`get` for what is asked again and again."""
        call = getattr(self.nvml, function, None)
        return partial(self._try, _key(function, args), call and partial(call, self.handle, *args))

    def call(self, function: str, *args: Any) -> Any:
        """As `get`, without the handle as first argument."""
        return self.attempt(function, getattr(self.nvml, function, None), *args)

    def attempt(self, name: str, function: Callable[..., Any] | None, *args: Any) -> Any:
        """As `call`, of a function that the binding lacks; it raises NVMLError like the others."""
        return self._try(_key(name, args[1:]), function and partial(function, *args))

    def _try(self, key: _Key, call: Callable[[], Any] | None) -> Any:
        if call is None or key in self._left_out:
            return None
        try:
            return call()
        except (AttributeError, self.nvml.NVMLLibraryMismatchError):  # the driver is older
            self._left_out[key] = _NO_FUNCTION
        except UnicodeDecodeError:  # the binding takes every string for UTF-8
            self._left_out[key] = _NOT_SUPPORTED
        except self.nvml.NVMLError as error:
            self._fail(key, error)
        return None

    def constant(self, name: str) -> int | None:
        """A constant of the binding, which may be older than it."""
        value = getattr(self.nvml, name, None)
        return value if isinstance(value, int) else None

    def unsupported(self, function: str) -> bool:
        """The device said that it has no such thing (not: that we may not know)."""
        return any(key[0] == function and code == _NOT_SUPPORTED for key, code in self._left_out.items())

    def failures(self) -> dict[str, str]:
        """What failed for the first time since the last look: function → reason."""
        failed, self._failed = self._failed, {}
        return failed

    def _fail(self, key: _Key, error: Any) -> None:
        code = error.value
        if code in _LOST:
            raise GpuLost(_LOST[code])
        if code in _UNSUPPORTED or code == _NO_PERMISSION:
            self._left_out[key] = code
        function = key[0]
        if code not in _UNSUPPORTED | _NOTHING_NOW and function not in self._told:
            self._told.add(function)
            self._failed[function] = str(error)


def _key(function: str, args: Sequence[object]) -> _Key:
    """A device may lack one sensor, clock, link … of a function; which, stands right after the handle."""
    return function, args[0] if args and isinstance(args[0], int) else None
