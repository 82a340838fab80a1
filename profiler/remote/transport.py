"""The way to another machine: a command that, with a program's words behind it, gives a pipe to that program there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from os.path import basename

from acceltop.profiler.errors import AcceltopError, Exit, UsageError
from acceltop.profiler.text import clean

# A config file may put host and user into a ProxyCommand, which is a shell's; ssh itself refuses these since 9.6.
_NOT_A_HOST = re.compile(r"[\s'\"`$\\;&<>|(){}\x00-\x1f\x7f]")
_DOMAIN_USER = re.compile(r"[\w.-]+\\[\w.-]+@")
# No terminal, no forwarding of anything, and an answer within a bearable time. The user's own options win over these.
_SSH = ("-T", "-x", "-a", "-oClearAllForwardings=yes", "-oConnectTimeout=15", "-oServerAliveInterval=10")
_NO_QUESTIONS = "-oBatchMode=yes"


class Unreachable(AcceltopError):
    """The other machine can't be reached, or nothing of ours can run there."""

    def __init__(self, cause: str, next_step: str = "") -> None:
        super().__init__(cause, next_step, Exit.NO_REMOTE)


@dataclass(frozen=True)
class Transport:
    """`before` and `after` stand in front of the program's words. `shell`: they reach a shell there as one string."""

    label: str
    before: tuple[str, ...]
    after: tuple[str, ...] = ()
    shell: bool = False

    def command(self, words: Sequence[str]) -> list[str]:
        """What to start here so that `words` run there."""
        return [*self.before, *self.after, *([shlex.join(words)] if self.shell else words)]

    def without_questions(self) -> Transport:
        """For coming back while a screen is up: rather fail than ask for a password."""
        return replace(self, before=(self.before[0], _NO_QUESTIONS, *self.before[1:])) if self.shell else self


def ssh(host: str, options: Sequence[str] = (), program: str = "ssh") -> Transport:
    """Through the system's ssh. An option is `Name=value` as in ssh_config, or a word of ssh such as `-p2222`.

    Raises UsageError for what can't be a host.
    """
    if not host or host.startswith("-") or _NOT_A_HOST.search(_DOMAIN_USER.sub("", host, count=1)):
        raise UsageError(f"{clean(host, 60)!r} is no host", "give HOST, USER@HOST or ssh://USER@HOST:PORT")
    words = tuple(option if option.startswith("-") else f"-o{option}" for option in options)
    return Transport(host, (program, *words, *_SSH), ("--", host), shell=True)


def via(prefix: Sequence[str]) -> Transport:
    """Through any other command, such as `kubectl exec -i POD --`."""
    if not prefix:
        raise UsageError("no command is given", "acceltop via docker exec -i CONTAINER -- snapshot")
    if basename(prefix[0]) == "kubectl" and "--" not in prefix:
        prefix = (*prefix, "--")  # it takes no command without, and ours has the one that was typed
    return Transport(clean(" ".join(prefix), 60), tuple(prefix), shell=basename(prefix[0]) == "ssh")
