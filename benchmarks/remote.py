"""What watching over ssh takes, against a real sshd on loopback: starts, bytes on the wire, the cost over there.

python -m benchmarks.remote [--seconds 20] [--hosts 64]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from statistics import mean, median
from time import perf_counter, process_time
from typing import Any

from benchmarks.table import markdown
from benchmarks.trace_size import recording
from tests.jobs import job
from tests.remote.requests import request
from tests.remote.sshd import Server, serve

from acceltop.profiler.codec import encode
from acceltop.profiler.model import Frame, Hello, Sample
from acceltop.profiler.numbers import percent, size
from acceltop.profiler.remote import bundle
from acceltop.profiler.remote.link import Link
from acceltop.profiler.remote.source import RemoteSource
from acceltop.profiler.remote.transport import Transport, ssh, via
from acceltop.profiler.remote.watch import connect, connect_all
from acceltop.profiler.remote.wire import Packer, numbered
from acceltop.profiler.source import SourceContext

ONE_WAY_S = 0.025
STARTS = 5
SETTLE_S = 8.0  # what it took to load itself is given back by then


def opened(transport: Transport, cache: bool = True, **args: Any) -> tuple[RemoteSource, Iterator[Frame]]:
    """A machine whose host is watched, or what `args` say, and the Frames of its opening."""
    asked = request(**args)
    source = RemoteSource(
        "far", connect(transport, asked, cache, None), lambda _: connect(transport, asked, cache, None)
    )
    return source, iter(source.open(SourceContext(interval_s=1.0)))


def links(transport: Transport, hosts: int) -> list[Link]:
    """As many connections, made as `acceltop ssh host1,host2,…` makes them."""
    results = connect_all([transport] * hosts, request(only=["host"]), True, None)
    return [result for result in results if isinstance(result, Link)]


def opened_by(link: Link) -> tuple[RemoteSource, Iterator[Frame]]:
    """As `opened`, over a link that is there; a lost one stays lost."""
    source = RemoteSource("far", link, lambda _: link)
    return source, iter(source.open(SourceContext(interval_s=1.0)))


def first_frame_s(transport: Transport, cache: bool) -> float:
    """From nothing to the first Frame."""
    bundle.parts.cache_clear()
    begin = perf_counter()
    source, frames = opened(transport, cache)
    with closing(source):
        until(source, frames, Hello)
        return perf_counter() - begin


def until(source: RemoteSource, frames: Iterator[Frame], kind: type) -> Frame:
    """The next Frame of a kind."""
    while True:
        for frame in frames:
            if isinstance(frame, kind):
                return frame
        frames = iter(source.poll())


def recovery_s(transport: Transport) -> float:
    """From the end of the ssh client to the next reading."""
    source, frames = opened(transport)
    with closing(source):
        until(source, frames, Sample)
        assert source._link is not None
        source._link._process.kill()
        begin = perf_counter()
        until(source, iter(source.poll()), Hello)
        return perf_counter() - begin


def cost_there(transport: Transport, seconds: int, **args: Any) -> tuple[float, float]:
    """Share of a core and most RSS of the program over there, without its first seconds."""
    source, frames = opened(transport, **args)
    found: list[Mapping[str, float]] = []
    with closing(source):
        end = perf_counter() + SETTLE_S + seconds
        while perf_counter() < end:
            values = until(source, frames, Sample).values  # type: ignore[union-attr]
            frames = iter(source.poll())
            if "acceltop.memory.usage" in values and perf_counter() > end - seconds:
                found.append(values)
    memory = max(values["acceltop.memory.usage"] for values in found)
    return mean(values["acceltop.cpu.utilization"] for values in found), memory


def cost_of_a_job(transport: Transport, seconds: int) -> tuple[float, float]:
    """The same while a training job there is watched, with its kernels."""
    with job("cnn", "--seconds", "600") as running:
        everything: dict[str, Any] = {"only": [], "no_inject": False, "budget": 0.01}
        return cost_there(transport, seconds, target=str(running.pid), **everything)


def wire_bytes_a_second(seconds: int = 300) -> float:
    """Of 8 GPUs with 20 counters each, one process with 80 steps a second, 60 kernels every 2 s, stacks every 10 s."""
    packer, total, number = Packer(), 0, 0
    for frames in recording(seconds):
        lines = []
        for frame in frames:
            number += 1
            lines.append(numbered(encode(frame), number))
        total += len(packer.pack(b"".join(lines)))
    return total / seconds


def cost_a_host(hosts: int, seconds: int) -> tuple[int, float]:
    """How many of many hosts came up, and the CPU of this side for each of them, as a share of a core."""
    with tempfile.TemporaryDirectory() as home:
        transport = via(["env", "-i", f"HOME={home}", "PATH=/usr/bin:/bin"])
        sources = [opened_by(link) for link in links(transport, hosts)]
        for source, frames in sources:
            until(source, frames, Sample)
        begin, end = process_time(), perf_counter() + seconds
        while perf_counter() < end:
            for source, _ in sources:
                source._context = SourceContext(interval_s=1.0 / len(sources))
                list(source.poll())
        spent = process_time() - begin
        for source, _ in sources:
            source.close()
    return len(sources), spent / seconds / len(sources)


def slow(server: Server) -> Transport:
    """The same server, 50 ms away and back."""
    relay = Path(__file__).with_name("relay.py")
    proxy = f"ProxyCommand={sys.executable} {relay} %h %p {ONE_WAY_S}"
    return ssh("127.0.0.1", (*server.options, proxy))


def starts(transport: Transport) -> tuple[str, str]:
    """Cold (everything is sent) and warm, in seconds."""
    cold = median(first_frame_s(transport, cache=False) for _ in range(STARTS))
    first_frame_s(transport, cache=True)
    warm = median(first_frame_s(transport, cache=True) for _ in range(STARTS))
    return f"{cold:.2f} s", f"{warm:.2f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--hosts", type=int, default=64)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder)) as server:
        near = ssh("127.0.0.1", server.options)
        cold, warm = starts(near)
        far_cold, far_warm = starts(slow(server))
        share, memory = cost_there(near, args.seconds)
        job_share, job_memory = cost_of_a_job(near, args.seconds)
        up, each = cost_a_host(args.hosts, args.seconds)
        rows = [
            ("cold start to the first Frame", cold, "3 s"),
            ("warm start", warm, "1 s"),
            ("cold start, 50 ms away", far_cold, ""),
            ("warm start, 50 ms away", far_warm, ""),
            ("back after the link was cut", f"{median(recovery_s(near) for _ in range(STARTS)):.2f} s", "3 s"),
            ("on the wire, 8 GPUs with hotspots", f"{size(wire_bytes_a_second())}/s", "5 kB/s"),
            ("CPU over there, host alone, of a core", percent(share), "1 %"),
            ("RSS over there, host alone", size(memory), "40 MB"),
            ("CPU over there, a job with its kernels, of a core", percent(job_share), "1 %"),
            ("RSS over there, a job with its kernels", size(job_memory), "40 MB"),
            ("hosts that came up", f"{up} of {args.hosts}", "all"),
            ("CPU here for each of them, of a core", percent(each), ""),
        ]
    print(markdown(("what", "measured", "goal"), rows))


if __name__ == "__main__":
    main()
