"""Frames of the WebSocket: calls as they come in, answers as they go out; see docs/studio.md."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from wspace.errors import WspaceError, shown
from wspace.recipe.recipe import parse_json

__all__ = ["MAX_BINARY", "MAX_TEXT", "Answer", "BadFrameError", "Call", "Kind", "read_call"]

MAX_TEXT = 4 * 2**20  # bytes of a call's JSON
MAX_BINARY = 64 * 2**20  # bytes of a frame with a payload
MAX_ID = 2**53 - 1  # the largest whole number that JavaScript counts to
MAX_NAME = 64  # characters of a call's name and slot

Kind = Literal["result", "progress", "error", "dropped", "stopped"]


class BadFrameError(WspaceError):
    """A frame that is no call.

    Attributes:
        id: that it gave itself, so that it can be answered; None where it gave none.
    """

    def __init__(self, message: str, number: int | None = None) -> None:
        super().__init__(message)
        self.id = number


@dataclass(frozen=True, kw_only=True)
class Call:
    """What a page asks for.

    Attributes:
        id: counts up from 1.
        name: of the call.
        slot: newer calls of the same slot take the place of those that wait; None: none do.
        arguments: JSON of a stranger.
        payload: bytes that came with it.
    """

    id: int
    name: str
    slot: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    payload: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a call is answered with: facts for the head of the frame, and bytes behind it."""

    facts: Mapping[str, Any] = field(default_factory=dict)
    payload: bytes = b""

    def frame(self, number: int, kind: Kind) -> bytes:
        """The binary frame: the head's length, the head as JSON, the payload."""
        facts = dict(self.facts) | {"id": number, "kind": kind}
        head = json.dumps(facts, allow_nan=False, separators=(",", ":")).encode()
        return b"".join([struct.pack(">I", len(head)), head, self.payload])


def read_call(frame: str | bytes) -> Call:
    """The call that a frame holds: a text is JSON, bytes are JSON with a payload behind.

    Raises:
        BadFrameError: it is none.
    """
    if isinstance(frame, str):
        # A text of four bytes a character is four times as long.
        if len(frame) > MAX_TEXT or (len(frame) > MAX_TEXT // 4 and len(frame.encode()) > MAX_TEXT):
            raise BadFrameError(f"the frame is longer than {MAX_TEXT} bytes: ask for less at once.")
        return _call(frame, b"")
    if len(frame) > MAX_BINARY:
        raise BadFrameError(f"the frame is longer than {MAX_BINARY} bytes: send less.")
    if len(frame) < 4:
        raise BadFrameError("the frame has no head: send its length in 4 bytes, JSON, a payload.")
    (size,) = struct.unpack(">I", frame[:4])
    if size > min(MAX_TEXT, len(frame) - 4):
        raise BadFrameError(f"the frame's head would have {size} bytes: it does not fit.")
    return _call(frame[4 : 4 + size], frame[4 + size :])


def _call(text: str | bytes, payload: bytes) -> Call:
    try:
        data = parse_json(text, "the frame")
    except WspaceError as error:
        raise BadFrameError(str(error)) from None
    if not isinstance(data, dict):
        raise BadFrameError("the frame is no JSON object: send a call.")
    number = data.pop("id", None)
    if type(number) is not int or not 1 <= number <= MAX_ID:
        raise BadFrameError(f"id={shown(number)} is no whole number from 1 to {MAX_ID}.")
    name, slot = data.pop("call", None), data.pop("slot", None)
    if not isinstance(name, str) or len(name) > MAX_NAME:
        raise BadFrameError(f"call={shown(name)} is no name of a call.", number)
    if slot is not None and not (isinstance(slot, str) and len(slot) <= MAX_NAME):
        raise BadFrameError(f"slot={shown(slot)} is no short text.", number)
    return Call(id=number, name=name, slot=slot, arguments=data, payload=payload)
