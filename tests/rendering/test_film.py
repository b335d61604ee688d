from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from films import frames_of

import wspace
from wspace.errors import WspaceError
from wspace.figures.video import film_kind, open_film
from wspace.networks.generator import Generator
from wspace.recipe.document import PictureDocument, SheetDocument
from wspace.recipe.png import read_document, read_pixels
from wspace.recipe.recipe import Recipe
from wspace.rendering.film import write_walks
from wspace.steering.interpolation import walk_recipes

FRAMES = 7


@pytest.fixture(scope="module")
def walk(tiny_generator: Generator) -> tuple[Recipe, ...]:
    return walk_recipes(tiny_generator, wspace.recipes(seeds=[1, 2]), FRAMES)


@pytest.mark.parametrize(("suffix", "tolerance"), [(".mp4", 3), (".webp", 3), (".gif", 0.1)])
def test_films_hold_all_frames_enlarged(
    tiny_generator: Generator,
    walk: tuple[Recipe, ...],
    tmp_path: Path,
    suffix: str,
    tolerance: int,
) -> None:
    path = tmp_path / f"walk{suffix}"
    told: list[int] = []
    done = write_walks(
        tiny_generator, [walk], path, fps=10, progress=lambda done, _all: told.append(done)
    )
    found = frames_of(path)
    assert done == len(found) == FRAMES
    assert told == list(range(1, FRAMES + 1))
    pixels = wspace.render(tiny_generator, walk).pixels
    for frame, picture in zip(found, pixels, strict=True):
        assert frame.shape == (256, 256, 3)
        blocks = frame.reshape(16, 16, 16, 16, 3).mean(axis=(1, 3))
        assert np.abs(blocks - picture).mean() < tolerance


def test_a_folder_has_a_picture_with_its_recipe_for_each_frame(
    tiny_generator: Generator, walk: tuple[Recipe, ...], tmp_path: Path
) -> None:
    assert write_walks(tiny_generator, [walk], tmp_path / "frames", batch_size=3) == FRAMES
    paths = sorted((tmp_path / "frames").iterdir())
    assert len(paths) == FRAMES
    for path, recipe in zip(paths, walk, strict=True):
        document = read_document(path)
        assert isinstance(document, PictureDocument)
        assert document.recipe.sources == recipe.sources
        assert document.recipe.model is not None
        assert document.rendered_by.batch_size == 3
        again = wspace.render(tiny_generator, [document.recipe], batch_size=3, exact_batch=True)
        assert (again.pixels[0] == read_pixels(path)).all()


def test_walks_stand_beside_each_other(tiny_generator: Generator, tmp_path: Path) -> None:
    walks = [
        walk_recipes(tiny_generator, wspace.recipes(seeds=seeds), 3)
        for seeds in ((1, 2), (3, 4), (5, 6))
    ]
    write_walks(tiny_generator, walks, tmp_path / "walk.mp4", scale=1)
    assert frames_of(tmp_path / "walk.mp4")[0].shape == (32, 32, 3)
    write_walks(tiny_generator, walks, tmp_path / "frames", columns=3)
    document = read_document(tmp_path / "frames" / "frame00001.png")
    assert isinstance(document, SheetDocument)
    assert [cell.recipes[0].sources for cell in document.cells] == [w[1].sources for w in walks]


@pytest.mark.parametrize("suffix", [".mp4", ".webp", ".gif", ""])
def test_ctrl_c_leaves_what_plays(
    tiny_generator: Generator, walk: tuple[Recipe, ...], tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"walk{suffix}"

    def interrupt(done: int, _all: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    assert write_walks(tiny_generator, [walk], path, batch_size=2, progress=interrupt) == 3
    if suffix:
        assert len(frames_of(path)) == 3
        assert list(tmp_path.iterdir()) == [path]
    else:
        assert len(list(path.iterdir())) == 3


def test_ctrl_c_before_the_first_frame_leaves_nothing(
    tiny_generator: Generator,
    walk: tuple[Recipe, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(_frames: object, _columns: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("wspace.rendering.film.tile_frames", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_walks(tiny_generator, [walk], tmp_path / "walk.mp4")
    assert list(tmp_path.iterdir()) == []


def test_wrong_films_are_refused_and_leave_nothing(
    tiny_generator: Generator, walk: tuple[Recipe, ...], tmp_path: Path
) -> None:
    with pytest.raises(WspaceError, match="films are"):
        film_kind("walk.avi")
    with pytest.raises(WspaceError, match="fps=0"):
        write_walks(tiny_generator, [walk], tmp_path / "a.mp4", fps=0)
    with pytest.raises(WspaceError, match="one length"):
        write_walks(tiny_generator, [walk, walk[:3]], tmp_path / "a.mp4")
    with (
        pytest.raises(WspaceError, match="no frames"),
        open_film(tmp_path / "a.mp4", fps=30, loop=False),
    ):
        pass
    with (
        pytest.raises(WspaceError, match="no frames"),
        open_film(tmp_path / "a.gif", fps=30, loop=False),
    ):
        pass
    assert list(tmp_path.iterdir()) == []
