"""What answers say to browsers, and bodies of requests within bounds."""

from __future__ import annotations

import asyncio

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import Message, Send

__all__ = ["LateBodyError", "LongBodyError", "read_body", "with_headers"]

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class LongBodyError(Exception):
    """A body is longer than it may be."""


class LateBodyError(Exception):
    """A body has not come in the time that it may take."""


async def read_body(request: Request, *, most: int, seconds: float) -> bytes:
    """The body of a request, of ``most`` bytes at most, within so many seconds.

    Raises:
        LongBodyError: it is longer; no more than that was kept of it.
        LateBodyError: it did not come.
    """
    parts, size = [], 0
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise LongBodyError
                parts.append(part)
    except TimeoutError:
        raise LateBodyError from None
    return b"".join(parts)


def with_headers(send: Send, policy: str) -> Send:
    """Adds to each answer what browsers may do with it, unless it has a ``policy`` of its own."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.setdefault("Content-Security-Policy", policy)
            for name, value in _HEADERS.items():
                headers[name] = value
        await send(message)

    return sent
