"""Writing films: mp4, webp, gif or a folder of PNGs, playable also when they are cut short."""

from __future__ import annotations

import contextlib
import queue
import threading
import warnings
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from wspace.errors import WspaceError, WspaceWarning
from wspace.figures.transparency import on_colour
from wspace.files import atomic_path

__all__ = ["FrameWriter", "film_kind", "frame_delays", "open_film", "tile_frames"]

Pixels = npt.NDArray[np.uint8]  # (H, W, C), C 1, 3 or 4
_SUFFIXES = {".mp4": "mp4", ".webp": "webp", ".gif": "gif", "": "folder"}
_MOST_WAITING = 32  # frames that the encoder may lie behind
_TICKS = {"gif": 100, "webp": 1000}  # of their clocks, a second
GIF_MOST_FPS = 50  # browsers take a delay of less than 2/100 s for 1/10 s
_MIN_SIDE = 256  # small pictures are enlarged to about this


class FrameWriter(Protocol):
    """Takes the frames of a film, one by one."""

    def __call__(self, frame: Pixels) -> None:
        """Add a frame, (H, W, C), uint8, all of one size."""


def film_kind(path: Path | str) -> str:
    """ "mp4", "webp", "gif" or "folder", by the ending.

    Raises:
        WspaceError: another ending, or mp4 without PyAV.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _SUFFIXES:
        raise WspaceError(
            f"{path}: films are .mp4, .webp, .gif or, without an ending, a folder of PNGs: "
            "choose one of these."
        )
    if suffix == ".mp4":
        try:
            import av  # noqa: F401
        except ImportError:
            raise WspaceError(
                f"{path}: mp4 needs PyAV: pip install 'wspace[video]', or write .webp or .gif."
            ) from None
    return _SUFFIXES[suffix]


@contextlib.contextmanager
def open_film(
    path: Path | str, *, fps: int, loop: bool, scale: int | None = None
) -> Iterator[FrameWriter]:
    """Write a film to a file, whole or not at all.

    Frames with alpha keep it in webp. mp4 has none, and a gif's pixels are there or not, which
    would leave ragged edges: there they lie on white.

    The film is finished when the block ends. To keep what there is after Ctrl-C, catch
    KeyboardInterrupt inside the block.

    Args:
        path: NAME.mp4, NAME.webp or NAME.gif.
        fps: frames a second, 1 to 100. A gif's clock ticks in 1/100 s: its frames stay for unequal
            times that add up to the film's length.
        loop: whether webp and gif start again at the end.
        scale: whole number to enlarge by; None makes small pictures about 256 pixels wide.

    Raises:
        WspaceError: the file cannot be written, or a value is outside its range.

    Warns:
        WspaceWarning: a gif of more than `GIF_MOST_FPS`.
    """
    if not 1 <= fps <= 100:
        raise WspaceError(f"fps={fps} is outside 1 to 100.")
    kind = film_kind(path)
    if kind == "gif" and fps > GIF_MOST_FPS:
        warnings.warn(
            f"browsers slow gifs of more than {GIF_MOST_FPS} frames a second down to about 10, and "
            f"{path} will have {fps}: give --fps {GIF_MOST_FPS} or less, or write .webp or .mp4.",
            WspaceWarning,
            stacklevel=3,
        )
    with atomic_path(path) as temporary:
        film: _Behind | _Animation = (
            _Behind(_Mp4(temporary, fps))
            if kind == "mp4"
            else _Animation(temporary, kind, fps, loop)
        )

        def write(frame: Pixels) -> None:
            shown = frame if kind == "webp" and frame.shape[2] == 4 else on_colour(frame)
            film.add(shown, scale or max(1, _MIN_SIDE // min(frame.shape[:2])))

        try:
            yield write
        except BaseException:
            film.abandon()
            raise
        film.finish()


def tile_frames(frames: list[Pixels], columns: int) -> Pixels:
    """Set the frames of several walks beside each other, row by row.

    Where none is left it is black, or transparent.
    """
    height, width, channels = frames[0].shape
    rows = -(-len(frames) // columns)
    sheet = np.zeros((rows * height, columns * width, channels), dtype=np.uint8)
    for i, frame in enumerate(frames):
        row, column = divmod(i, columns)
        top, left = row * height, column * width
        sheet[top : top + height, left : left + width] = frame
    return sheet


class _Behind:
    """Films in a thread of its own, so that the networks need not wait; Ctrl-C cannot hit it."""

    def __init__(self, film: _Mp4) -> None:
        self._film = film
        self._waiting: queue.Queue[tuple[Pixels, int] | None] = queue.Queue(_MOST_WAITING)
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="wspace-film", daemon=True)
        self._thread.start()

    def add(self, frame: Pixels, scale: int) -> None:
        self._raise_failure()
        self._waiting.put((frame, scale))

    def finish(self) -> None:
        self._join()
        self._raise_failure()
        self._film.finish()

    def abandon(self) -> None:
        self._join()
        self._film.abandon()

    def _work(self) -> None:
        while (item := self._waiting.get()) is not None:
            if self._failure is None:  # afterwards, only empty the queue
                try:
                    self._film.add(*item)
                except Exception as error:
                    self._failure = error

    def _join(self) -> None:
        if self._thread.is_alive():
            self._waiting.put(None)
            self._thread.join()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure


class _Mp4:
    """H.264 by PyAV, in a form that every player knows."""

    def __init__(self, path: Path, fps: int) -> None:
        import av

        self._av: Any = av
        # The index goes to the front, so that a browser can play while it loads.
        self._container: Any = av.open(str(path), "w", options={"movflags": "+faststart"})
        self._reformatter: Any = av.video.reformatter.VideoReformatter()
        self._fps = fps
        self._stream: Any = None

    def add(self, frame: Pixels, scale: int) -> None:
        # yuv420p halves the colour's sides, so both must be even.
        height, width = frame.shape[0] * scale, frame.shape[1] * scale
        if height % 2 or width % 2:
            frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            height, width = frame.shape[0] * scale, frame.shape[1] * scale
        if self._stream is None:
            self._open_stream(width, height)
        picture = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        point = self._av.video.reformatter.Interpolation.POINT
        picture = self._reformatter.reformat(picture, width, height, "yuv420p", interpolation=point)
        self._container.mux(self._stream.encode(picture))

    def _open_stream(self, width: int, height: int) -> None:
        codec = "libx264" if "libx264" in self._av.codecs_available else "mpeg4"
        self._stream = self._container.add_stream(codec, rate=self._fps)
        self._stream.width, self._stream.height = width, height
        self._stream.pix_fmt = "yuv420p"
        self._stream.thread_count = 1  # the networks have the others
        quality = {"crf": "17", "preset": "ultrafast"} if codec == "libx264" else {"q": "2"}
        self._stream.options = quality

    def finish(self) -> None:
        if self._stream is None:
            self.abandon()
            raise WspaceError("the film has no frames: nothing was written.")
        self._container.mux(self._stream.encode())  # what the encoder still holds
        self._container.close()

    def abandon(self) -> None:
        with contextlib.suppress(Exception):
            self._container.close()


def frame_delays(frames: int, fps: int, ticks: int) -> list[int]:
    """How long each frame of a film stays, in ticks of a clock; together its length.

    >>> frame_delays(6, fps=30, ticks=100)
    [3, 4, 3, 3, 4, 3]

    Args:
        frames: of the film.
        fps: frames a second.
        ticks: of the clock, a second.
    """
    ends = [round(ticks * frame / fps) for frame in range(frames + 1)]
    return [end - start for start, end in pairwise(ends)]


class _Animation:
    """webp or gif by Pillow, which wants all frames at the end."""

    def __init__(self, path: Path, kind: str, fps: int, loop: bool) -> None:
        self._path, self._kind = path, kind
        self._fps, self._loop = fps, loop
        self._frames: list[Image.Image] = []

    def add(self, frame: Pixels, scale: int) -> None:
        self._frames.append(Image.fromarray(np.repeat(np.repeat(frame, scale, 0), scale, 1)))

    def finish(self) -> None:
        if not self._frames:
            raise WspaceError("the film has no frames: nothing was written.")
        ticks = _TICKS[self._kind]
        delays = [1000 // ticks * one for one in frame_delays(len(self._frames), self._fps, ticks)]
        options: dict[str, Any] = {"save_all": True, "duration": delays}  # milliseconds
        options["append_images"] = self._frames[1:]
        if self._kind == "webp":
            options |= {"quality": 90, "method": 2, "loop": 0 if self._loop else 1}
        elif self._loop:
            options["loop"] = 0  # gif: for ever; left out: once
        self._frames[0].save(self._path, format=self._kind.upper(), **options)

    def abandon(self) -> None:
        self._frames.clear()
