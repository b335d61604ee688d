"""The server for programs: its operations as an application, behind one door.

Every request passes `Door`, which looks at ``Host``, ``Origin`` and token. Pages of strangers are
kept out where there is no token, too: what draws takes ``application/json`` alone, which they
cannot send without asking first.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import time
import zipfile
from collections.abc import Awaitable, Callable, Iterator, Mapping
from importlib.metadata import version
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wspace.errors import WspaceError, reason
from wspace.plain import from_plain, to_plain
from wspace.recipe.recipe import parse_json
from wspace.serving.arguments import Asked, Failure, Health, Models, Pictures
from wspace.serving.document import document
from wspace.serving.drawing import Drawing, Drawn, EndedError, FullError, Order
from wspace.serving.entry import Hosts, bearer_token, is_same_secret
from wspace.serving.messages import LateBodyError, LongBodyError, read_body, with_headers
from wspace.serving.metrics import Metrics
from wspace.serving.models import facts_of, named
from wspace.serving.operations import JSON, OPERATIONS, PICTURES, ZIP, Operation
from wspace.serving.shelf import OpenModel

__all__ = ["make_app"]

_log = logging.getLogger(__name__)

MAX_BODY, BODY_SECONDS = 4 * 2**20, 10.0  # bytes of a body; how long it may take
MOST_READING = 32  # bodies at a time
READ_JSON = 4  # times its length, about, is what JSON takes that has been read
CHUNK = 2**18  # bytes of an answer that are handed over at once
_POLICY = "default-src 'none'; frame-ancestors 'none'"
_NO_STORE = {"Cache-Control": "no-store"}

_Handler = Callable[[Request], Awaitable[Response]]


def make_app(
    models: Mapping[str, OpenModel],
    drawing: Drawing,
    metrics: Metrics,
    *,
    hosts: Hosts,
    token: str | None,
) -> ASGIApp:
    """The whole server as an application.

    Args:
        models: by their names.
        drawing: what draws.
        metrics: what counts.
        hosts: the names that the server is reached by.
        token: that requests must show; None: they need none.
    """
    metrics.show_waiting(lambda: drawing.waiting, drawing.most_waiting)
    told = Models(
        version=version("wspace"),
        models=tuple(facts_of(name, model) for name, model in models.items()),
    )
    answers: dict[str, _Handler | ASGIApp] = {
        "models": _json(to_plain(told)),
        "document": _json(document(with_token=token is not None)),
        "health": _health(drawing),
        "metrics": _metrics(metrics),
    }
    reading = _Reading()
    for one in OPERATIONS:
        if one.takes is not None:
            answers[one.name] = _Draw(one, models, drawing, metrics, reading)
    app = Starlette(
        routes=[Route(one.path, answers[one.name], methods=[one.method]) for one in OPERATIONS],
        exception_handlers={HTTPException: _no_such},
    )
    app.router.redirect_slashes = False
    return Door(app, hosts, token, metrics)


class Door:
    """Lets in who may come in, and counts what became of it."""

    def __init__(self, app: ASGIApp, hosts: Hosts, token: str | None, metrics: Metrics) -> None:
        self._app, self._hosts, self._token, self._metrics = app, hosts, token, metrics
        self._known = {(one.path, one.method): one for one in OPERATIONS}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # a WebSocket, of which there is none here
            return
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        operation = self._known.get((scope["path"], method))
        started, status = time.monotonic(), 0

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        answer = self._refused(scope, operation) or self._app
        try:
            await answer(scope, receive, with_headers(counted, _POLICY))
        finally:
            if status:
                name = "other" if operation is None else operation.name
                self._metrics.answered(name, status, time.monotonic() - started)

    def _refused(self, scope: Scope, operation: Operation | None) -> Response | None:
        """Why a request may not come in; None where it may."""
        if not self._hosts.is_asked(scope):
            return _failure(
                403, "this Host is none of the server's: ask it by its address, or --allow-host."
            )
        headers = Headers(scope=scope)
        if "origin" in headers and not self._hosts.is_asked_by_own_page(scope):
            return _failure(403, "pages of other sites may not ask here.")
        if self._token is None or (operation is not None and operation.is_open):
            return None
        given = bearer_token(headers.get("authorization", ""))
        if given is None or not is_same_secret(given, self._token):
            return _failure(
                401,
                "the token is missing or wrong: send Authorization: Bearer TOKEN.",
                {"WWW-Authenticate": "Bearer"},
            )
        return None


class _Reading:
    """How many bodies are read at a time."""

    def __init__(self) -> None:
        self._count = 0

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """A place for one more; a `FullError` where there is none."""
        if self._count >= MOST_READING:
            raise FullError(1)
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1


class _Draw:
    """An operation that draws."""

    def __init__(
        self,
        operation: Operation,
        models: Mapping[str, OpenModel],
        drawing: Drawing,
        metrics: Metrics,
        reading: _Reading,
    ) -> None:
        self._operation, self._models = operation, models
        self._drawing, self._metrics, self._reading = drawing, metrics, reading

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        taken = await self._taken(request)
        if isinstance(taken, Response):
            await taken(scope, receive, send)
            return
        if taken is None:
            return
        asked, order = taken
        try:
            answer = await self._answer(request, asked, order)
            if answer is not None:
                await _send_in_parts(answer, send)
        finally:
            self._drawing.leave(order)

    async def _taken(self, request: Request) -> Response | tuple[Asked, Order] | None:
        """What is asked for, waiting to be drawn, or why it is not; None: nobody is there."""
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
            return _failure(415, f"the body is not said to be {JSON}: send it as that.")
        try:
            with self._reading.place():
                body = await read_body(request, most=MAX_BODY, seconds=BODY_SECONDS)
                asked = await asyncio.to_thread(self._read, body)
                return asked, self._add(asked, READ_JSON * len(body))
        except ClientDisconnect:
            return None
        except LongBodyError:
            return _failure(413, f"the body is longer than {MAX_BODY} bytes: ask for less at once.")
        except LateBodyError:
            return _failure(408, f"the body did not come within {BODY_SECONDS:.0f} seconds.")
        except _NoJsonError as error:
            return _failure(400, str(error))
        except FullError as error:
            return _failure(429, "too much waits already: ask again later.", _retry(error.seconds))
        except EndedError:
            return _failure(503, "the server is ending: ask again later.", _retry(1))
        except WspaceError as error:
            return _failure(422, str(error))

    def _read(self, body: bytes) -> Asked:
        try:
            data = parse_json(body, "the body")
        except WspaceError as error:
            raise _NoJsonError(str(error)) from None
        assert self._operation.takes is not None
        asked: Asked = from_plain(self._operation.takes, data, what="the body")
        return asked

    def _add(self, asked: Asked, size: int) -> Order:
        model, count = named(self._models, asked.model), len(asked.asked)
        model.check_pixels(count)
        if count > self._drawing.most_waiting:
            raise WspaceError(
                f"{count} pictures are too many at once: ask for {self._drawing.most_waiting} "
                "at most."
            )
        return self._drawing.add(model, asked.asked, size=size)

    async def _answer(self, request: Request, asked: Asked, order: Order) -> Response | None:
        """The files of an order, or why there are none; None where nobody waits any more."""
        try:
            drawn = await _unless_gone(request, order)
            if drawn is None:
                return None
            response = await asyncio.to_thread(_files, asked, drawn)
        except WspaceError as error:
            return _failure(422, str(error))
        except MemoryError:
            return _failure(503, "there is not enough memory for it: ask for less.", _retry(1))
        except Exception as error:  # a bug costs this answer, not the server
            _log.exception("%s failed", self._operation.path)
            return _failure(500, f"it failed: {type(error).__name__}: {reason(error)}")
        self._metrics.sent(order.model.entry.title, asked.format, len(drawn))
        return response


class _NoJsonError(Exception):
    """A body is no JSON."""


async def _unless_gone(request: Request, order: Order) -> list[Drawn] | None:
    """The pictures of an order; None where its client has hung up before they were there."""
    answer = asyncio.wrap_future(order.answer)
    gone = asyncio.create_task(_hang_up(request))
    try:
        both: set[asyncio.Future[Any]] = {answer, gone}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        return await answer if answer.done() else None
    finally:
        gone.cancel()
        answer.cancel()


async def _hang_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _files(asked: Asked, drawn: list[Drawn]) -> Response:
    """A picture as its file, several as a zip."""
    from wspace.rendering.pictures import PictureNames

    names = PictureNames()
    files = {
        f"{names.next(pictures.recipes[place])}.{asked.format}": pictures.file(
            place, asked.format, quality=asked.quality
        )
        for pictures, place in drawn
    }
    if not isinstance(asked, Pictures):
        ((name, content),) = files.items()
        return _file(name, content, PICTURES[asked.format])
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:  # pictures are packed
        for name, content in files.items():
            archive.writestr(name, content)
    return _file("pictures.zip", packed.getvalue(), ZIP)


def _file(name: str, content: bytes, media: str) -> Response:
    headers = _NO_STORE | {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=media, headers=headers)


async def _send_in_parts(response: Response, send: Send) -> None:
    """Send an answer so that it is over when the client has taken it, all but the last part."""
    headers = response.raw_headers
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    content = bytes(response.body)
    for start in range(0, len(content), CHUNK):
        part = content[start : start + CHUNK]
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _failure(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Why there is no picture. What was not read of the request is not waited for."""
    more = {"Connection": "close"} if status in (401, 403, 408, 413, 415) else {}
    return JSONResponse(
        to_plain(Failure(error=message)), status, headers=_NO_STORE | more | dict(headers or {})
    )


def _retry(seconds: int) -> dict[str, str]:
    return {"Retry-After": str(seconds)}


async def _no_such(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    known = ", ".join(f"{one.method} {one.path}" for one in OPERATIONS)
    return _failure(error.status_code, f"there is no such thing here: there are {known}.")


def _json(data: Any) -> _Handler:
    content = json.dumps(data, allow_nan=False).encode()

    async def answer(request: Request) -> Response:
        return Response(content, media_type=JSON)

    return answer


def _health(drawing: Drawing) -> _Handler:
    async def answer(request: Request) -> Response:
        health = Health(status="ok") if drawing.is_well else Health(status="ended")
        return JSONResponse(to_plain(health), 200 if drawing.is_well else 503, headers=_NO_STORE)

    return answer


def _metrics(metrics: Metrics) -> _Handler:
    async def answer(request: Request) -> Response:
        return Response(metrics.text(), headers=_NO_STORE | {"Content-Type": metrics.media})

    return answer
