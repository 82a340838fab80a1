"""The only words that a shell of the other machine sees: they look for a Python there and give it its first lines.

They are the same for everyone: what a user gave travels on stdin, as data. The outer quotes are read by whatever login
shell there is (sh, csh, fish …), so inside there is no single quote, no exclamation mark and no line end.
"""

from __future__ import annotations

OLDEST = (3, 10)
NO_PYTHON = "no-python"
# A login may say much before the answer: this and the number of the call mark where it begins.
SENTINEL = "acceltop"

_KNOWN = (
    "python3 python3.15 python3.14 python3.13 python3.12 python3.11 python3.10 python "
    '"$HOME"/.local/bin/python3* "$HOME"/.pyenv/versions/*/bin/python3 "$HOME"/.local/share/uv/python/*/bin/python3 '
    '"$HOME"/*conda*/bin/python3 "$HOME"/*forge*/bin/python3 "$HOME"/*mamba*/bin/python3 '
    '"$HOME"/*conda*/envs/*/bin/python3 '
    "/usr/local/bin/python3* /opt/*/bin/python3 /opt/*/*/bin/python3"
)
# The interpreters of the jobs themselves.
_RUNNING = r'$(ls -l /proc/[0-9]*/exe 2>/dev/null | awk -F" -> " "/python3[.0-9]*\$/{print \$2}" | sort -u)'
_TEST = f"import sys,zlib,ctypes;sys.exit(sys.version_info<({OLDEST[0]},{OLDEST[1]}))"
# Isolated and without site: nothing of the environment there can come in between.
_FIRST = "import sys;f=sys.stdin.buffer;exec(f.read(int(f.readline())))"
_RUN = f'exec "$p" -I -S -u -c "{_FIRST}" "$0" 2>&3 3>&-'
_TRY = f'if "$p" -I -S -c "{_TEST}" </dev/null >/dev/null; then {_RUN}; fi'
_FOUND = '$(for p in python3 python; do "$p" -V 2>&1; done)'
_SCRIPT = (
    f"exec 3>&2 2>/dev/null; for p in {_KNOWN}; do {_TRY}; done; "
    f"for p in {_RUNNING}; do {_TRY}; done; "
    f'echo; echo "{SENTINEL} $0 {NO_PYTHON}" {_FOUND}'
)


def words(nonce: str) -> list[str]:
    """The program to run there. `nonce` (hexadecimal) marks its answer."""
    return ["sh", "-c", _SCRIPT, nonce]
