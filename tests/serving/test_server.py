"""The server's own address."""

from __future__ import annotations

import socket

import pytest

from wspace.errors import WspaceError
from wspace.serving.server import address_of, bind


def test_the_address_is_one_that_this_machine_opens() -> None:
    with bind(0) as listening:
        port = listening.getsockname()[1]
        assert listening.getsockname()[0] == "127.0.0.1"
        assert address_of(listening) == f"http://127.0.0.1:{port}"
        assert address_of(listening, "127.0.0.1") == f"http://127.0.0.1:{port}"
        assert address_of(listening, "studio.example") == f"http://studio.example:{port}"
    with bind(0, "0.0.0.0") as listening:
        port = listening.getsockname()[1]
        assert address_of(listening, "0.0.0.0") == f"http://127.0.0.1:{port}"


@pytest.mark.skipif(not socket.has_ipv6, reason="there is no IPv6 here")
def test_addresses_of_ipv6_stand_in_brackets() -> None:
    try:
        listening = bind(0, "::1")
    except WspaceError:
        pytest.skip("there is no IPv6 loopback here")
    with listening:
        port = listening.getsockname()[1]
        assert address_of(listening, "::1") == f"http://[::1]:{port}"


def test_another_port_is_found_only_where_none_was_asked_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with bind(port, or_another=True) as listening:
            assert listening.getsockname()[1] != port
        with pytest.raises(WspaceError, match=f"port {port}: .*choose another --port"):
            bind(port)
