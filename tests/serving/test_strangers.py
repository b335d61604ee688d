"""Strangers, flooders and garbage, at the door of the server for programs and of the studio."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

import pytest
from local_server import LocalServer

from wspace.serving.server import MOST_SILENT


def test_who_does_not_say_what_it_wants_is_let_go(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wspace.serving.server.HEAD_SECONDS", 0.3)
    head = f"Host: {server.host}\r\nAuthorization: Bearer {server.token}\r\n\r\n"
    request = f"GET {server.path} HTTP/1.1\r\n{head}"
    for whole, begun in (
        (False, b""),
        (False, b"G"),
        (False, b"GET / HTTP/1.1\r\n"),
        (True, b"G"),
    ):
        with socket.create_connection(("127.0.0.1", server.port)) as made:
            made.settimeout(10)
            if whole:
                made.sendall(request.encode())
                assert made.recv(65536).startswith(b"HTTP/1.1 200")
            made.sendall(begun)
            while made.recv(65536):  # until it is closed
                pass
    assert server.get(server.path, inside=True).status == 200


def test_many_who_say_nothing_leave_room_for_those_who_ask(server: LocalServer) -> None:
    with contextlib.ExitStack() as stack:
        silent = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            for _ in range(MOST_SILENT + 50)
        ]
        assert server.get(server.path, inside=True).status == 200
        silent[0].settimeout(10)
        assert silent[0].recv(1) == b""  # the oldest was let go
        silent[-1].settimeout(0.2)
        with pytest.raises(TimeoutError):
            silent[-1].recv(1)


@pytest.mark.parametrize(
    "request_",
    [b"\x00" * 1000, b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
     b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: " + b"x" * 200_000 + b"\r\n\r\n",
     b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
     b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
     b"GET / HTTP/1.1\r\nHost: \xff\xfe\r\n\r\n"],
)  # fmt: skip
def test_what_is_no_request_opens_nothing(server: LocalServer, request_: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as made:
        made.settimeout(20)
        with contextlib.suppress(OSError):
            made.sendall(request_)
            made.shutdown(socket.SHUT_WR)
            answer = made.recv(1000)
            assert answer == b"" or answer.split()[1] in (b"400", b"403", b"431")
    assert server.get(server.path, inside=True).status == 200


def test_a_body_without_end_is_not_kept(server: LocalServer) -> None:
    before = held_bytes()
    with socket.create_connection(("127.0.0.1", server.port)) as made:
        made.settimeout(2)
        made.sendall(f"POST {server.path} HTTP/1.1\r\nHost: {server.host}\r\n".encode())
        made.sendall(b"Content-Length: 1000000000000\r\n\r\n")
        with contextlib.suppress(OSError):
            for _ in range(200):
                made.sendall(bytes(2**20))
        assert server.get(server.path, inside=True).status == 200
        assert held_bytes() - before < 50 * 2**20


def held_bytes() -> int:
    """Memory that this process holds now."""
    if not Path("/proc/self/statm").exists():
        pytest.skip("the system does not say how much memory a process holds")
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    ("host", "opens"),
    [
        ("127.0.0.1:{port}", True),
        ("localhost:{port}", True),
        ("LOCALHOST:{port}", True),
        ("[::1]:{port}", True),
        ("127.0.0.1", False),
        ("127.0.0.1:{other}", False),
        ("evil.example:{port}", False),
        ("127.0.0.1.evil.example:{port}", False),
        ("evil.example", False),
        ("192.168.0.7:{port}", False),
        ("localhost:{port}@evil.example", False),
        ("", False),
    ],
)
def test_a_host_of_another_name_is_refused(server: LocalServer, host: str, opens: bool) -> None:
    """DNS rebinding: a stranger's name that leads here."""
    host = host.format(port=server.port, other=server.port + 1)
    assert server.get(server.path, inside=True, Host=host).status == (200 if opens else 403)
    if not opens:
        assert server.token.encode() not in server.get(server.path, inside=True, Host=host).body


def test_requests_need_exactly_one_host(server: LocalServer) -> None:
    for hosts in ("", f"Host: {server.host}\r\nHost: evil.example\r\n"):
        with socket.create_connection(("127.0.0.1", server.port)) as raw:
            head = (
                f"GET {server.path} HTTP/1.1\r\n{hosts}Authorization: Bearer {server.token}\r\n\r\n"
            )
            raw.sendall(head.encode())
            raw.settimeout(10)
            assert raw.recv(100).split()[1] in (b"400", b"403")
