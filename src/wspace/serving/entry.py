"""What every request must show: a ``Host`` that is the server's own, and that it may come in.

Requests whose ``Host`` is another are refused, so that a stranger's page cannot reach the server
under a name of its own (DNS rebinding).
"""

from __future__ import annotations

import contextlib
import hmac
import ipaddress
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.types import Scope

__all__ = ["Hosts", "bearer_token", "is_same_secret"]

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class Hosts:
    """The names that a server is reached by."""

    def __init__(self, port: int, *, address: str | None = None, names: Sequence[str] = ()) -> None:
        """Say where it listens.

        Args:
            port: that the server listens on.
            address: other than loopback that it listens on, as the user named it; a wildcard such
                as 0.0.0.0 is any address of the machine.
            names: more of them, such as that of a container.
        """
        own = [*_LOOPBACK, *([] if address is None else [_in_host(address)])]
        own += [_in_host(name) for name in names]
        self._ports = (f":{port}", "") if port == 80 else (f":{port}",)  # as `Host` has it
        self._hosts = frozenset(name + end for name in own for end in self._ports)
        self._any_address = address is not None and _is_wildcard(address)

    def is_own(self, host: str) -> bool:
        """Whether the ``Host`` of a request names this server.

        Where it listens on all addresses, every address does: a stranger's name is none.
        """
        if host.lower() in self._hosts:
            return True
        ends = [end for end in self._ports if host.endswith(end)]
        return self._any_address and any(_is_address(host.removesuffix(end)) for end in ends)

    def is_asked(self, scope: Scope) -> bool:
        """Whether a request names this server, once."""
        hosts = Headers(scope=scope).getlist("host")
        return len(hosts) == 1 and self.is_own(hosts[0])

    def is_asked_by_own_page(self, scope: Scope) -> bool:
        """Whether a page of this server asks, under the name that it asks now."""
        headers = Headers(scope=scope)
        origins = headers.getlist("origin")
        return len(origins) == 1 and is_own_origin(origins[0], headers["host"])


def is_own_origin(origin: str, host: str) -> bool:
    """Whether a page of that ``Origin`` came from the server that is asked as ``host``."""
    return origin.lower() == f"http://{host.lower()}"


def bearer_token(authorization: str) -> str | None:
    """The token of ``Authorization: Bearer TOKEN``; None where it has none."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def is_same_secret(given: str, own: str) -> bool:
    """Whether a secret is the own one; takes as long for every other one."""
    return hmac.compare_digest(given.encode(), own.encode())


def _in_host(address: str) -> str:
    """An address as ``Host`` has it."""
    return f"[{address}]".lower() if ":" in address else address.lower()


def _is_wildcard(address: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(address).is_unspecified
    return False


def _is_address(name: str) -> bool:
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
        return True
    return False
