"""`python -m acceltop` (this file is mapped to `acceltop/__main__.py`)."""

import sys

from acceltop.profiler.cli import main

if __name__ == "__main__":
    sys.exit(main())
