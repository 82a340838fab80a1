"""What a user types is data: it never becomes a word of a shell, here or there."""

from __future__ import annotations

import shlex
import shutil
import subprocess

import pytest

from acceltop.profiler.errors import UsageError
from acceltop.profiler.remote import finder, transport


@pytest.mark.parametrize(
    "host", ["", "-oProxyCommand=x", "a b", "a;b", "$(x)", "a`b", "u'@h", "a|b", "a\nb", "a>b", "x\\y"]
)
def test_what_no_host_can_be_called_is_refused(host: str) -> None:
    with pytest.raises(UsageError):
        transport.ssh(host)


@pytest.mark.parametrize("host", ["gpu-box", "me@10.0.0.1", "ssh://me@h:2222", "[::1]", "a.b_c", "DOMAIN\\me@host"])
def test_what_ssh_takes_is_passed_on(host: str) -> None:
    command = transport.ssh(host).command(["sh"])
    assert command[command.index("--") :] == ["--", host, "sh"]


def test_options_of_the_user_come_before_ours() -> None:
    command = transport.ssh("h", ["ConnectTimeout=3", "-p2222"]).command(["sh"])
    assert command[1:3] == ["-oConnectTimeout=3", "-p2222"]
    assert command.index("-oConnectTimeout=3") < command.index("-oConnectTimeout=15")


def test_coming_back_asks_nothing() -> None:
    command = transport.ssh("h", ["BatchMode=no"]).without_questions().command(["sh"])
    assert command.index("-oBatchMode=yes") < command.index("-oBatchMode=no")
    other = transport.via(["docker", "exec", "-i", "C"])
    assert other.without_questions() == other


def test_other_commands_get_words() -> None:
    words = ["sh", "-c", "echo 'a b'", "x y"]
    assert transport.via(["docker", "exec", "-i", "C"]).command(words) == ["docker", "exec", "-i", "C", *words]
    assert transport.via(["kubectl", "exec", "-i", "P"]).command(["sh"]) == ["kubectl", "exec", "-i", "P", "--", "sh"]
    assert transport.via(["kubectl", "exec", "P", "--"]).command(["sh"]) == ["kubectl", "exec", "P", "--", "sh"]
    assert transport.via(["/usr/bin/ssh", "h"]).command(words)[2] == shlex.join(words)
    with pytest.raises(UsageError):
        transport.via([])


@pytest.mark.parametrize("shell", ["sh", "bash", "dash", "zsh", "tcsh", "csh", "fish", "ksh"])
def test_any_login_shell_can_read_the_command(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    script = shlex.join(finder.words("c0ffee"))
    assert not set("!\n") & set(script) and script.count("'") == 2
    code = b"import sys; print('landed', sys.argv[1], sys.version_info >= (3, 10))"
    given = b"%d\n%s" % (len(code), code)
    result = subprocess.run([shell, "-c", script], input=given, capture_output=True, timeout=60)
    assert result.stdout == b"landed c0ffee True\n"


def test_without_a_python_it_says_so() -> None:
    shell = shutil.which("sh")
    assert shell is not None
    result = subprocess.run(
        [shell, *finder.words("c0ffee")[1:]],
        env={"PATH": "/nonexistent", "HOME": "/nonexistent"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
    )
    assert f"{finder.SENTINEL} c0ffee {finder.NO_PYTHON}" in result.stdout.decode()
