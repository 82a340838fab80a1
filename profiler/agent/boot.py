"""The first code of ours in the target: it starts one raw thread, which builds the other files of this folder.

They become private modules: nothing enters `sys.modules`. Source is compiled in pieces, so that the job never waits
long for the interpreter lock; those of this file too, without the `__future__` of its first.
"""

from __future__ import annotations
import __future__

import _thread
import builtins
import marshal
import sys
import time
import types
import zlib
from binascii import a2b_base64
from importlib.util import MAGIC_NUMBER
from typing import Any, Dict, Iterator, List, Tuple

# By name, filled in by `attach.payload`, in base 64: compressed text and, of a Python of the same version, bytecode.
SOURCE: Dict[str, str] = {}
CODE: Dict[str, str] = {}
_PACKAGE = "acceltop.profiler.agent."
_REST = 4
_FLAGS = __future__.annotations.compiler_flag


class Modules:
    """Our own import system: the files of this folder, in no table of the interpreter's."""

    def __init__(self) -> None:
        self._loaded: Dict[str, types.ModuleType] = {}
        self.rest = 0  # pause by time spent compiling
        self._builtins = dict(vars(builtins), __import__=self._import)

    def load(self, name: str) -> Any:
        if name not in self._loaded:
            module = types.ModuleType("acceltop_agent_" + name)
            vars(module)["__builtins__"] = self._builtins
            self._loaded[name] = module
            begin = time.perf_counter()
            for code in _codes(name):
                begin = self._pause(begin)
                exec(code, vars(module))
                begin = self._pause(begin)
        return self._loaded[name]

    def _pause(self, since: float) -> float:
        """The job has the interpreter for most of the time, also while we arrive."""
        time.sleep(min(0.02, self.rest * (time.perf_counter() - since)))
        return time.perf_counter()

    def _import(
        self, name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0
    ) -> types.ModuleType:
        if name.startswith(_PACKAGE):
            module: types.ModuleType = self.load(name[len(_PACKAGE) :])
            return module
        return builtins.__import__(name, globals, locals, fromlist, level)

    def forget(self) -> None:
        """Let the garbage collector have it all. Nothing is cleared by hand: a call of the user may still be inside of
        a wrapper of ours, and must find its way out."""
        self._builtins.pop("__import__", None)


def _codes(name: str) -> Iterator[types.CodeType]:
    """Of one file: whole where a Python like this one has compiled it, else in pieces."""
    code = a2b_base64(CODE.get(name, ""))
    if code.startswith(MAGIC_NUMBER):
        yield marshal.loads(code[len(MAGIC_NUMBER) :])
        return
    for line, part in _parts(zlib.decompress(a2b_base64(SOURCE[name])).decode()):
        yield compile("\n" * line + part, "<acceltop " + name + ">", "exec", _FLAGS, True)


def _parts(source: str) -> List[Tuple[int, str]]:
    """The file cut between its top-level definitions, each with the number of lines before it."""
    parts, line = [], 0
    for part in source.split("\n\n\n"):
        parts.append((line, part))
        line += part.count("\n") + 3
    return parts


def boot(config: Dict[str, Any]) -> None:
    """`config` as in `core.Agent`. Raises nothing."""
    try:
        modules = Modules()
        if "torch" in sys.modules and _thread.get_ident() == sys.modules["threading"].main_thread().ident:
            modules.load("torch_quiet").first_session_in_this_thread()
        # Not threading.Thread: that one waits for its start, and the user's thread counts would change.
        _thread.start_new_thread(_run, (modules, config))
    except Exception as error:
        _last_words(error)


def _run(modules: Modules, config: Dict[str, Any]) -> None:
    try:
        time.sleep(0.001)  # the job has waited while this thread was started
        modules.rest = _REST  # from here on it is no longer the job's own thread that would pause
        modules.load("core").Agent(config, modules).run()
    except Exception as error:
        _last_words(error)


def _last_words(error: BaseException) -> None:
    """An agent that can't start leaves no trace in the target; acceltop sees that nothing answers."""
    del error
