"""Clients that flood, stall and send garbage: they cost the others nothing."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import time
from base64 import b64encode
from collections.abc import Iterator

import pytest
from studio_client import TOKEN, Page, Studio, joined
from websockets.exceptions import ConnectionClosed

from wspace.recipe.recipe import recipes
from wspace.studio.frames import MAX_ID, MAX_TEXT, BadFrameError, read_call

RECIPE = recipes(seeds=(1,))[0].to_dict()


def is_well(page: Page, studio: Studio) -> None:
    """Whether a page is answered as ever."""
    started = time.monotonic()
    page.result("render", model=studio.key(), recipes=[RECIPE])
    assert time.monotonic() - started < 5


def close_code(page: Page) -> int:
    """Reads until the other side closes; its code."""
    with pytest.raises(ConnectionClosed) as closed:
        _read_on(page)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code


def _read_on(page: Page) -> None:
    while True:
        page.take()


@contextlib.contextmanager
def raw(studio: Studio) -> Iterator[socket.socket]:
    """The bare socket of a WebSocket, shaken hands on, whose answers nobody reads."""
    with socket.create_connection(("127.0.0.1", studio.port)) as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        made.sendall(
            f"GET /engine HTTP/1.1\r\nHost: {studio.host}\r\nOrigin: http://{studio.host}\r\n"
            f"Authorization: Bearer {TOKEN}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {b64encode(os.urandom(16)).decode()}\r\n"
            "Sec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n".encode()
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += made.recv(1)
        assert answer.startswith(b"HTTP/1.1 101")
        assert b"permessage-deflate" not in answer  # a bomb could lie in it
        yield made


def text_frame(text: str) -> bytes:
    """A masked frame of the WebSocket."""
    content = text.encode()
    size = len(content)
    head = struct.pack("!BB", 0x81, 0x80 | size) if size < 126 else b""
    head = head or struct.pack("!BBH", 0x81, 0x80 | 126, size)
    return head + bytes(4) + content


GARBAGE: list[str | bytes] = [
    "",
    "hello",
    "[]",
    "null",
    "7",
    "{}",
    '{"id": 1',
    '{"call": "models"}',
    '{"id": null, "call": "models"}',
    '{"id": true, "call": "models"}',
    '{"id": 0, "call": "models"}',
    '{"id": -1, "call": "models"}',
    '{"id": 1.5, "call": "models"}',
    '{"id": 1e400, "call": "models"}',
    '{"id": "1", "call": "models"}',
    f'{{"id": {MAX_ID + 1}, "call": "models"}}',
    f'{{"id": 1{"0" * 5000}, "call": "models"}}',
    '{"id": NaN, "call": "models"}',
    '{"id": 1, "call": "render", "recipes": [NaN]}',
    '{"id": 1, "call": "render", "recipes": [-Infinity]}',
    "[" * 100_000,
    '{"id":' * 5000,
    "\x00\x01\x02",
    '{"id": 1, "call": "models"}'.encode("utf-16").decode("latin-1"),
    b"",
    b"\x00",
    b"\x00\x00\x00\x00",
    b"\xff\xff\xff\xff{}",
    b"\x00\x00\x00\x05{}",
    b"\x00\x00\x00\x02{}" + bytes(100),
    b"\x00\x00\x00\x03\xff\xfe\xfd",
    os.urandom(1000),
]


@pytest.mark.parametrize("frame", GARBAGE, ids=range(len(GARBAGE)))
def test_frames_that_are_no_calls_end_the_connection_that_sent_them(
    studio: Studio, frame: str | bytes
) -> None:
    with studio.connected() as page, studio.connected() as other:
        page.socket.send(frame)
        assert close_code(page) == 4400
        is_well(other, studio)


@pytest.mark.parametrize(
    ("head", "says"),
    [
        ({"call": None}, "call=None is no name of a call"),
        ({"call": ["models"]}, "is no name of a call"),
        ({"call": "m" * 65}, "is no name of a call"),
        ({"call": "__init__"}, "is none that this version answers"),
        ({"call": "models", "slot": 7}, "slot=7 is no short text"),
        ({"call": "models", "slot": "s" * 65}, "is no short text"),
        ({"call": "models", "payload": "x"}, "models knows no 'payload'"),
        ({"call": "open", "model": "a" * 1000}, "model is no text of at most 100 characters"),
        ({"call": "open", "model": {"key": "a"}}, "model={'key': 'a'}"),
        ({"call": "open", "model": 10**400}, "model=a huge number"),
        ({"call": "render", "model": "m", "recipes": [[[[]]]]}, "recipe is list"),
        ({"call": "render", "model": "m", "recipes": [{"version": 10**30}]}, "is newer"),
        ({"call": "neighbours", "model": "m", "recipe": RECIPE, "step": 1e308}, "step=1e+308 is"),
    ],
)
def test_calls_that_have_an_id_are_answered_with_what_is_wrong(
    open_page: Page, studio: Studio, head: dict[str, object], says: str
) -> None:
    open_page.socket.send(json.dumps({"id": 1} | head))
    open_page.last = 1
    answer = open_page.wait(1).head
    assert answer["kind"] == "error"
    assert says in answer["message"]
    assert len(answer["message"]) < 500
    is_well(open_page, studio)


@pytest.mark.parametrize(
    "changes",
    [
        {"psi": [0.5] * 257},
        {"cutoff": 10**20},
        {"sources": []},
        {"sources": [{"seed": 2**32}]},
        {"sources": [{"seed": 1, "w": [0.0] * 8}]},
        {"sources": [{"w": [1e39] * 8}]},
        {"sources": [{"w": [0.0] * 65537}]},
        {"sources": [{"seed": 1}] * 257, "layer_sources": [0] * 6},
        {"layer_sources": [5] * 6},
        {"edits": [{"direction": [0.0] * 8}] * 65, "version": 2},
        {"edits": [{"direction": [0.0] * 7}], "version": 2},
        {"edits": [{"direction": [0.0] * 8, "strength": 1e6}], "version": 2},
        {"noise": {"mode": "loud"}},
        {"noise": {"mode": ["const"] * 5}},
        {"noise": {"strength": -1}},
        {"precision": "fp8"},
        {"model": {"name": "../../x", "sha256": "0" * 64}},
        {"extra": 1},
    ],
)
def test_recipes_that_cannot_be_are_answered_in_a_line(
    open_page: Page, studio: Studio, changes: dict[str, object]
) -> None:
    says = open_page.error("render", model=studio.key(), recipes=[RECIPE | changes])
    assert len(says) < 500
    is_well(open_page, studio)


def test_numbers_that_json_allows_and_nobody_can_hold_are_refused(
    open_page: Page, studio: Studio
) -> None:
    for number in ("1e999", "-1e999", "1" + "0" * 400):
        open_page.last += 1
        text = json.dumps({"id": open_page.last, "call": "render", "model": studio.key()})
        recipe = json.dumps(RECIPE).replace('"psi": 1.0', f'"psi": {number}')
        open_page.socket.send(f'{text[:-1]}, "recipes": [{recipe}]}}')
        assert "psi=" in open_page.wait(open_page.last).head["message"]
    is_well(open_page, studio)


def test_numbers_of_calls_count_up(studio: Studio) -> None:
    for first, second in ((1, 1), (5, 4), (MAX_ID, 1)):
        with studio.connected() as page:
            for number in (first, second):
                page.socket.send(json.dumps({"id": number, "call": "models"}))
            assert close_code(page) == 4400


def test_frames_that_are_too_long_are_refused() -> None:
    long = '{"id": 1, "call": "render", "x": "' + "x" * MAX_TEXT + '"}'
    with pytest.raises(BadFrameError, match="longer than 4194304 bytes"):
        read_call(long)
    with pytest.raises(BadFrameError, match="longer than 4194304 bytes"):
        read_call('{"id": 1, "call": "render", "x": "' + "é" * (MAX_TEXT // 2) + '"}')
    with pytest.raises(BadFrameError, match="head would have"):
        read_call(joined({"id": 1, "call": "x" * MAX_TEXT}, b""))
    assert read_call(joined({"id": 1, "call": "invert"}, b"x" * MAX_TEXT)).payload


def test_a_frame_that_announces_too_much_ends_before_it_comes(studio: Studio) -> None:
    other = studio.open_page()
    with raw(studio) as made:
        made.sendall(struct.pack("!BBQ", 0x82, 0x80 | 127, 2**40) + bytes(4))
        made.settimeout(10)
        assert made.recv(4)[:1] == b"\x88"  # close
    is_well(other, studio)


def test_half_a_frame_keeps_nobody_waiting(studio: Studio) -> None:
    other = studio.open_page()
    whole = text_frame(json.dumps({"id": 1, "call": "models"}))
    with raw(studio) as made, raw(studio) as second:
        made.sendall(whole[:9])
        second.sendall(struct.pack("!BBQ", 0x82, 0x80 | 127, 60 * 2**20) + bytes(4 + 2**20))
        for _ in range(3):
            is_well(other, studio)
        made.sendall(whole[9:])
        made.settimeout(10)
        assert made.recv(2)[:1] == b"\x82"  # it is answered all the same


def test_more_calls_than_can_wait_are_answered_busy(open_page: Page, studio: Studio) -> None:
    blocker = open_page.send("walk", model=studio.key(), recipes=[RECIPE] * 2, frames=1000)
    numbers = [
        open_page.send("deviation", model=studio.key(), recipe=RECIPE, count=8) for _ in range(100)
    ]
    open_page.send("stop", target=blocker)
    kinds: dict[int, str] = {}
    messages = set()
    while len(kinds) < 100:
        head, _ = open_page.take()
        if head["kind"] != "progress" and head["id"] in numbers:
            kinds[head["id"]] = head["kind"]
            messages.add(head.get("message", "")[:5])
    busy = [number for number in numbers if kinds[number] == "error"]
    assert len(busy) >= 100 - 64 - 8
    assert "busy:" in messages
    assert numbers[0] not in busy
    is_well(open_page, studio)


def test_newer_calls_of_a_slot_take_the_place_of_those_that_wait(
    open_page: Page, studio: Studio
) -> None:
    numbers = [
        open_page.send("render", model=studio.key(), recipes=[RECIPE] * 64, slot="main")
        for _ in range(20)
    ]
    other = open_page.send("render", model=studio.key(), recipes=[RECIPE], slot="other")
    none = open_page.send("render", model=studio.key(), recipes=[RECIPE], slot=None)
    kinds = {}
    while len(kinds) < 22:
        head, _ = open_page.take()
        if head["kind"] != "progress":
            kinds[head["id"]] = head["kind"]
    assert kinds[numbers[-1]] == kinds[other] == kinds[none] == "result"
    assert set(kinds.values()) == {"result", "dropped"}
    assert [kinds[number] for number in numbers].count("dropped") >= 10


def test_slots_of_pages_are_their_own(studio: Studio) -> None:
    first, second = studio.open_page(), studio.open_page()
    arguments = {"model": studio.key(), "recipes": [RECIPE] * 64, "slot": "main"}
    one, two = first.send("render", **arguments), second.send("render", **arguments)
    assert first.wait(one).head["kind"] == second.wait(two).head["kind"] == "result"


def test_a_client_that_floods_costs_the_others_nothing(studio: Studio) -> None:
    other = studio.open_page()
    is_well(other, studio)
    call = {"call": "render", "model": studio.key(), "recipes": [RECIPE] * 64}
    with raw(studio) as flooding:
        flooding.setblocking(False)
        sent = 0
        deadline = time.monotonic() + 3
        number = 0
        answered = 0
        pending = b""
        while time.monotonic() < deadline:
            with contextlib.suppress(BlockingIOError, ConnectionError):
                while time.monotonic() < deadline:
                    if not pending:
                        number += 1
                        pending = text_frame(json.dumps({"id": number} | call))
                    taken = flooding.send(pending)
                    sent += taken
                    pending = pending[taken:]
                    if number % 50 == 0:
                        break
            is_well(other, studio)
            answered += 1
        assert sent > 2**16
        assert answered >= 5


def test_a_client_that_floods_with_garbage_that_has_numbers_is_held_back(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its errors are not kept without end: nothing more is read of who does not read them."""
    other = studio.open_page()
    with raw(studio) as flooding:
        flooding.settimeout(1.5)
        number = 0
        with contextlib.suppress(OSError):
            while number < 300_000:
                some = range(number + 1, number + 501)
                flooding.sendall(b"".join(text_frame(f'{{"id":{k},"call":"x"}}') for k in some))
                number += 500
        assert number < 300_000
        is_well(other, studio)


def test_who_does_not_read_answers_is_let_go(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wspace.studio.connection.SEND_SECONDS", 0.5)
    other = studio.open_page()
    call = {"call": "render", "model": studio.key(), "recipes": [RECIPE] * 64}
    with raw(studio) as made:
        for number in range(1, 65):
            made.sendall(text_frame(json.dumps({"id": number} | call)[:65000]))
        made.settimeout(30)
        for _ in range(200):
            is_well(other, studio)
            if len(studio.turns.clients) == 1:
                break
            time.sleep(0.05)
        assert len(studio.turns.clients) == 1


def test_json_counts_among_what_waits(
    open_page: Page, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wspace.studio.connection.MOST_WAITING_BYTES", 2**20)
    long = RECIPE | {"sources": [{"w": [0.123456789] * 40_000}]}  # half a MiB
    assert "busy" in open_page.error("render", model=studio.key(), recipes=[long])
    is_well(open_page, studio)
    monkeypatch.setattr("wspace.studio.connection.MOST_WAITING_BYTES", 2**22)
    assert "40000 numbers" in open_page.error("render", model=studio.key(), recipes=[long])


def test_uploads_that_wait_are_bounded_together(
    open_page: Page, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wspace.studio.connection.MOST_WAITING_BYTES", 2**20)
    numbers = [
        open_page.send("invert", bytes(400_000), model=studio.key(), seconds=1) for _ in range(20)
    ]
    messages = {}
    while len(messages) < 20:
        head, _ = open_page.take()
        messages[head["id"]] = head["message"]
    assert any("busy" in messages[number] for number in numbers)
    assert "no picture" in messages[numbers[0]]
    is_well(open_page, studio)
