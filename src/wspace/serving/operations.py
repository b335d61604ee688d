"""What programs can ask for: each operation by its path, with what goes in and what comes out.

The server's routes and its OpenAPI document are both made of this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wspace.serving.arguments import Failure, Health, Models, Picture, Pictures

__all__ = ["OPERATIONS", "Operation", "Reply"]

JSON, TEXT, ZIP = "application/json", "text/plain", "application/zip"
PICTURES = {"png": "image/png", "webp": "image/webp"}


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One of the answers to an operation.

    Attributes:
        about: when it comes.
        media: types of what it may hold.
        schema: of its JSON; None where it is something else.
        retry: whether it says with ``Retry-After`` when to ask again.
    """

    about: str
    media: tuple[str, ...]
    schema: type | None = None
    retry: bool = False


@dataclass(frozen=True, kw_only=True)
class Operation:
    """Something to ask for.

    Attributes:
        name: of the operation.
        path: where.
        method: GET or POST.
        about: what it does, a line.
        more: likewise, at length.
        takes: a dataclass that the body gives as JSON; None: there is no body.
        replies: by their status.
        is_open: whether it needs no token.
    """

    name: str
    path: str
    method: str
    about: str
    replies: Mapping[int, Reply]
    more: str = ""
    takes: type | None = None
    is_open: bool = False


def _failure(about: str, *, retry: bool = False) -> Reply:
    return Reply(about=about, media=(JSON,), schema=Failure, retry=retry)


_CLOSED = {
    401: _failure("The token is missing or wrong."),
    403: _failure("The Host or Origin of the request is not the server's own."),
}
_DRAWING = _CLOSED | {
    400: _failure("The body is no JSON."),
    408: _failure("The body did not come in time."),
    413: _failure("The body is too long."),
    415: _failure("The body is not said to be application/json."),
    422: _failure("There is no such model, or what is asked for is none that it can draw."),
    429: _failure("Too much waits already.", retry=True),
    500: _failure("A fault of the server."),
    503: _failure("The server draws no more, or is short of memory.", retry=True),
}

OPERATIONS = (
    Operation(
        name="draw",
        path="/picture",
        method="POST",
        about="Draw a picture.",
        takes=Picture,
        replies={200: Reply(about="The file.", media=tuple(PICTURES.values()))} | _DRAWING,
        more="The file carries the recipe, with all that was left out of it filled in, and which "
        "model drew it. `wspace show` prints that, `wspace reproduce` draws it again.",
    ),
    Operation(
        name="drawTogether",
        path="/pictures",
        method="POST",
        about="Draw several pictures.",
        takes=Pictures,
        replies={200: Reply(about="A zip of the files, in order.", media=(ZIP,))} | _DRAWING,
        more="The files are named after their seeds, as `wspace generate` names them.",
    ),
    Operation(
        name="models",
        path="/models",
        method="GET",
        about="The models that are served, and what a recipe for them has to know.",
        replies={200: Reply(about="The models.", media=(JSON,), schema=Models)} | _CLOSED,
    ),
    Operation(
        name="health",
        path="/health",
        method="GET",
        about="Whether the server draws.",
        replies={
            200: Reply(about="It does.", media=(JSON,), schema=Health),
            403: _CLOSED[403],
            503: Reply(about="It draws no more.", media=(JSON,), schema=Health),
        },
        is_open=True,
    ),
    Operation(
        name="metrics",
        path="/metrics",
        method="GET",
        about="How much was asked for, drawn and refused, and how long it took, for Prometheus.",
        replies={200: Reply(about="Metrics as text.", media=(TEXT,))} | _CLOSED,
    ),
    Operation(
        name="document",
        path="/openapi.json",
        method="GET",
        about="This document.",
        replies={200: Reply(about="The document.", media=(JSON,))} | _CLOSED,
    ),
)
