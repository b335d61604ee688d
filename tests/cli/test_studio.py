"""``wspace studio``: it starts, says where it is, and ends."""

from __future__ import annotations

import contextlib
import http.client
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from studio_client import make_page

Run = Callable[..., Any]

# The command, in a process of its own, with a page of the tests' own.
COMMAND = """
import sys
from pathlib import Path
import wspace.studio.web
page = Path(sys.argv.pop(1))
import wspace.studio.serve
wspace.studio.serve.PAGE = page
assert "torch" not in sys.modules
from wspace.cli.main import main
main(["studio", *sys.argv[1:]])
"""


@contextlib.contextmanager
def started(page: Path, *arguments: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process of a studio, and the address that it prints."""
    words = [sys.executable, "-c", COMMAND, str(page), *map(str, arguments)]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+", process.stdout.readline())
            assert found is not None
            yield process, found[0]
        finally:
            process.kill()


def test_the_browser_is_given_an_address_that_opens_once(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Command lines can be read by other users of the machine."""
    script, opened = tmp_path / "browser", tmp_path / "opened"
    script.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}.part; mv {opened}.part {opened}\n')
    script.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{script} %s")
    with started(make_page(tmp_path / "page"), tiny_model, "--port", 0) as (_, printed):
        for _ in range(200):
            if opened.exists():
                break
            time.sleep(0.05)
        address = opened.read_text()
        before, _, token = address.partition("/?token=")
        assert before == printed.partition("/?token=")[0]
        assert token != printed.partition("/?token=")[2]
        statuses = []
        for _ in range(2):
            connection = http.client.HTTPConnection(before.removeprefix("http://"), timeout=30)
            with contextlib.closing(connection):
                connection.request("GET", f"/?token={token}")
                statuses.append(connection.getresponse().status)
        assert statuses == [303, 403]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_an_address_that_opens_and_ends_without_an_error(
    tiny_model: Path, tmp_path: Path, how: signal.Signals
) -> None:
    page = make_page(tmp_path / "page")
    with started(page, tiny_model, "--no-browser", "--port", 0) as (process, address):
        match = re.fullmatch(r"http://127\.0\.0\.1:(\d+)(/\?token=[\w-]{32,})", address)
        assert match is not None
        connection = http.client.HTTPConnection("127.0.0.1", int(match[1]), timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", match[2])
            assert connection.getresponse().status == 303
        process.send_signal(how)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 0
        assert err == "Ctrl-C ends it\n"


def test_a_port_that_is_taken_is_said_in_a_line(run_wspace: Run, tiny_model: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = run_wspace("studio", tiny_model, "--no-browser", "--port", port)
    assert ran.status == 2
    assert re.fullmatch(
        rf"wspace: cannot listen on 127\.0\.0\.1 port {port}: .*--port.*\n", ran.err
    )


def test_without_the_extra_it_says_how_to_install_it(
    run_wspace: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    ran = run_wspace("studio")
    assert (ran.status, ran.err.count("\n")) == (2, 1)
    assert "pip install 'wspace[studio]'" in ran.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nothing.safetensors",), "there is no model 'nothing.safetensors'"),
        (("empty",), "empty holds no model.safetensors"),
        (("--listen", "127.0.0.1"), "--listen needs a password: give --password-file"),
        (("--password-file", "p"), "--password-file is that of --listen"),
        (("--listen", "127.0.0.1", "--password-file", "none"), "cannot read none"),
        (("--listen", "127.0.0.1", "--password-file", "short"), "the password is short"),
        (("--listen", "192.0.2.1", "--password-file", "long"), "cannot listen on 192.0.2.1"),
        (("--listen", "no.such.name.invalid", "--password-file", "long"), "cannot listen on"),
        (("--port", "70000"), "70000"),
    ],
)
def test_bad_input_is_one_line_and_nothing_listens(
    run_wspace: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WSPACE_STUDIO_PASSWORD", raising=False)
    Path("empty").mkdir()
    Path("short").write_text("short\n")
    Path("long").write_text("long enough\n")
    ran = run_wspace("studio", "--no-browser", *arguments)
    assert ran.status == 2
    assert says in ran.err
    assert "Traceback" not in ran.err


def test_a_password_is_never_on_the_command_line(run_wspace: Run) -> None:
    options = re.findall(r"--[\w-]+", run_wspace("studio", "--help").out)
    assert "--password" not in options
    assert "--password-file" in options
