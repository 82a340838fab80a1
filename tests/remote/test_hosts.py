"""Several machines: lists of names, one screen for all of them, and one that is down hurts nobody."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from tests.profiler.cli.program import SCRIPT, acceltop
from tests.remote.sshd import needs_sshd, several
from tests.views.terminal import Terminal

from acceltop.profiler.errors import UsageError
from acceltop.profiler.model import DeviceFound, KernelRow, KernelWindow, Note, ProcessFound, Sample
from acceltop.profiler.remote import hosts


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a", ("a",)),
        ("a, b,a", ("a", "b")),
        ("node[01-03]", ("node01", "node02", "node03")),
        ("n[1,3-4]x,me@b", ("n1x", "n3x", "n4x", "me@b")),
        ("r[1-2]n[8-9]", ("r1n8", "r1n9", "r2n8", "r2n9")),
        ("ssh://me@[::1]:22", ("ssh://me@[::1]:22",)),
        ("[::1]", ("[::1]",)),
    ],
)
def test_lists_are_expanded(text: str, found: tuple[str, ...]) -> None:
    assert hosts.expand(text) == found


@pytest.mark.parametrize("text", ["", ",", "n[3-1]", "n[1-]", "n[-2]", "n[0-9999999]", "n[1-200],m[1-200]", "n[1,,2]"])
def test_what_is_no_list_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        hosts.expand(text)


def test_a_file_of_hosts(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_text("# all of them\na\n\nnode[1-2]  # two\na\n")
    assert hosts.from_file(str(file)) == ("a", "node1", "node2")
    with pytest.raises(UsageError):
        hosts.from_file(str(tmp_path / "none"))


def test_what_hosts_name_alike_is_told_apart() -> None:
    first, second = hosts.renamer(0, "a"), hosts.renamer(1, "b")
    found = DeviceFound(1, "cpu", "CPU", "cpu", pci="0000:65:00.0")
    one, other = first(found), second(found)
    assert isinstance(one, DeviceFound) and isinstance(other, DeviceFound)
    assert (one.device, other.device) == ("a/cpu", "b/cpu")
    assert one.pci != other.pci and other.attributes["host"] == "b"
    host = second(Sample(1, "host", {}))
    assert isinstance(host, Sample) and host.device == "b/cpu"
    process = second(ProcessFound(1, 4711, "train.py", parent=1))
    assert isinstance(process, ProcessFound)
    assert (process.pid, process.parent, process.command) == (20004711, 20000001, "[b] train.py")
    assert hosts.pids_of(1, (process.pid, 10000007)) == (4711,)
    window = first(KernelWindow(1, 2, 7, "torch", (KernelRow("k", "kernel", 1, 1, 1, 1, device="cpu"),), 1))
    assert isinstance(window, KernelWindow) and window.rows[0].device == "a/cpu"
    note = first(Note(1, "info", "x", "text"))
    assert isinstance(note, Note) and note.text == "a: text"


@needs_sshd
def test_each_machine_can_ask_on_the_terminal(tmp_path: Path) -> None:
    with several(tmp_path, 2) as (_, known):
        for number in "12":
            key = str(tmp_path / number / "user")
            subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", f"secret {number}", "-f", key], check=True)
        words = ["ssh", known, "--ssh-option=IdentityAgent=none", "n1,n2", "snapshot", "--only", "host"]
        screen = Terminal([SCRIPT, *words], 200, 40, {})
        try:
            for number in "12":
                screen.wait(lambda text, key=f"{number}/user'": key in text, 60)  # type: ignore[misc]
                screen.send(f"secret {number}\r")
            text = screen.wait(lambda text: "n1/cpu" in text and "n2/cpu" in text, 60)
        finally:
            screen.close()
    assert "secret" not in text


@needs_sshd
def test_eight_machines_of_which_one_is_down(tmp_path: Path) -> None:
    with several(tmp_path, 7) as (_, known):
        result = acceltop("ssh", known, "n[1-8]", "snapshot", "--only", "host", "--json", timeout_s=200)
    assert result.returncode == 0, result.stderr
    assert "without n8" in result.stderr
    document = json.loads(result.stdout)
    assert sorted(device["id"] for device in document["devices"]) == [f"n{number}/cpu" for number in range(1, 8)]


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("python /home/ann/train.py --lr 3", "train.py"),
        ("/usr/bin/python3 -m torch.distributed.run x", "torch.distributed.run"),
        ("/opt/bin/vllm serve", "vllm"),
        ("[node1] /opt/bin/vllm serve", "vllm"),
        ("", "?"),
    ],
)
def test_what_a_process_is_called(command: str, name: str) -> None:
    assert hosts.script_name(command) == name
