"""`acceltop ssh` against a real server: what it shows, what it leaves there, and what it says when it can't."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.profiler.cli.program import acceltop, one_line, python, start
from tests.profiler.cli.terminal import Terminal
from tests.remote.requests import request
from tests.remote.sshd import Server, needs_sshd, serve

from acceltop.profiler.errors import AcceltopError, Exit
from acceltop.profiler.remote import bundle
from acceltop.profiler.remote.link import Link
from acceltop.profiler.remote.transport import ssh

pytestmark = needs_sshd
CACHE = ".cache/acceltop"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("sshd")) as running:
        yield running


def _ssh(server: Server, *words: str) -> subprocess.CompletedProcess[str]:
    return acceltop("ssh", *server.words, "127.0.0.1", *words, timeout_s=120)


def _sent(server: Server, cache: bool = True) -> tuple[int, str]:
    """Bytes that one landing took, and what it says of the cache."""
    link = Link(ssh("127.0.0.1", server.options))
    try:
        link.land(bundle.parts(stacks=False), request(), cache=cache)
        return link.sent_bytes, link.about["no_cache"]
    finally:
        link.close()


def test_a_snapshot_of_the_other_machine(server: Server) -> None:
    result = _ssh(server, "snapshot", "--only", "host", "--json")
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    assert [device["id"] for device in document["devices"]] == ["cpu"]


def test_a_job_there_is_watched_until_it_ends(server: Server) -> None:
    with python() as job:
        words = ("attach", str(job.pid), "--no-inject", "--only", "host", "--json")
        viewer = start("ssh", *server.words, "127.0.0.1", *words)
        assert viewer.stdout is not None
        lines = []
        for line in viewer.stdout:
            lines.append(line)
            if '"kind":"Sample"' in line and f'"pid":{job.pid}' in line:
                break
        job.terminate()
        rest, said = viewer.communicate(timeout=60)
    assert viewer.returncode == 0, said
    frames = [json.loads(line) for line in (*lines, *rest.splitlines())]
    assert frames[0]["kind"] == "ClockSync" and frames[0]["error_ns"] > 0
    assert [frame["kind"] for frame in frames].count("Hello") == 1
    assert any(frame.get("pid") == job.pid and frame["kind"] == "Sample" for frame in frames)
    gone = [(frame["pid"], frame.get("exit_code")) for frame in frames if frame["kind"] == "ProcessGone"]
    # Said once, and once more only by who learned its exit code.
    term = -signal.SIGTERM
    assert gone in ([(job.pid, None)], [(job.pid, term)], [(job.pid, None), (job.pid, term)])
    assert f"process {job.pid} on 127.0.0.1 ended" in said


@pytest.mark.parametrize("pattern", ["$(touch pwned)", "; touch pwned", "'\"`touch pwned`", "-pwned", "a b\n"])
def test_a_pattern_is_data(server: Server, pattern: str) -> None:
    link = Link(ssh("127.0.0.1", server.options))
    # Not through the console script: it runs on the same machine, with the pattern in its own command line.
    with pytest.raises(AcceltopError) as caught:
        link.land(bundle.parts(stacks=False), request(name=pattern))
    link.close()
    assert caught.value.exit_code == Exit.NO_TARGET
    assert not list(server.home.glob("**/pwned"))


def test_the_second_start_sends_nothing(server: Server) -> None:
    _sent(server)
    assert _sent(server)[0] < 20_000
    folder = server.home / CACHE
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


def test_a_damaged_or_replaced_file_is_not_run(server: Server) -> None:
    _sent(server)
    files = sorted((server.home / CACHE).iterdir(), key=lambda file: file.stat().st_size)
    whole = files[0].read_bytes()
    files[0].write_bytes(whole[:-1] + b"x")
    files[1].unlink()
    files[1].symlink_to("/etc/passwd")
    sent, _ = _sent(server)
    assert sent > 20_000
    assert files[0].read_bytes() == whole
    assert not files[1].is_symlink()
    assert _sent(server)[0] < 20_000


def test_no_cache_leaves_no_file(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        result = acceltop("ssh", "--no-cache", *server.words, "127.0.0.1", "snapshot", "--only", "host", "--json")
        assert result.returncode == 0, result.stderr
        assert list(server.home.iterdir()) == []


def test_a_home_that_keeps_nothing_is_told_and_does_not_matter(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        (server.home / ".cache").symlink_to("/proc")
        sent, trouble = _sent(server)
    assert sent > 100_000 and trouble


def test_a_cache_that_others_may_enter_is_not_used(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        (server.home / CACHE).mkdir(parents=True, mode=0o777)
        os.chmod(server.home / CACHE, 0o777)
        _, trouble = _sent(server)
        assert "not private" in trouble
        assert list((server.home / CACHE).iterdir()) == []


def test_greetings_do_no_harm(tmp_path: Path) -> None:
    banner = tmp_path / "banner"
    banner.write_text("Authorized use only\n")
    with serve(tmp_path, f"Banner {banner}", rc="echo welcome; echo acceltop no-python; printf 'no end'\n") as server:
        plain = subprocess.run(ssh("127.0.0.1", server.options).command(["true"]), capture_output=True, text=True)
        assert plain.stdout.startswith("welcome"), "this shell reads no .bashrc"
        result = _ssh(server, "snapshot", "--only", "host", "--json")
    assert result.returncode == 0
    assert json.loads(result.stdout)["devices"]
    assert "Authorized use only" in result.stderr


def test_a_forced_command_is_told(tmp_path: Path) -> None:
    with serve(tmp_path, "ForceCommand echo go away") as server:
        result = _ssh(server, "snapshot")
    assert result.returncode == 5
    assert "go away" in one_line(result) and "forced command" in one_line(result)


def test_no_python_there(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "sh").symlink_to("/bin/sh")
    with serve(tmp_path, path=str(programs)) as server:
        result = _ssh(server, "snapshot")
    assert result.returncode == 5
    assert "no Python on 127.0.0.1" in one_line(result)


def test_a_python_that_is_too_old(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "sh").symlink_to("/bin/sh")
    old = programs / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo Python 3.8.10\nexit 1\n')
    old.chmod(0o755)
    with serve(tmp_path, path=str(programs)) as server:
        result = _ssh(server, "snapshot")
    assert result.returncode == 5
    assert "only Python 3.8.10" in one_line(result)


def test_nobody_listens(server: Server) -> None:
    result = acceltop("ssh", "--ssh-option=Port=1", *server.words, "127.0.0.1", "snapshot")
    assert result.returncode == 5
    assert "Connection refused" in result.stderr


def test_trouble_with_a_host_key_is_told_in_the_words_of_ssh(server: Server, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(f"[127.0.0.1]:{server.port} ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{'A' * 43}\n")
    result = acceltop("ssh", f"--ssh-option=UserKnownHostsFile={known}", *server.words, "127.0.0.1", "snapshot")
    assert result.returncode == 5
    assert "Host key verification failed" in result.stderr


def test_a_host_that_is_an_option_is_refused() -> None:
    result = acceltop("ssh", "--", "-oProxyCommand=touch pwned", "snapshot")
    assert result.returncode == 2
    assert not Path("pwned").exists()


def test_any_command_that_gives_a_pipe(tmp_path: Path) -> None:
    prefix = ["env", "-i", f"HOME={tmp_path}", "PATH=/usr/bin:/bin"]
    result = acceltop("via", *prefix, "--", "snapshot", "--only", "host", "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["devices"]
    assert (tmp_path / CACHE).is_dir()


def test_a_command_that_is_not_there() -> None:
    result = acceltop("via", "no-such-program", "--", "snapshot")
    assert result.returncode == 5
    assert "no-such-program" in one_line(result)


def test_doctor_looks_over_there(server: Server) -> None:
    result = _ssh(server, "doctor", "--json", "--only", "host,stacks")
    assert result.returncode == 0, result.stderr
    checks = {check["name"]: check for check in json.loads(result.stdout)["checks"]}
    assert checks["host"]["ok"]
    assert checks["stacks"]["ok"], checks  # with the py-spy that came along


def test_the_screens_open_on_the_other_machine_and_attach_there(server: Server) -> None:
    with python() as job:
        screen = Terminal("ssh", *server.words, "127.0.0.1", "attach", str(job.pid), "--only", "host")
        try:
            screen.read_until(f"pid {job.pid}", 60)
            screen.press("q")
            assert screen.exit_code() == 0
        finally:
            screen.close()
        assert job.poll() is None
