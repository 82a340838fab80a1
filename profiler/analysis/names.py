"""Kernel names as a person reads them. Full names stay in the data; these are for tables."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

_LONGEST = 2048
_QUALIFIER = re.compile(r"\(anonymous namespace\)::|\b\w+::")
_PLAIN_ARGUMENT = re.compile(r"\s*(-?[\d.]+[a-zA-Z]*|true|false|\([^()]*\)[\w.-]+)\s*")


def short_name(name: str) -> str:
    """Without return type, namespaces, parameters, and those template arguments that are numbers or nested:
    `void at::native::reduce_kernel<512, 1, at::native::ReduceOp<float, …>>(…)` → `reduce_kernel<ReduceOp>`."""
    short = _QUALIFIER.sub("", name[:_LONGEST]).removeprefix("void ")
    base, arguments = _split(short)
    told = [argument for argument in arguments if argument and not _PLAIN_ARGUMENT.fullmatch(argument)]
    return f"{base}<{', '.join(told)}>" if told else base or name


def labels(names: Sequence[str]) -> list[str]:
    """A label for each; where two names would get the same one, they keep more of themselves."""
    short = [short_name(name) for name in names]
    taken = Counter(short)
    return [label if taken[label] == 1 else name for label, name in zip(short, names, strict=True)]


def _split(name: str) -> tuple[str, list[str]]:
    """What stands before the template arguments, and these without their own; parameters are left out."""
    base, arguments, depth = "", [""], 0
    for at, char in enumerate(name):
        if char == "<":
            depth += 1
        elif char == ">" and depth:
            depth -= 1
        elif char == "," and depth == 1:
            arguments.append("")
        elif depth == 0:
            if char == "(" and name[at - 1 : at].strip():  # parameters; "Memcpy (Device)" has a space before
                break
            base += char
        elif depth == 1:
            arguments[-1] += char
    return base.strip(), [argument.strip() for argument in arguments]
