"""The OpenAPI document of the server, made of its operations."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from wspace.serving.operations import JSON, OPERATIONS, Operation, Reply
from wspace.serving.schema import reference, schemas_of

__all__ = ["document"]

_ABOUT = (
    "Recipes in, pictures out. A recipe says all that makes a picture: seeds or w, which layer "
    "takes which of them, truncation, noise and edits of every layer; what it leaves out has its "
    "default. Every picture carries its recipe."
)


def document(*, with_token: bool, operations: Iterable[Operation] = OPERATIONS) -> dict[str, Any]:
    """The document, OpenAPI 3.1.

    Args:
        with_token: whether requests need one.
        operations: that there are.
    """
    paths: dict[str, dict[str, Any]] = {}
    kinds: list[type] = []
    for one in operations:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, with_token)
        kinds += [one.takes] if one.takes is not None else []
        kinds += [reply.schema for reply in one.replies.values() if reply.schema is not None]
    components: dict[str, Any] = {"schemas": schemas_of(*kinds)}
    if with_token:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "wspace serve",
            "version": version("wspace"),
            "description": _ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": paths,
        "components": components,
    }


def _operation(one: Operation, with_token: bool) -> dict[str, Any]:
    said: dict[str, Any] = {"operationId": one.name, "summary": one.about}
    if one.more:
        said["description"] = one.more
    if one.takes is not None:
        said["requestBody"] = {
            "required": True,
            "content": {JSON: {"schema": reference(one.takes)}},
        }
    said["security"] = [{"token": []}] if with_token and not one.is_open else []
    said["responses"] = {
        str(status): _reply(reply)
        for status, reply in sorted(one.replies.items())
        if status != 401 or with_token
    }
    return said


def _reply(reply: Reply) -> dict[str, Any]:
    schema = {} if reply.schema is None else {"schema": reference(reply.schema)}
    said: dict[str, Any] = {
        "description": reply.about,
        "content": dict.fromkeys(reply.media, schema),
    }
    if reply.retry:
        said["headers"] = {
            "Retry-After": {
                "description": "Seconds after which to ask again.",
                "schema": {"type": "integer", "minimum": 1},
            }
        }
    return said
