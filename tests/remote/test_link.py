"""The link of live watching: it comes back by itself, what runs over there dies with it, hostile ends do no harm."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.jobs import end, lines
from tests.profiler.cli.program import SCRIPT
from tests.remote.alive import ended
from tests.remote.requests import request
from tests.remote.sshd import Server, needs_sshd, serve
from tests.waiting import wait_for

from acceltop.profiler.errors import AcceltopError, Exit
from acceltop.profiler.model import Frame, Note, Sample
from acceltop.profiler.remote import bundle
from acceltop.profiler.remote.link import Link
from acceltop.profiler.remote.source import RemoteSource
from acceltop.profiler.remote.transport import ssh, via
from acceltop.profiler.remote.watch import connect
from acceltop.profiler.source import SourceContext

SAYS = """
import json, os, sys, zlib
nonce = sys.argv[-1]
os.write(1, f'\\nacceltop {nonce} {json.dumps({"need": [], "host": "x"})}\\n'.encode())
packer = zlib.compressobj()
def say(text):
    os.write(1, packer.compress(text) + packer.flush(zlib.Z_SYNC_FLUSH))
say(b'{"kind":"remote.began","pids":[]}\\n')
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("sshd")) as running:
        yield running


def _samples(source: RemoteSource, frames: list[Frame], number: int) -> bool:
    frames += source.poll()
    return sum(isinstance(frame, Sample) for frame in frames) >= number


def _programs(nonce: str) -> list[int]:
    """Processes over there that were started for this link."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if nonce.encode() in arguments and b"-I" in arguments:
            found.append(int(folder.name))
    return found


@needs_sshd
def test_watching_comes_back_after_the_link_was_cut(server: Server) -> None:
    transport = ssh("127.0.0.1", server.options)
    asked = request(interval=0.1)
    link = connect(transport, asked, True, None)
    source = RemoteSource("far", link, lambda _: connect(transport, asked, True, None))
    frames: list[Frame] = list(source.open(SourceContext(interval_s=0.1)))
    wait_for(lambda: _samples(source, frames, 5), 30)
    link._process.kill()
    wait_for(lambda: _samples(source, frames, 12), 30)
    source.close()
    codes = [frame.code for frame in frames if isinstance(frame, Note)]
    assert [code for code in codes if code.startswith("remote.")] == ["remote.lost", "remote.back"]


@needs_sshd
def test_what_runs_there_dies_with_the_link(server: Server) -> None:
    link = connect(ssh("127.0.0.1", server.options), request(), True, None)
    (program,) = _programs(link._nonce)
    link._process.kill()
    wait_for(lambda: ended(program), 20, "the program over there to end")
    link.close()


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="namespaces need root")
def test_a_process_in_other_namespaces(tmp_path: Path) -> None:
    code = "print('ready', flush=True)\nwhile True: sum(range(1000))"
    # Its own processes, and a /tmp that nobody else sees.
    inside = f'mount -t tmpfs none /tmp && exec {os.path.realpath(sys.executable)} -c "$0"'
    command = ["unshare", "--fork", "--pid", "--mount", "--mount-proc", "--kill-child", "sh", "-c", inside, code]
    job = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert job.stdout is not None and job.stdout.readline() == "ready\n"
        children = Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()
        enter = ["nsenter", "--pid", "--mount", "--target", children[0], "env", f"HOME={tmp_path}"]
        options = ["attach", "1", "--no-inject", "--only", "host", "--json"]
        command = [SCRIPT, "via", "--no-cache", *enter, "--", *options]
        watcher = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        found = next(lines(watcher, "ProcessFound"), "")
        end(watcher)
    finally:
        job.kill()
        job.wait()
    assert '"pid":1,' in found


@pytest.mark.parametrize(
    "speech",
    [
        "say(b'[1]\\n')",
        "say(b'{\\n')",
        "os.write(1, b'no stream at all')",
        "say(b'0' * (64 << 20))",
        'say(b\'{"kind":"remote.data","at":7,"bytes":"!"}\\n\')',
        'say(b\'{"kind":"Sample","time_ns":"x"}\\n\' * 200)',
    ],
)
def test_nonsense_ends_the_link_with_its_reason(speech: str, tmp_path: Path) -> None:
    script = tmp_path / "evil.py"
    script.write_text(SAYS + speech + "\nsys.stdin.read()\n")
    link = Link(via([sys.executable, str(script)]))
    source = RemoteSource("evil", link, lambda _: link)
    frames: list[Frame] = []

    def read() -> bool:
        frames.extend(source.poll())
        return False

    with pytest.raises(AcceltopError, match="nonsense|did not start"):
        link.land((), request())
        frames += source.open(SourceContext(interval_s=0.1))
        wait_for(read, 20)
    source.close()


def test_what_it_says_can_not_move_the_cursor(tmp_path: Path) -> None:
    script = tmp_path / "evil.py"
    end = '{"kind":"remote.end","cause":"a\\\\u001b[2Jb","code":99}'
    script.write_text(SAYS.replace('{"kind":"remote.began","pids":[]}', end) + "sys.stdin.read()\n")
    link = Link(via([sys.executable, str(script)]))
    with pytest.raises(AcceltopError) as caught:
        link.land((), request())
    link.close()
    assert "\x1b" not in str(caught.value) and caught.value.exit_code == Exit.FAILED


def test_a_greeting_without_end_is_cut_short() -> None:
    link = Link(via(["sh", "-c", "yes"]))
    with pytest.raises(AcceltopError, match="without end"):
        link.land(bundle.parts(stacks=False), request())
    link.close()
