"""A real OpenSSH server on loopback with keys, configuration and port of its own, for a user with an empty home."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.remote.alive import ended
from tests.waiting import wait_for

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
needs_sshd = pytest.mark.skipif(SSHD is None, reason="no openssh-server here")
# Processes of its own, which nobody else's pattern names.
ALONE = ("unshare", "--fork", "--pid", "--mount-proc", "--kill-child")


@dataclass(frozen=True)
class Server:
    """A running server. `home` and `spool` are where its sessions live and record; `options` are for ssh."""

    port: int
    home: Path
    spool: Path
    process: subprocess.Popen[bytes]
    options: tuple[str, ...]

    @property
    def words(self) -> list[str]:
        """The options as `acceltop ssh` takes them."""
        return [f"--ssh-option={option}" for option in self.options]


@contextmanager
def serve(
    folder: Path,
    *config: str,
    path: str = "/usr/bin:/bin",
    rc: str | None = None,
    spool: Path | None = None,
    before: Sequence[str] = (),
) -> Iterator[Server]:
    """`config`: more lines for sshd_config; `rc`: what stands in the user's .bashrc; `spool`: where recordings lie;
    `before`: the words in front of the server's."""
    home = folder / "home"
    home.mkdir()
    if rc is not None:
        (home / ".bashrc").write_text(rc)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    port = free_port()
    (folder / "sshd_config").write_text(
        "\n".join([*config, *_config(folder, home, port, path, spool or folder)]) + "\n"
    )
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where a server of root keeps its unprivileged half
    assert SSHD is not None
    with (folder / "sshd.log").open("wb") as log:
        process = subprocess.Popen([*before, SSHD, "-D", "-e", "-f", str(folder / "sshd_config")], stderr=log)
    try:
        said = wait_for(lambda: _said(process, folder / "sshd.log"), what="sshd to listen")
        assert process.poll() is None, said
        yield Server(port, home, spool or folder, process, _options(folder, port))
    finally:
        process.kill()  # `unshare` takes no notice of less
        process.wait()
        _end_recordings(spool or folder)


@contextmanager
def several(folder: Path, count: int, before: Sequence[str] = ()) -> Iterator[tuple[list[Server], str]]:
    """Servers n1, n2 …, and the option that makes ssh know them by these names."""
    config = ["Host *", "  IdentitiesOnly yes", "  StrictHostKeyChecking yes"]
    with ExitStack() as stack:
        servers = []
        for number in range(1, count + 1):
            (folder / str(number)).mkdir()
            servers.append(stack.enter_context(serve(folder / str(number), before=before)))
            options = [option.replace("=", " ", 1) for option in servers[-1].options if not option.startswith("-")]
            config += [f"Host n{number}", "  HostName 127.0.0.1", *(f"  {option}" for option in options)]
        (folder / "config").write_text("\n".join([*config, "Host *", "  HostName 127.0.0.1", "  Port 1", ""]))
        yield servers, f"--ssh-option=-F{folder / 'config'}"


def _end_recordings(spool: Path) -> None:
    """A recorder outlives its link, so also a test that failed: it ends when its folder has gone."""
    about = [json.loads(file.read_text()) for file in spool.glob("acceltop-*/*/about")]
    for folder in spool.glob("acceltop-*"):
        shutil.rmtree(folder)
    for recording in about:
        wait_for(lambda pid=recording["pid"]: ended(pid), 30, "a recorder to end")  # type: ignore[misc]


def _config(folder: Path, home: Path, port: int, path: str, spool: Path) -> list[str]:
    return [
        "ListenAddress 127.0.0.1",
        f"Port {port}",
        f"HostKey {folder / 'host'}",
        f"AuthorizedKeysFile {folder / 'user.pub'}",
        "PidFile none",
        "StrictModes no",  # the folders of a test may lie in a world-writable one
        "UsePAM no",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "PermitRootLogin prohibit-password",
        "MaxStartups 100",
        f"SetEnv HOME={home} PATH={path} TMPDIR={spool}",
    ]


def _options(folder: Path, port: int) -> tuple[str, ...]:
    return (
        "-F/dev/null",
        f"Port={port}",
        f"User={getpass.getuser()}",
        f"IdentityFile={folder / 'user'}",
        "IdentitiesOnly=yes",
        f"UserKnownHostsFile={folder / 'known_hosts'}",
        "GlobalKnownHostsFile=/dev/null",
        "StrictHostKeyChecking=yes",
    )


def free_port() -> int:
    """Which nobody uses now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def _said(process: subprocess.Popen[bytes], log: Path) -> str:
    """Once it listens, or has ended."""
    said = log.read_text()
    return said if "Server listening" in said or process.poll() is not None else ""
