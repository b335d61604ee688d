"""One open page: its frames become work, its answers become frames, within bounds."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Mapping

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from wspace.errors import WspaceError, reason
from wspace.studio.calls import Calls
from wspace.studio.frames import MAX_BINARY, MAX_TEXT, Answer, BadFrameError, Call, Kind, read_call
from wspace.studio.turns import StoppedError, Turns, Work

__all__ = ["Connection"]

NOTHING = Answer()
_log = logging.getLogger(__name__)

SEND_SECONDS = 30.0  # that a reader may take for a frame
FRAMES_A_SECOND, BYTES_A_SECOND = 200, 16 * 2**20  # that are read of a page for long
BURST_SECONDS = 2.0  # of them that are read at once
READ_JSON = 4  # times its length, about, is what JSON takes that has been read
MOST_WAITING_BYTES = MAX_BINARY + READ_JSON * MAX_TEXT  # of the calls of a page that wait
MOST_UNREAD = 256  # answers; nothing more is read of a page that does not take them
BAD_FRAME, GONE_SLOW = 4400, 4408  # close codes


class Connection:
    """One WebSocket, accepted already."""

    def __init__(self, socket: WebSocket, calls: Calls, turns: Turns) -> None:
        self._socket, self._calls = socket, calls
        self._client = turns.new_client()
        self._loop = asyncio.get_running_loop()
        self._outgoing: deque[bytes] = deque()
        self._something, self._room = asyncio.Event(), asyncio.Event()
        self._last_id = 0

    async def serve(self) -> None:
        """Read and answer until one side has enough."""
        tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                await task
        except WebSocketDisconnect:
            pass
        except BadFrameError as error:
            await self._close(BAD_FRAME, str(error))
        except TimeoutError:
            await self._close(GONE_SLOW, "answers were not read")
        finally:
            for task in tasks:
                task.cancel()
            self._client.leave()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _close(self, code: int, why: str) -> None:
        """Say why it ends, where the other side still listens."""
        if self._socket.application_state != WebSocketState.DISCONNECTED:
            with contextlib.suppress(RuntimeError, WebSocketDisconnect, TimeoutError):
                async with asyncio.timeout(1):
                    await self._socket.close(code, why.encode()[:120].decode(errors="ignore"))

    async def _read(self) -> None:
        pace = _Pace()
        while True:
            while len(self._outgoing) >= MOST_UNREAD:
                self._room.clear()
                await self._room.wait()
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1005))
            frame = message.get("text")
            frame = message.get("bytes", b"") if frame is None else frame
            await pace.wait(len(frame))
            try:
                call = read_call(frame)
            except BadFrameError as error:
                if error.id is None:
                    raise
                self._send(error.id, "error", _message(str(error)))
                continue
            self._take(call, len(frame) - len(call.payload))

    def _take(self, call: Call, json_bytes: int) -> None:
        """Have a call done when it is its turn."""
        if call.id <= self._last_id:
            message = f"id={call.id} is not above {self._last_id}, the last one: count up."
            raise BadFrameError(message)
        self._last_id = call.id
        if call.name == "stop":
            self._stop(call)
            return
        try:
            long = self._calls.check(call)
        except WspaceError as error:
            self._send(call.id, "error", _message(str(error)))
            return
        work = Work(
            call.id,
            lambda work: self._do(call, work),
            slot=call.slot,
            long=long,
            size=len(call.payload) + READ_JSON * json_bytes,
            drop=lambda: self._send(call.id, "dropped"),
        )
        fits = self._client.waiting_bytes + work.size <= MOST_WAITING_BYTES
        if not fits or not self._client.add(work):
            busy = "busy: too much waits already: wait for answers, then ask again."
            self._send(call.id, "error", _message(busy))

    def _stop(self, call: Call) -> None:
        target = call.arguments.get("target")
        found = type(target) is int and self._client.stop(target)
        self._send(call.id, "result", Answer(facts={"found": found}))

    def _do(self, call: Call, work: Work) -> None:
        """Answer a call, whatever happens; in the thread of its work."""
        try:
            self._answer(call, work)
        except WspaceError as error:
            self._send(call.id, "error", _message(str(error)))
        except MemoryError:
            text = "there is not enough memory for it: ask for less."
            self._send(call.id, "error", _message(text))
        except Exception as error:  # a bug costs this answer, not the server
            _log.exception("%s failed", call.name)
            text = f"{call.name} failed: {type(error).__name__}: {reason(error)}"
            self._send(call.id, "error", _message(text))

    def _answer(self, call: Call, work: Work) -> None:
        newest = NOTHING

        def progress(answer: Answer) -> None:
            nonlocal newest
            newest = answer
            self._send(call.id, "progress", answer)
            work.pause()

        try:
            answer = self._calls.do(call, progress)
        except StoppedError:
            answer = newest
        self._send(call.id, "stopped" if work.is_stopped else "result", answer)

    def _send(self, number: int, kind: Kind, answer: Answer = NOTHING) -> None:
        """Put an answer behind those that are to be sent; from any thread."""
        frame = answer.frame(number, kind)
        self._client.lies_behind(len(frame))
        self._outgoing.append(frame)
        with contextlib.suppress(RuntimeError):  # the server has ended
            self._loop.call_soon_threadsafe(self._something.set)

    async def _write(self) -> None:
        while True:
            await self._something.wait()
            self._something.clear()
            while self._outgoing:
                frame = self._outgoing.popleft()
                async with asyncio.timeout(SEND_SECONDS):
                    await self._socket.send_bytes(frame)
                self._client.lies_behind(-len(frame))
                if len(self._outgoing) < MOST_UNREAD:
                    self._room.set()


def _message(text: str) -> Answer:
    return Answer(facts={"message": text})


class _Pace:
    """Has a page that sends without end wait, so that reading it leaves time for the others."""

    def __init__(self) -> None:
        self._left = {"frames": BURST_SECONDS * FRAMES_A_SECOND, "bytes": 2.0 * MAX_BINARY}
        self._most = dict(self._left)
        self._rates: Mapping[str, float] = {"frames": FRAMES_A_SECOND, "bytes": BYTES_A_SECOND}
        self._at = time.monotonic()

    async def wait(self, size: int) -> None:
        """Count a frame; wait as long as it came too early."""
        now = time.monotonic()
        for name, rate in self._rates.items():
            grown = self._left[name] + rate * (now - self._at)
            self._left[name] = min(grown, self._most[name]) - (1 if name == "frames" else size)
        self._at = now
        lacking = max(-self._left[name] / rate for name, rate in self._rates.items())
        if lacking > 0:
            await asyncio.sleep(lacking)
