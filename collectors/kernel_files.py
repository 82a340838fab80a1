"""Files of the kernel that are read at every reading: with as little around the system calls as there can be."""

from __future__ import annotations

import os

_ROOM = 1 << 16  # bytes a read: more than most of them have


def contents(path: str) -> bytes:
    """All of the file; empty where it can't be read."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        parts = []
        while part := os.read(file, _ROOM):
            parts.append(part)
        return b"".join(parts)
    except OSError:  # what it tells of has gone
        return b""
    finally:
        os.close(file)
