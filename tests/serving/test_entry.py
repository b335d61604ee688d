"""Names that a server is reached by, and secrets."""

from __future__ import annotations

import pytest

from wspace.serving.entry import Hosts, bearer_token, is_own_origin, is_same_secret


def test_port_80_needs_no_number() -> None:
    assert Hosts(80).is_own("127.0.0.1")
    assert Hosts(80).is_own("127.0.0.1:80")
    assert not Hosts(8765).is_own("127.0.0.1")


def test_names_that_were_given_are_its_own() -> None:
    hosts = Hosts(8766, names=["wspace", "Models.Example"])
    assert hosts.is_own("wspace:8766")
    assert hosts.is_own("models.example:8766")
    for other in ("wspace", "wspace:8765", "wspace.example:8766", "192.168.0.7:8766"):
        assert not hosts.is_own(other)


def test_pages_come_from_the_name_that_is_asked() -> None:
    assert is_own_origin("http://LOCALHOST:1", "localhost:1")
    for origin in ("http://127.0.0.1:1", "https://localhost:1", "null", ""):
        assert not is_own_origin(origin, "localhost:1")


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer abc", "abc"),
        ("bearer  abc ", "abc"),
        ("Bearer", ""),
        ("Basic abc", None),
        ("abc", None),
        ("", None),
    ],
)
def test_tokens_stand_in_a_header(header: str, token: str | None) -> None:
    assert bearer_token(header) == token


@pytest.mark.parametrize("given", ["", "secre", "secrett", "Secret", "s\u00e9cret", "\x00"])
def test_another_secret_is_not_the_own_one(given: str) -> None:
    assert is_same_secret("secret", "secret")
    assert not is_same_secret(given, "secret")
