"""The command line: one file a verb, and here what they share: choosing the verb and ending with its exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import ModuleType

from acceltop.profiler.errors import AcceltopError, Exit, UsageError

VERBS = ("attach", "run", "record", "replay", "report", "snapshot", "doctor", "demo", "repair", "ssh", "via")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one verb; every error becomes one line on stderr and an exit code, whatever it is."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _dispatch(arguments)
        sys.stdout.flush()
        return code
    except AcceltopError as error:
        return _complain(str(error), error.exit_code)
    except BrokenPipeError:
        _forget_stdout()  # whoever read us has read enough
        return Exit.DONE
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except OSError as error:
        _forget_stdout()
        return _complain(_os_error(error), Exit.FAILED)
    except Exception as error:  # the last line of defence: a bug is told in one line too
        return _complain(_bug(error), Exit.FAILED)


def verb_module(verb: str) -> ModuleType:
    """The file of a verb: `configure(parser)`, `run(args) -> int`, and its docstring, which is its help."""
    from importlib import import_module

    return import_module(f"{__name__}.{verb}")


def _dispatch(arguments: list[str]) -> int:
    from acceltop.profiler.cli import options

    if arguments and not arguments[0].startswith("-"):
        verb, *rest = arguments
        if verb not in VERBS:
            raise _unknown(verb)
        module = verb_module(verb)
        parser = options.Parser(f"acceltop {verb}", module.__doc__)
    else:
        rest, module = arguments, verb_module("bare")
        parser = options.Parser("acceltop", module.__doc__, add_help=False)
    module.configure(parser)
    args = parser.parse_args(rest)
    options.set_up_logging(args)
    code: int = module.run(args)
    return code


def _unknown(verb: str) -> UsageError:
    from difflib import get_close_matches

    from acceltop.profiler.text import clean

    shown = clean(verb, 60)
    if verb.replace(",", "").isdigit():
        return UsageError(f"no verb {shown!r}", f"to watch that process: acceltop attach {shown}")
    near = get_close_matches(verb, VERBS, 1)
    return UsageError(f"no verb {shown!r}", f"did you mean {near[0]}?" if near else f"there are {', '.join(VERBS)}")


def _complain(line: str, code: Exit) -> int:
    from acceltop.profiler.text import clean

    with suppress(OSError):  # no stderr either: the exit code is all that is left to say it
        print(f"acceltop: {clean(line)}", file=sys.stderr)
    return code


def _os_error(error: OSError) -> str:
    where = f" {error.filename}" if error.filename else ""
    return f"the system refused{where}: {error.strerror or error}"


def _bug(error: Exception) -> str:
    import logging

    logging.getLogger("acceltop").debug("unexpected", exc_info=error)
    return f"internal error ({type(error).__name__}: {error}): please report it; -v shows where it comes from"


def _forget_stdout() -> None:
    """The interpreter flushes stdout once more at its end: let that go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
