"""The README's pictures, as SVG from the real app: python tools/pictures.py [--trace FILE] [--out docs/pictures]

Without a trace it shows the made sessions that the tests look at, of eight GPUs and of a laptop without any, so that
anyone gets the same pictures.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the made session is one of the tests'

from tests.views.screens import Size, shown, utc  # noqa: E402
from tests.views.session_frames import cpu_session, gpu_session  # noqa: E402

from acceltop.profiler.timeline import Timeline  # noqa: E402

WIDE, MIDDLE, SMALL = (160, 48), (120, 36), (80, 24)
SESSIONS = {"gpu": gpu_session, "cpu": cpu_session}
# Name of the file: the session, the size of the terminal, and the keys that lead there.
PICTURES: dict[str, tuple[str, Size, tuple[str, ...]]] = {
    "overview": ("gpu", WIDE, ()),
    "kernel": ("gpu", WIDE, ("2", "down", "down", "enter")),
    "stacks": ("gpu", WIDE, ("5", "down", "down")),
    "timeline": ("cpu", MIDDLE, ("6", "right", "right", "plus")),
    "small": ("cpu", SMALL, ()),
}


def timeline_of(session: str, trace: Path | None) -> Timeline:
    """Raises TraceError when it is no trace."""
    if trace is None:
        timeline = Timeline()
        timeline.add_all(SESSIONS[session]())
        return timeline
    from acceltop.profiler.trace.reader import TraceReader
    from acceltop.profiler.trace.replay import Replay

    replay = Replay(TraceReader(str(trace)))
    replay.show(replay.t1_ns - 240 * 10**9, replay.t1_ns)
    return replay.timeline


async def picture(timeline: Timeline, size: Size, keys: Sequence[str], recorded: bool) -> str:
    """SVG of the screen behind these keys."""
    async with shown(timeline, size, recorded) as (app, pilot):
        for key in keys:
            await pilot.press(key)
            await pilot.pause()
        return same_each_time(app.export_screenshot(title="acceltop"))


def same_each_time(svg: str) -> str:
    """Without the number that is new in each: else every picture would differ from the last one."""
    return re.sub(r"terminal-\d+", "terminal", svg)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trace", type=Path, help="of a recording instead of the made session")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures", help="%(default)s")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    with utc():
        for name, (session, size, keys) in PICTURES.items():
            timeline = timeline_of(session, args.trace)
            path = args.out / f"{name}.svg"
            path.write_text(asyncio.run(picture(timeline, size, keys, args.trace is not None)), encoding="utf-8")
            print(path)


if __name__ == "__main__":
    main()
