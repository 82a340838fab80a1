"""How long a fresh interpreter takes to import the headless core and to answer `acceltop --version`.

python -m benchmarks.import_time [--times 20]

All are started in turns, beside an interpreter that does nothing. All find their bytecode on the disk, as what is
installed does.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.table import markdown, spread

CORE = "import acceltop.profiler.model, acceltop.profiler.metrics, acceltop.profiler.codec, acceltop.profiler.session"
STARTS = {
    "python -c pass": (sys.executable, "-c", "pass"),
    "import of the core (model, metrics, codec, session)": (sys.executable, "-c", CORE),
    "acceltop --version": (str(Path(sys.executable).with_name("acceltop")), "--version"),
}
HEAD = ("start of", "ms", "more than nothing, ms")


def measure(times: int) -> dict[str, list[float]]:
    """Milliseconds of each start; the first of each, which warms the disk's cache, is left out."""
    found: dict[str, list[float]] = {name: [] for name in STARTS}
    with tempfile.TemporaryDirectory() as bytecode:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode, "PYTHONDONTWRITEBYTECODE": ""}
        for _ in range(times + 1):
            for name, command in STARTS.items():
                begin = time.perf_counter()
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
                found[name].append((time.perf_counter() - begin) * 1000)
    return {name: values[1:] for name, values in found.items()}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20, help="starts of each (%(default)s)")
    args = parser.parse_args(argv)
    found = measure(args.times)
    nothing = median(next(iter(found.values())))
    print(markdown(HEAD, [[name, spread(ms, 0), f"{median(ms) - nothing:.0f}"] for name, ms in found.items()]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
