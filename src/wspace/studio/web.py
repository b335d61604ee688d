"""The studio over HTTP: the page, its files and the WebSocket, behind one door.

Every request passes `Door`: it looks at ``Host``, ``Origin``, cookie and token, and tells browsers
what the page may do. What can be fetched is a table that is made at the start.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from importlib import resources
from pathlib import Path
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from wspace.errors import WspaceError
from wspace.serving.messages import LateBodyError, LongBodyError, read_body, with_headers
from wspace.studio.access import COOKIE_SECONDS, Access
from wspace.studio.calls import Calls
from wspace.studio.connection import Connection
from wspace.studio.turns import Turns

__all__ = ["PAGE", "make_app", "page_files"]

PAGE = Path(str(resources.files("wspace"))) / "studio" / "page"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/vnd.microsoft.icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
MOST_CONNECTIONS = 48  # WebSockets at a time
MAX_FORM, FORM_SECONDS = 4096, 10.0  # bytes of a password's form; how long it may take
NOT_ALLOWED, TOO_MANY = 4403, 4429  # close codes
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src blob:; connect-src 'self'; manifest-src 'self'; base-uri 'none'; "
    "form-action {forms}; frame-ancestors 'none'"
)
_CLOSED = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>wspace studio</title>{again}
<h1>wspace studio</h1>
<p>Open the address that <code>wspace studio</code> has printed: it lets this browser in.</p>
{form}</html>
"""
_AGAIN = '<meta http-equiv="refresh" content="0; url=/">'
_FORM = """<form method="post" action="/login"><p>Or give the password:
<label>Password <input type="password" name="password" autocomplete="current-password" required>
</label> <button>Come in</button></p></form>
"""

_Handler = Callable[[Request], Awaitable[Response]]


def page_files(folder: Path) -> dict[str, Path]:
    """The files of the page by the path that they are fetched under, such as "/page/main.js"."""
    return {
        f"/page/{path.relative_to(folder).as_posix()}": path
        for path in sorted(folder.rglob("*"))
        if path.suffix in TYPES and path.is_file()
    }


def make_app(access: Access, calls: Calls, turns: Turns, *, page: Path = PAGE) -> ASGIApp:
    """The whole studio as an application.

    Args:
        access: who may come in.
        calls: what can be asked for.
        turns: what is done next.
        page: folder of index.html and all that it fetches.

    Raises:
        WspaceError: the page is missing.
    """
    files = page_files(page)
    index = page / "index.html"
    if not index.is_file():
        raise WspaceError(f"the studio's page is missing ({index}): install wspace again.")
    routes = [
        Route("/", _index(access, index), methods=["GET"]),
        Route("/login", _login(access), methods=["POST"]),
        WebSocketRoute("/engine", _Engine(calls, turns)),
        *(Route(path, _file(files[path]), methods=["GET"]) for path in files),
    ]
    app = Starlette(routes=routes)
    app.router.redirect_slashes = False
    return Door(app, access)


class Door:
    """Lets in who may come in, and says to browsers what a page may do."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, with_headers(send, _POLICY.format(forms="'none'")))
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:  # the server's start and end
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer: ASGIApp = self._app
        if not self._access.hosts.is_asked(scope):
            answer = Response("this is not the address of the studio\n", 403)
        elif scope["path"] == "/login":
            if not (self._access.has_password and self._access.hosts.is_asked_by_own_page(scope)):
                answer = _closed_page(self._access)
        elif not (_lets_in(self._access, scope) or self._has_token(scope)):
            answer = _closed_page(self._access, again=_comes_from_elsewhere(scope))
        await answer(scope, receive, send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket = WebSocket(scope, receive, send)
        hosts = self._access.hosts
        if not (hosts.is_asked(scope) and hosts.is_asked_by_own_page(scope)):
            await socket.close(NOT_ALLOWED)  # answered 403
        elif not _lets_in(self._access, scope):
            # A page of ours whose cookie is too old should know why.
            await socket.accept()
            await socket.close(NOT_ALLOWED, "open the address that wspace studio has printed")
        else:
            await self._app(scope, receive, send)

    def _has_token(self, scope: Scope) -> bool:
        return scope["path"] == "/" and _given_token(scope) is not None


class _Engine:
    """The WebSocket: a connection for each open page, no more than there is room for."""

    def __init__(self, calls: Calls, turns: Turns) -> None:
        self._calls, self._turns = calls, turns
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket = WebSocket(scope, receive, send)
        await socket.accept()
        if self._open >= MOST_CONNECTIONS:
            await socket.close(TOO_MANY, f"{MOST_CONNECTIONS} pages are open: close one")
            return
        self._open += 1
        try:
            await Connection(socket, self._calls, self._turns).serve()
        finally:
            self._open -= 1


def _index(access: Access, index: Path) -> _Handler:
    async def answer(request: Request) -> Response:
        token = _given_token(request.scope)
        if token is None:
            content = index.read_bytes()
            return HTMLResponse(content, headers={"Cache-Control": "no-store"})
        if access.is_token(token) or access.take_token_for_once(token):
            return _let_in(access)
        # The address of an earlier start, from somebody who has been let in since.
        known = _lets_in(access, request.scope)
        return RedirectResponse("/", 303) if known else _closed_page(access)

    return answer


def _login(access: Access) -> _Handler:
    async def answer(request: Request) -> Response:
        try:
            body = await read_body(request, most=MAX_FORM, seconds=FORM_SECONDS)
        except LongBodyError:
            return Response("the form is too long\n", 413)
        except LateBodyError:
            return Response("the form did not come\n", 408)
        given = parse_qs(body.decode(errors="replace")).get("password", [""])[0]
        return _let_in(access) if access.is_password(given) else _closed_page(access)

    return answer


def _let_in(access: Access) -> Response:
    response = RedirectResponse("/", 303, headers={"Cache-Control": "no-store"})
    response.set_cookie(
        access.cookie,
        access.new_cookie(),
        max_age=COOKIE_SECONDS,
        httponly=True,
        samesite="strict",
    )
    return response


def _comes_from_elsewhere(scope: Scope) -> bool:
    """Whether a link on another site's page has led to the page.

    Browsers then leave out a cookie that is `SameSite=Strict`, also after the address with the
    token, which has led on to here.
    """
    headers = Headers(scope=scope)
    from_elsewhere = headers.get("sec-fetch-site") in ("cross-site", "same-site")
    return from_elsewhere and headers.get("sec-fetch-mode") == "navigate" and scope["path"] == "/"


def _closed_page(access: Access, *, again: bool = False) -> Response:
    """What is shown to who is not in; ``again``: the page asks once more, by itself."""
    form = _FORM if access.has_password else ""
    headers = {"Cache-Control": "no-store"}
    if form:
        headers["Content-Security-Policy"] = _POLICY.format(forms="'self'")
    return HTMLResponse(
        _CLOSED.format(form=form, again=_AGAIN if again else ""), 403, headers=headers
    )


def _file(path: Path) -> _Handler:
    async def answer(request: Request) -> Response:
        content = path.read_bytes()
        tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        headers = {"ETag": tag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == tag:
            return Response(None, 304, headers=headers)
        return Response(content, media_type=TYPES[path.suffix], headers=headers)

    return answer


def _lets_in(access: Access, scope: Scope) -> bool:
    request = HTTPConnection(scope)
    return access.lets_in(request.cookies, request.headers.get("authorization", ""))


def _given_token(scope: Scope) -> str | None:
    """The token in an address; None where it has none."""
    given = parse_qs(scope["query_string"].decode("latin-1")).get("token")
    return given[0] if given else None
