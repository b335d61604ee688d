"""A studio to ask, as a page asks it."""

from __future__ import annotations

import contextlib
import json
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from local_server import LocalServer
from websockets.sync.client import ClientConnection, connect

from wspace.serving.server import Server
from wspace.serving.shelf import Shelf
from wspace.studio.access import Access
from wspace.studio.calls import Calls
from wspace.studio.frames import MAX_BINARY
from wspace.studio.serve import GOODBYE_SECONDS
from wspace.studio.turns import Turns
from wspace.studio.web import make_app

TOKEN = "a-token-of-the-tests"
FILES = {
    "index.html": "<!doctype html><title>studio</title>",
    "main.js": "export {};\n",
    "parts/style.css": ":root { }\n",
    "notes.md": "not for browsers",
}


def make_page(folder: Path) -> Path:
    """A page that shows nothing."""
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


class Answers:
    """What a call was answered with.

    Attributes:
        head: of the last frame.
        payload: likewise.
        progress: heads and payloads of those before it.
    """

    def __init__(self) -> None:
        self.head: dict[str, Any] = {}
        self.payload = b""
        self.progress: list[tuple[dict[str, Any], bytes]] = []

    @property
    def pixels(self) -> npt.NDArray[np.uint8]:
        """(N, H, W, 4) of the last frame."""
        return pixels_of(self.head, self.payload)


def pixels_of(head: dict[str, Any], payload: bytes) -> npt.NDArray[np.uint8]:
    """The pictures of an answer, (N, H, W, 4)."""
    images = head["images"]
    shape = (images["count"], images["height"], images["width"], 4)
    return np.frombuffer(payload, dtype=np.uint8).reshape(shape)


def split(frame: bytes) -> tuple[dict[str, Any], bytes]:
    """Head and payload of an answer."""
    (size,) = struct.unpack(">I", frame[:4])
    return json.loads(frame[4 : 4 + size]), frame[4 + size :]


def joined(head: Any, payload: bytes) -> bytes:
    """A frame with a payload."""
    text = json.dumps(head).encode()
    return struct.pack(">I", len(text)) + text + payload


class Page:
    """A page that is open: sends calls, waits for answers."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.last = 0

    def send(self, call: str, payload: bytes | None = None, /, **arguments: Any) -> int:
        """Send a call; its number."""
        self.last += 1
        head = {"id": self.last, "call": call} | arguments
        self.socket.send(json.dumps(head) if payload is None else joined(head, payload))
        return self.last

    def take(self) -> tuple[dict[str, Any], bytes]:
        """The next frame."""
        frame = self.socket.recv(timeout=60)
        assert isinstance(frame, bytes)
        return split(frame)

    def wait(self, number: int) -> Answers:
        """Take frames until a call is answered; what others are answered is passed over."""
        found = Answers()
        while True:
            head, payload = self.take()
            if head["id"] != number:
                continue
            if head["kind"] != "progress":
                found.head, found.payload = head, payload
                return found
            found.progress.append((head, payload))

    def ask(self, call: str, payload: bytes | None = None, /, **arguments: Any) -> Answers:
        """Send a call and wait for its answer."""
        return self.wait(self.send(call, payload, **arguments))

    def result(self, call: str, payload: bytes | None = None, /, **arguments: Any) -> Answers:
        """As `ask`; the call must succeed."""
        found = self.ask(call, payload, **arguments)
        assert found.head["kind"] == "result", found.head
        return found

    def error(self, call: str, payload: bytes | None = None, /, **arguments: Any) -> str:
        """As `ask`; the call must fail, with one line."""
        found = self.ask(call, payload, **arguments)
        assert found.head["kind"] == "error", found.head
        message = found.head["message"]
        assert isinstance(message, str)
        assert message
        assert "\n" not in message
        return message


class Studio(LocalServer):
    """A studio in this process, reached over sockets of loopback."""

    path = "/"

    def __init__(self, page: Path, models: Sequence[Path], **access: Any) -> None:
        super().__init__(TOKEN)
        self.access = Access(self.port, token=TOKEN, **access)
        self.turns = Turns()
        self.shelf = Shelf([str(path) for path in models], "cpu")
        app = make_app(self.access, Calls(self.shelf), self.turns, page=page)
        self.server = Server(app, goodbye_seconds=GOODBYE_SECONDS, frame_bytes=MAX_BINARY)
        self._stack = contextlib.ExitStack()

    def __exit__(self, *raised: object) -> None:
        self._stack.close()
        super().__exit__(*raised)
        self.turns.end()

    @contextlib.contextmanager
    def connected(self, **headers: str) -> Iterator[Page]:
        """A page that is open in the block; headers are added to those that let it in."""
        known = {"Origin": f"http://{self.host}", "Authorization": f"Bearer {TOKEN}"} | headers
        with connect(
            f"ws://{self.host}/engine",
            additional_headers={name: value for name, value in known.items() if value},
            max_size=2**28,
            compression=None,
        ) as socket:
            yield Page(socket)

    def open_page(self) -> Page:
        """A page that is open until the studio ends."""
        return self._stack.enter_context(self.connected())

    def key(self, number: int = 0) -> str:
        """The key of the model that was given as that one."""
        key = self.shelf.listed()[number]["key"]
        assert isinstance(key, str)
        return key
