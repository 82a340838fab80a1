"""A recording on another machine goes on without us, and comes here whole: nothing lost, nothing twice."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.profiler.cli.program import acceltop, start
from tests.remote.alive import ended
from tests.remote.requests import request
from tests.remote.sshd import Server, needs_sshd, serve
from tests.waiting import wait_for

from acceltop.profiler.errors import AcceltopError
from acceltop.profiler.model import Frame, Note, Sample
from acceltop.profiler.remote.source import RemoteSource
from acceltop.profiler.remote.transport import ssh
from acceltop.profiler.remote.watch import connect
from acceltop.profiler.source import SourceContext
from acceltop.profiler.trace.reader import TraceReader

pytestmark = needs_sshd
# A network of its own; a queue on its loopback device that no packet fits into drops all of them.
LONELY = ("unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh")
DROPS = ("dev", "lo", "root", "tbf", "rate", "8bit", "burst", "1b", "limit", "1b")
LIMITS = {"bytes": 1 << 30, "idle_s": 3600.0}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("sshd")
    with serve(folder, spool=folder) as running:
        yield running


def _ssh(server: Server, *words: str) -> subprocess.CompletedProcess[str]:
    return acceltop("ssh", *server.words, "127.0.0.1", *words, timeout_s=120)


def _listed(server: Server) -> dict[str, dict[str, Any]]:
    result = _ssh(server, "recordings", "--json")
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    return {row["id"]: row for row in document["recordings"]}


def _recorded(server: Server, program: str = "ssh", **limits: float) -> RemoteSource:
    """A recording of the host at 0.1 s, and a source that follows it. `program`: the ssh client."""
    transport = ssh("127.0.0.1", server.options, program)
    link = connect(transport, request(do="record", interval=0.1, limits=LIMITS | limits), True, None)
    again = {"do": "follow", "id": link.began["id"], "to_its_end": True, "stacks": False}
    source = RemoteSource("far", link, lambda have: connect(transport, {**again, "offset": have}, True, None))
    source.stays_open = True
    return source


def _followed(source: RemoteSource, frames: list[Frame], number: int) -> bool:
    frames += source.poll()
    return source.ended.is_set() or sum(isinstance(frame, Sample) for frame in frames) >= number


def _noted(source: RemoteSource, frames: list[Frame], code: str) -> str:
    """The text of a Note, once it has come."""
    frames += source.poll()
    return next((frame.text for frame in frames if isinstance(frame, Note) and frame.code == code), "")


def _codes(frames: list[Frame]) -> list[str]:
    return [frame.code for frame in frames if isinstance(frame, Note)]


def _to_the_end(source: RemoteSource, frames: list[Frame]) -> None:
    source.finish()
    wait_for(lambda: _followed(source, frames, 1 << 30), 30)


def _check_whole(source: RemoteSource, frames: list[Frame]) -> None:
    """As many as were recorded, each once, in order."""
    theirs = [frame for frame in frames if not (isinstance(frame, Note) and frame.source == "far")]
    theirs = [frame for frame in theirs if type(frame).__name__ != "ClockSync"]
    assert source.lost_frames == 0
    assert len(theirs) == source.last_word["frames"]
    times = [frame.time_ns for frame in theirs if isinstance(frame, Sample)]
    assert len(set(times)) == len(times)


def test_a_recording_comes_here_and_nothing_stays_there(server: Server, tmp_path: Path) -> None:
    trace = tmp_path / "far.mcap"
    result = _ssh(server, "record", "--only", "host", "--duration", "2s", "-o", str(trace))
    assert result.returncode == 0, result.stderr
    assert "with or without this link" in result.stderr and "at 2.00 GB" in result.stderr and "3 d" in result.stderr
    kinds = [type(frame).__name__ for frame in TraceReader(str(trace)).frames()]
    assert kinds.count("Hello") == 1 and kinds.count("Sample") >= 3
    assert not _listed(server)
    assert not any(server.spool.rglob("spool"))


def test_a_viewer_that_is_killed_costs_nothing(server: Server, tmp_path: Path) -> None:
    limits = ("--max-size", "1.5MB", "--max-idle", "2h")
    words = ("record", "--only", "host", *limits, "-o", str(tmp_path / "a.mcap"))
    viewer = start("ssh", *server.words, "127.0.0.1", *words)
    assert viewer.stderr is not None and "records as" in viewer.stderr.readline()
    viewer.kill()
    viewer.communicate()
    ((number, row),) = _listed(server).items()
    assert row["state"] == "recording" and Path(f"/proc/{row['pid']}").exists()
    assert row["limits"] == {"bytes": 1_500_000, "idle_s": 7200.0}
    assert "ends at 1.50 MB, or when nobody has asked for 2 h 00 min" in _ssh(server, "recordings").stdout
    trace = tmp_path / "b.mcap"

    def fetched() -> int:
        result = _ssh(server, "fetch", number, "-o", str(trace))
        assert result.returncode == 0, result.stderr
        return sum(1 for _ in TraceReader(str(trace)).frames())

    first = fetched()
    assert first > 0
    wait_for(lambda: fetched() > first, 30, "it goes on without a viewer")
    assert _ssh(server, "stop", number).returncode == 0
    wait_for(lambda: ended(row["pid"]))
    assert not _listed(server) and not any(server.spool.rglob("spool"))
    gone = _ssh(server, "stop", number)
    assert gone.returncode == 1 and "no recording" in gone.stderr


def test_the_link_is_cut_again_and_again(server: Server) -> None:
    source = _recorded(server)
    frames: list[Frame] = list(source.open(SourceContext(interval_s=0.1)))
    for cut in range(1, 4):
        wait_for(lambda cut=cut: _followed(source, frames, 10 * cut), 30)  # type: ignore[misc]
        assert source._link is not None
        source._link._process.kill()
    wait_for(lambda: _followed(source, frames, 60), 30)
    _to_the_end(source, frames)
    source.clean()
    _check_whole(source, frames)
    assert _codes(frames).count("remote.lost") == _codes(frames).count("remote.back") == 3
    assert not _listed(server)


def test_a_link_that_stands_still_loses_nothing(server: Server) -> None:
    """The client is stopped for longer than we have patience, and then ended by us."""
    source = _recorded(server)
    frames: list[Frame] = list(source.open(SourceContext(interval_s=0.1)))
    wait_for(lambda: _followed(source, frames, 5), 30)
    assert source._link is not None
    os.kill(source._link._process.pid, signal.SIGSTOP)
    spool = next(server.spool.rglob("spool"))
    size = spool.stat().st_size
    wait_for(lambda: _noted(source, frames, "remote.lost"), 30, "our patience to end")
    wait_for(lambda: _noted(source, frames, "remote.back") and spool.stat().st_size > 2 * size, 30, "it to go on")
    _to_the_end(source, frames)
    source.clean()
    _check_whole(source, frames)


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("tc"), reason="a network of its own needs root, and tc")
def test_packets_that_are_dropped_cost_nothing(tmp_path: Path) -> None:
    with serve(tmp_path, "LogLevel INFO", before=LONELY) as server:
        inside = ("nsenter", "--net", "--target", str(server.process.pid))
        client = tmp_path / "ssh-inside"
        client.write_text(f'#!/bin/sh\nexec {" ".join(inside)} ssh -oConnectTimeout=1 "$@"\n')
        client.chmod(0o700)
        source = _recorded(server, str(client))
        source.silence_s = 2.0
        frames: list[Frame] = list(source.open(SourceContext(interval_s=0.1)))
        wait_for(lambda: _followed(source, frames, 5), 30)
        subprocess.run([*inside, "tc", "qdisc", "add", *DROPS], check=True)
        wait_for(lambda: "nothing was heard" in _noted(source, frames, "remote.lost"), 30, "the link to be lost")
        spool = next(server.spool.rglob("spool"))
        size = spool.stat().st_size
        wait_for(lambda: spool.stat().st_size > size, 10, "the recording to go on")
        subprocess.run([*inside, "tc", "qdisc", "delete", *DROPS[:3]], check=True)
        wait_for(lambda: _noted(source, frames, "remote.back"), 30, "the link to be back")
        _to_the_end(source, frames)
        source.clean()
        _check_whole(source, frames)


def test_it_ends_at_its_limits(server: Server) -> None:
    small = _recorded(server, bytes=2000)
    frames: list[Frame] = list(small.open(SourceContext(interval_s=0.1)))
    wait_for(lambda: _followed(small, frames, 1 << 30), 30)
    small.clean()
    _check_whole(small, frames)
    assert small.last_word["reason"] == "its limit of size"

    forgotten = _recorded(server, idle_s=1.0)
    number = forgotten._link.began["id"] if forgotten._link else ""
    forgotten.stays_open = False
    forgotten.close()
    spool = server.spool / f"acceltop-{os.geteuid()}" / str(number)
    wait_for(lambda: json.loads((spool / "about").read_text())["state"] == "ended", 30)
    assert _listed(server)[str(number)]["state"] == "ended"
    assert _ssh(server, "stop", str(number)).returncode == 0


def test_files_and_socket_are_private(server: Server) -> None:
    source = _recorded(server)
    try:
        (socket,) = server.spool.rglob("socket")
        assert stat.S_IMODE(socket.parent.parent.stat().st_mode) == stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in socket.parent.iterdir()} == {0o600}
    finally:
        frames: list[Frame] = []
        _to_the_end(source, frames)
        source.clean()


def test_a_recorder_that_was_killed_leaves_what_it_had(server: Server, tmp_path: Path) -> None:
    source = _recorded(server)
    frames: list[Frame] = list(source.open(SourceContext(interval_s=0.1)))
    wait_for(lambda: _followed(source, frames, 5), 30)
    ((number, row),) = _listed(server).items()
    os.kill(row["pid"], signal.SIGKILL)
    wait_for(lambda: _followed(source, frames, 1 << 30), 30)
    source.stays_open = False
    source.close()
    assert source.last_word["state"] == "broken"
    assert _listed(server)[number]["state"] == "broken"
    result = _ssh(server, "fetch", number, "-o", str(tmp_path / "a.mcap"))
    assert result.returncode == 0
    assert _ssh(server, "stop", number).returncode == 0


def test_a_recorder_without_its_folder_ends(server: Server) -> None:
    source = _recorded(server)
    source.stays_open = False
    source.close()
    ((number, row),) = _listed(server).items()
    shutil.rmtree(server.spool / f"acceltop-{os.geteuid()}" / number)
    wait_for(lambda: ended(row["pid"]), 20)


@pytest.mark.parametrize("wanted", ["../../etc", "x" * 8, "00000000", ""])
def test_an_id_names_nothing_else(server: Server, wanted: str) -> None:
    with pytest.raises(AcceltopError, match="no recording"):
        connect(ssh("127.0.0.1", server.options), {"do": "stop", "id": wanted, "stacks": False}, True, None)


@pytest.mark.parametrize("limit", ["0GB", "2", "-1GB", "1e9GB", "nan MB", "GB"])
def test_a_limit_that_is_no_size_is_wrong_usage(server: Server, limit: str) -> None:
    result = _ssh(server, "record", f"--max-size={limit}", "-o", "x.mcap")
    assert result.returncode == 2 and "not a size" in result.stderr
