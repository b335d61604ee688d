"""Who may come in: the token in the printed address, the cookie it is changed for, a password.

The cookie is signed with a key that is kept in the user's cache folder, so that a page goes on when
the server is started again, as Jupyter's does.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path

from wspace.errors import WspaceError
from wspace.files import cache_root
from wspace.serving.entry import Hosts, bearer_token, is_same_secret

__all__ = ["LEAST_PASSWORD", "Access", "kept_key"]

LEAST_PASSWORD = 8  # characters
COOKIE_SECONDS = 7 * 24 * 3600
KEY_BYTES = 32
ONCE_SECONDS = 120.0  # that a token for one use lasts
WRONG_SECONDS = 1.0  # that nobody can try a password after a wrong one


class Access:
    """What a request must show.

    Attributes:
        token: of the address that the command prints.
        cookie: name of the cookie.
        hosts: the names that the server is reached by.
    """

    def __init__(
        self,
        port: int,
        *,
        address: str | None = None,
        password: str | None = None,
        key: bytes | None = None,
        token: str | None = None,
    ) -> None:
        """Decide who may come in.

        Args:
            port: that the server listens on.
            address: other than loopback that it listens on, as the user named it; a wildcard such
                as 0.0.0.0 is any address of the machine.
            password: for those who do not have the token; with ``address`` alone.
            key: signs cookies; None: one that ends with the process, see `kept_key`.
            token: None: a random one.

        Raises:
            WspaceError: an address without a password, or one that is too short.
        """
        if (address is None) != (password is None):
            raise WspaceError("--listen needs a password, and a password --listen: give both.")
        if password is not None and len(password) < LEAST_PASSWORD:
            raise WspaceError(f"the password is short: give {LEAST_PASSWORD} characters or more.")
        self.token = token or secrets.token_urlsafe(24)
        self.cookie = f"wspace-{port}"
        self._password = None if password is None else _digest(password)
        # Another password makes another key: who knew the old one is out.
        self._key = hmac.digest(
            key or secrets.token_bytes(KEY_BYTES), f"{port} {self._password!r}".encode(), "sha256"
        )
        self.hosts = Hosts(port, address=address)
        self._wrong_at = -WRONG_SECONDS
        self._once: dict[str, float] = {}  # tokens for one use, and when they end

    @property
    def has_password(self) -> bool:
        """Whether somebody without the token can come in by a password."""
        return self._password is not None

    def lets_in(self, cookies: Mapping[str, str], authorization: str) -> bool:
        """Whether a request shows the cookie, or the token as ``Authorization: Bearer``."""
        token = bearer_token(authorization)
        if token is not None and self.is_token(token):
            return True
        return self._is_signed(cookies.get(self.cookie, ""))

    def is_token(self, token: str) -> bool:
        """Whether it is the token; takes as long for every other one."""
        return is_same_secret(token, self.token)

    def new_token_for_once(self) -> str:
        """A token that opens one address, soon.

        For a browser that is started with it: other users of the machine can read its command line.
        """
        token = secrets.token_urlsafe(24)
        self._once[token] = time.monotonic() + ONCE_SECONDS
        return token

    def take_token_for_once(self, token: str) -> bool:
        """Whether it is such a token; from now on it is none."""
        found = [one for one in self._once if is_same_secret(token, one)]
        return any(self._once.pop(one) > time.monotonic() for one in found)

    def is_password(self, password: str) -> bool:
        """Whether it is the password; for a second after a wrong one, none is."""
        now = time.monotonic()
        if self._password is None or now - self._wrong_at < WRONG_SECONDS:
            return False
        right = hmac.compare_digest(_digest(password), self._password)
        if not right:
            self._wrong_at = now
        return right

    def new_cookie(self) -> str:
        """The value of a cookie that lets in for `COOKIE_SECONDS`."""
        text = f"{int(time.time()) + COOKIE_SECONDS}.{secrets.token_urlsafe(12)}"
        return f"{text}.{self._signature(text)}"

    def _is_signed(self, cookie: str) -> bool:
        text, _, signature = cookie.rpartition(".")
        if not is_same_secret(signature, self._signature(text)):
            return False
        return int(text.partition(".")[0]) > time.time()  # signed by us: it is a number

    def _signature(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), "sha256").hexdigest()


def kept_key() -> bytes | None:
    """The user's own key for cookies, made where there is none; None where none can be kept."""
    root = cache_root()
    if root is None:
        return None
    path = root / "studio" / "key"
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = _read_key(path)
        if key is not None:
            return key
        # Made whole under another name: two servers that start at once take the same one.
        own = path.with_name(f".{secrets.token_hex(8)}.tmp")
        descriptor = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(descriptor, "wb") as file:
                file.write(secrets.token_bytes(KEY_BYTES))
            if path.exists():
                os.replace(own, path)
            else:
                os.link(own, path)
        except FileExistsError:
            pass
        finally:
            with contextlib.suppress(OSError):
                own.unlink()
        return _read_key(path)
    return None


def _read_key(path: Path) -> bytes | None:
    """The key in a file that nobody else can read; None where it is none."""
    with contextlib.suppress(OSError), open(path, "rb") as file:
        rights = os.fstat(file.fileno())
        others = os.name == "posix" and (rights.st_mode & 0o077 or rights.st_uid != os.getuid())
        key = file.read(KEY_BYTES + 1)
        if len(key) == KEY_BYTES and not others:
            return key
    return None


def _digest(password: str) -> bytes:
    return hashlib.sha256(password.encode()).digest()
