"""The one error that a user sees: what went wrong and what to do, in one line, with an exit code."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of every verb (the command-line contract)."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NO_TARGET = 3
    BAD_TRACE = 4
    NO_REMOTE = 5
    INTERRUPTED = 130


class AcceltopError(Exception):
    """`cause` says what is wrong, `next_step` what the user can do about it."""

    def __init__(self, cause: str, next_step: str = "", exit_code: Exit = Exit.FAILED) -> None:
        super().__init__(cause)
        self.cause = cause
        self.next_step = next_step
        self.exit_code = exit_code

    def __str__(self) -> str:
        return f"{self.cause}: {self.next_step}" if self.next_step else self.cause


class Unavailable(AcceltopError):
    """A source can't work here (no driver, no library): becomes a Note, everything else goes on."""


class TargetError(AcceltopError):
    """There is no such target, or it may not be entered."""

    def __init__(self, cause: str, next_step: str = "") -> None:
        super().__init__(cause, next_step, Exit.NO_TARGET)


class TraceError(AcceltopError):
    """A trace that can't be read at all."""

    def __init__(self, cause: str, next_step: str = "") -> None:
        super().__init__(cause, next_step, Exit.BAD_TRACE)


class UsageError(AcceltopError):
    """The command line is wrong."""

    def __init__(self, cause: str, next_step: str = "") -> None:
        super().__init__(cause, next_step, Exit.USAGE)
