"""Writing films: sides, colours, loops, and what is left when something fails."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from films import frames_of
from PIL import Image

from wspace.errors import WspaceError, WspaceWarning
from wspace.figures.video import film_kind, frame_delays, open_film, tile_frames


def test_tiles_go_row_by_row_and_black_fills_the_rest() -> None:
    frames = [np.full((1, 2, 3), value, np.uint8) for value in (1, 2, 3)]
    tiled = tile_frames(frames, 2)[:, :, 0].tolist()
    assert tiled == [[1, 1, 2, 2], [3, 3, 0, 0]]
    clear = tile_frames([np.full((1, 2, 4), 9, np.uint8)] * 3, 2)
    assert not clear[1, 2:].any()  # transparent


def test_odd_sides_and_grey_pictures_are_filmed(tmp_path: Path) -> None:
    path = tmp_path / "odd.mp4"
    with open_film(path, fps=30, loop=False, scale=1) as write:
        for value in (0, 255):
            write(np.full((15, 17, 1), value, np.uint8))
    first, last = frames_of(path)
    assert first.shape == (16, 18, 3)
    assert first.mean() < 10
    assert last.mean() > 245


def moving_square() -> list[np.ndarray]:
    """Frames in which a red square moves through nothing; half of its pixels are half opaque."""
    frames = []
    for k in range(3):
        frame = np.zeros((16, 48, 4), np.uint8)
        frame[:, 16 * k : 16 * k + 16] = (255, 0, 0, 255)
        frame[:, 16 * k + 8 : 16 * k + 16, 3] = 128
        frames.append(frame)
    return frames


def test_webp_keeps_alpha(tmp_path: Path) -> None:
    path = tmp_path / "film.webp"
    with open_film(path, fps=10, loop=True, scale=1) as write:
        for frame in moving_square():
            write(frame)
    with Image.open(path) as film:
        for k, frame in enumerate(moving_square()):
            film.seek(k)
            assert film.mode == "RGBA"
            shown = np.asarray(film).astype(int)
            assert np.abs(shown[:, :, 3] - frame[:, :, 3]).max() <= 1  # nothing of frames before
            middle = shown[4:12, 16 * k + 2 : 16 * k + 6]
            assert np.abs(middle - (255, 0, 0, 255)).max() < 12


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_other_films_lie_on_white(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"film{suffix}"
    with open_film(path, fps=10, loop=True, scale=1) as write:
        for frame in moving_square():
            write(frame)
    for k, shown in enumerate(frames_of(path)):
        assert np.abs(shown[:, 16 * k + 2 : 16 * k + 6].astype(int) - (255, 0, 0)).max() < 12
        assert np.abs(shown[:, 16 * k + 10 : 16 * k + 14].astype(int) - (255, 127, 127)).max() < 12
        elsewhere = np.delete(shown, range(max(16 * k - 2, 0), min(16 * k + 18, 48)), axis=1)
        assert elsewhere.min() > 240


@pytest.mark.parametrize(("loop", "expected"), [(True, 0), (False, None)])
def test_gifs_start_again_only_when_asked(tmp_path: Path, loop: bool, expected: int | None) -> None:
    path = tmp_path / "film.gif"
    with open_film(path, fps=20, loop=loop, scale=1) as write:
        for value in (0, 255):
            write(np.full((4, 4, 3), value, np.uint8))
    with Image.open(path) as film:
        assert film.info.get("loop") == expected
        assert film.info["duration"] == 50


def delays_of(path: Path) -> list[int]:
    """Milliseconds that each frame of a film stays."""
    with Image.open(path) as film:
        found = []
        for k in range(film.n_frames):
            film.seek(k)
            film.load()
            found.append(film.info["duration"])
    return found


@pytest.mark.parametrize("name", ["film.gif", "film.webp"])
@pytest.mark.parametrize("fps", [7, 24, 30, 48])
def test_an_animation_lasts_as_long_as_its_frames(tmp_path: Path, name: str, fps: int) -> None:
    path = tmp_path / name
    with open_film(path, fps=fps, loop=True, scale=1) as write:
        for value in range(3 * fps):
            write(np.full((4, 4, 3), 37 * value % 256, np.uint8))
    delays = delays_of(path)
    assert len(delays) == 3 * fps
    assert sum(delays) == 3000
    assert max(delays) - min(delays) <= 10


def test_no_frame_is_half_a_tick_late() -> None:
    for fps in range(1, 101):
        delays = frame_delays(2 * fps, fps, ticks=100)
        for frame in range(2 * fps):
            assert abs(sum(delays[:frame]) - 100 * frame / fps) <= 0.5


def test_gifs_too_fast_for_browsers_are_warned_of(tmp_path: Path) -> None:
    def film() -> None:
        with open_film(tmp_path / "film.gif", fps=60, loop=True, scale=1) as write:
            for value in range(60):
                write(np.full((4, 4, 3), value, np.uint8))

    with pytest.warns(WspaceWarning, match=r"more than 50 frames a second.*will have 60"):
        film()
    assert sum(delays_of(tmp_path / "film.gif")) == 1000


def test_an_error_while_filming_leaves_nothing(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        with open_film(path, fps=30, loop=False) as write:
            write(np.zeros((8, 8, 3), np.uint8))
            raise RuntimeError

    for name in ("a.mp4", "a.webp"):
        with pytest.raises(RuntimeError):
            fail(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_mp4_without_pyav_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(WspaceError, match=r"wspace\[video\]"):
        film_kind("walk.mp4")
