"""Writing films: sides, colours, loops, and what is left when something fails."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from films import frames_of
from PIL import Image

from wspace.errors import WspaceError
from wspace.figures.video import film_kind, open_film, tile_frames


def test_tiles_go_row_by_row_and_black_fills_the_rest() -> None:
    frames = [np.full((1, 2, 3), value, np.uint8) for value in (1, 2, 3)]
    tiled = tile_frames(frames, 2)[:, :, 0].tolist()
    assert tiled == [[1, 1, 2, 2], [3, 3, 0, 0]]


def test_odd_sides_and_grey_pictures_are_filmed(tmp_path: Path) -> None:
    path = tmp_path / "odd.mp4"
    with open_film(path, fps=30, loop=False, scale=1) as write:
        for value in (0, 255):
            write(np.full((15, 17, 1), value, np.uint8))
    first, last = frames_of(path)
    assert first.shape == (16, 18, 3)
    assert first.mean() < 10
    assert last.mean() > 245


@pytest.mark.parametrize(("loop", "expected"), [(True, 0), (False, None)])
def test_gifs_start_again_only_when_asked(tmp_path: Path, loop: bool, expected: int | None) -> None:
    path = tmp_path / "film.gif"
    with open_film(path, fps=20, loop=loop, scale=1) as write:
        for value in (0, 255):
            write(np.full((4, 4, 3), value, np.uint8))
    with Image.open(path) as film:
        assert film.info.get("loop") == expected
        assert film.info["duration"] == 50


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
