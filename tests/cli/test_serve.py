"""``wspace serve``: it starts, says where it is, draws, and ends when it has drawn."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from running_server import RunningServer

from wspace.recipe.recipe import recipes

Run = Callable[..., Any]
TOKEN = "a token of sixteen characters"
RECIPES = [recipe.to_dict() for recipe in recipes(seeds=range(64))]


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\nwhat follows is no part of it\n")
    return path


def ask(port: int, path: str, data: Any = None, token: str | None = None) -> tuple[int, bytes]:
    """Status and body."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        if data is None:
            connection.request("GET", path, headers=headers)
        else:
            headers["Content-Type"] = "application/json"
            connection.request("POST", path, body=json.dumps(data), headers=headers)
        response = connection.getresponse()
        return response.status, response.read()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_draws_and_finishes_what_it_draws_when_it_is_told_to_end(
    tiny_model: Path, how: signal.Signals
) -> None:
    server = RunningServer(tiny_model, "--batch-size", 1)
    assert server.line == f"{tiny_model.stem} at http://127.0.0.1:{server.port}\n"
    answers = []
    asking = threading.Thread(
        target=lambda: answers.append(ask(server.port, "/pictures", {"recipes": RECIPES}))
    )
    asking.start()
    while b"wspace_waiting_pictures 64.0" not in ask(server.port, "/metrics")[1]:
        assert asking.is_alive()
    status, err = server.end(how)
    asking.join(60)
    assert (status, err) == (0, "Ctrl-C ends it\n")
    ((status, body),) = answers
    assert status == 200
    assert body.startswith(b"PK")


def test_a_token_from_a_file_is_needed(tiny_model: Path, token_file: Path) -> None:
    server = RunningServer(tiny_model, "--token-file", token_file)
    try:
        assert ask(server.port, "/health")[0] == 200
        assert ask(server.port, "/models")[0] == 401
        assert ask(server.port, "/models", token="what follows is no part of it")[0] == 401
        assert ask(server.port, "/models", token=TOKEN)[0] == 200
    finally:
        server.end()


def test_a_token_of_the_environment_is_needed_too(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WSPACE_SERVE_TOKEN", TOKEN)
    server = RunningServer(tiny_model, "--listen", "127.0.0.1", "--allow-host", "wspace")
    try:
        assert ask(server.port, "/models")[0] == 401
        assert ask(server.port, "/models", token=TOKEN)[0] == 200
    finally:
        server.end()


def test_a_port_that_is_taken_is_said_in_a_line(run_wspace: Run, tiny_model: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = run_wspace("serve", tiny_model, "--port", port)
    assert ran.status == 2
    assert re.fullmatch(
        rf"wspace: cannot listen on 127\.0\.0\.1 port {port}: .*--port.*\n", ran.err
    )


def test_without_the_extra_it_says_how_to_install_it(
    run_wspace: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    ran = run_wspace("serve", "avatars")
    assert (ran.status, ran.err.count("\n")) == (2, 1)
    assert "pip install 'wspace[serve]'" in ran.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "MODEL"),
        (("nothing.safetensors",), "there is no model 'nothing.safetensors'"),
        (("empty",), "empty holds no model.safetensors"),
        (("broken.safetensors",), "broken.safetensors"),
        (("avatars", "--listen", "0.0.0.0"), "--listen 0.0.0.0 needs a token: give --token-file"),
        (("avatars", "--listen", "models.example"), "needs a token"),
        (("avatars", "--token-file", "none"), "cannot read none"),
        (("avatars", "--token-file", "short"), "the token is short: give 16 characters"),
        (("avatars", "--listen", "192.0.2.1", "--token-file", "long"), "listen on 192.0.2.1"),
        (("avatars", "--queue", "0"), "0"),
        (("avatars", "--batch-size", "0"), "0"),
        (("avatars", "--port", "70000"), "70000"),
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
    monkeypatch.delenv("WSPACE_SERVE_TOKEN", raising=False)
    Path("empty").mkdir()
    Path("broken.safetensors").write_bytes(b"x" * 100)
    Path("short").write_text("short\n")
    Path("long").write_text(f"{TOKEN}\n")
    ran = run_wspace("serve", *arguments)
    assert ran.status == 2
    assert says in ran.err
    assert "Traceback" not in ran.err


def test_a_token_is_never_on_the_command_line(run_wspace: Run) -> None:
    options = re.findall(r"--[\w-]+", run_wspace("serve", "--help").out)
    assert "--token" not in options
    assert "--token-file" in options
