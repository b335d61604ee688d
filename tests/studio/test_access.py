"""Tokens, cookies, passwords, keys."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from wspace.errors import WspaceError
from wspace.studio.access import COOKIE_SECONDS, ONCE_SECONDS, Access, kept_key

KEY = bytes(range(32))


def lets_in(access: Access, cookie: str) -> bool:
    return access.lets_in({access.cookie: cookie}, "")


def test_tokens_are_long_and_never_the_same() -> None:
    tokens = {Access(1).token for _ in range(20)}
    assert len(tokens) == 20
    assert min(map(len, tokens)) >= 32


def test_a_cookie_of_an_earlier_start_still_opens() -> None:
    cookie = Access(8765, key=KEY).new_cookie()
    assert lets_in(Access(8765, key=KEY), cookie)


def test_a_cookie_of_another_port_key_or_password_does_not() -> None:
    cookie = Access(8765, key=KEY).new_cookie()
    assert not lets_in(Access(8766, key=KEY), cookie)
    assert not lets_in(Access(8765, key=KEY[::-1]), cookie)
    assert not lets_in(Access(8765), cookie)
    listening = {"address": "studio.example", "key": KEY}
    inside = Access(8765, password="open sesame", **listening)  # type: ignore[arg-type]
    assert not lets_in(inside, cookie)
    changed = Access(8765, password="another word", **listening)  # type: ignore[arg-type]
    assert not lets_in(changed, inside.new_cookie())


def test_a_cookie_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    access = Access(8765, key=KEY)
    cookie = access.new_cookie()
    later = time.time() + COOKIE_SECONDS + 1
    monkeypatch.setattr("time.time", lambda: later)
    assert not lets_in(access, cookie)


@pytest.mark.parametrize("change", ["1", "", "é", "\x00", "9999999999.x", "." * 1000])
def test_changed_cookies_open_nothing(change: str) -> None:
    access = Access(8765, key=KEY)
    cookie = access.new_cookie()
    assert lets_in(access, cookie)
    assert not lets_in(access, change)
    assert not lets_in(access, change + cookie + "x")
    if change:
        assert not lets_in(access, change + cookie)
        assert not lets_in(access, cookie + change)


def test_a_token_for_once_opens_once_and_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    access = Access(8765, key=KEY)
    first, second, third = (access.new_token_for_once() for _ in range(3))
    assert not access.is_token(first)
    assert not access.lets_in({}, f"Bearer {first}")
    assert access.take_token_for_once(second)
    assert not access.take_token_for_once(second)
    assert not access.take_token_for_once("")
    assert access.take_token_for_once(first)
    later = time.monotonic() + ONCE_SECONDS + 1
    monkeypatch.setattr("time.monotonic", lambda: later)
    assert not access.take_token_for_once(third)


def test_the_key_is_kept_for_its_owner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WSPACE_CACHE", str(tmp_path / "cache"))
    key = kept_key()
    assert key is not None
    assert kept_key() == key
    path = tmp_path / "cache" / "studio" / "key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["key"]
    path.chmod(0o644)  # others may have read it
    assert kept_key() not in (key, None)
    path.write_bytes(b"short")
    path.chmod(0o600)
    made = kept_key()
    assert made is not None
    assert len(made) == 32


def test_where_no_key_can_be_kept_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WSPACE_CACHE", str(tmp_path / "file"))
    assert kept_key() is None
    monkeypatch.delenv("WSPACE_CACHE")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert Access(8765, key=None).new_cookie()


def test_other_machines_come_in_by_a_password_alone() -> None:
    with pytest.raises(WspaceError, match="--listen needs a password"):
        Access(8765, address="0.0.0.0")
    with pytest.raises(WspaceError, match="give 8 characters"):
        Access(8765, address="0.0.0.0", password="short")
    with pytest.raises(WspaceError, match="needs a password"):
        Access(8765, password="open sesame")
