"""`host` where it may be without psutil: with all that psutil tells, or with what /proc alone does."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from acceltop.collectors.host import Source
else:
    try:
        from acceltop.collectors.host import Source
    except ImportError:  # none came along for this machine, or it can't be loaded here
        from acceltop.collectors.proc_host import Source

__all__ = ["Source"]
