"""Any folder trains as it is: what is chosen, made, kept, and found again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tiny_run import differences_of_runs, make_model

from wspace.errors import WspaceError
from wspace.training import loop
from wspace.training.config import TrainConfig
from wspace.training.opening import open_pictures
from wspace.training.run.folder import read_config

Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WSPACE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def photos(root: Path, size: tuple[int, int] = (300, 200), mode: str = "RGB") -> Path:
    """Class folders of pictures of one shape."""
    for kind, light in (("cats", 40), ("dogs", 160)):
        (root / kind).mkdir(parents=True)
        for number in range(4):
            picture = Image.effect_noise(size, 20 + 10 * number).point(
                lambda v, k=light: v // 3 + k
            )
            picture.convert(mode).save(root / kind / f"{number}.png")
    return root


def opened(path: Path, **options: Any) -> tuple[TrainConfig, tuple[Any, int, int], list[str]]:
    """The configuration; resolution, channels and classes; what was said."""
    said: list[str] = []
    config, data = open_pictures(
        TrainConfig(data=str(path), **({"device": "cpu"} | options)), said.append
    )
    with data:
        return config, (data.resolution, data.image_channels, data.num_classes), said


@pytest.mark.parametrize(
    ("options", "side"),
    [
        ({"minutes": 5}, 32),
        ({"minutes": 60}, 64),
        ({"minutes": 600}, 128),
        ({"minutes": 60_000}, 256),
        ({"total_kimg": 10}, 32),
        ({"total_kimg": 3000}, 128),
        ({"size": 16}, 16),
        ({"size": 512}, 512),
    ],
)
def test_the_size_suits_the_length_of_the_run_or_is_given(
    tmp_path: Path, options: dict[str, Any], side: int
) -> None:
    config, facts, said = opened(photos(tmp_path / "in"), **options)
    assert facts == (side, 3, 2)
    assert config.size == str(side)
    assert any(f"pictures of {side} x {side}" in line for line in said)
    suits = any("suits the length of the run" in line for line in said)
    assert suits == (side in (32, 64, 128))  # and 256 is all that the pictures have


def test_the_size_is_no_larger_than_the_pictures(tmp_path: Path) -> None:
    _, facts, said = opened(photos(tmp_path / "in", (20, 17), "L"), minutes=600)
    assert facts == (16, 1, 2)
    assert any("as most pictures have no more" in line for line in said)


def test_a_model_to_start_from_says_the_size(tmp_path: Path) -> None:
    model = make_model(tmp_path / "start.safetensors")
    _, facts, said = opened(photos(tmp_path / "in"), start_from=str(model), preset="compact")
    assert facts[0] == 8
    assert any(f"as those of {model}" in line for line in said)


def test_pictures_that_fit_are_opened_as_they_are(tmp_path: Path, cache: Path) -> None:
    folder = photos(tmp_path / "in", (16, 16))
    config, facts, said = opened(folder, labels=False)
    assert facts == (16, 3, 0)
    assert config.size is None
    assert said == []
    assert not cache.exists()
    config, facts, _ = opened(folder)  # only their classes are wanting
    assert (config.size, facts) == ("16", (16, 3, 2))
    assert opened(folder, labels=False, size=8)[1] == (8, 3, 0)
    assert opened(folder, labels=False, depth=16)[0].size == "16"


def test_transparency_is_kept_where_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(4):
        Image.new("RGBA", (16, 16), (200, 0, 0, 50 * number)).save(tmp_path / f"in/{number}.png")
    _, facts, said = opened(tmp_path / "in")
    assert facts == (16, 3, 0)
    assert said == [
        "4 pictures have alpha: what is transparent lies on white (--alpha keep keeps it)"
    ]
    assert opened(tmp_path / "in", alpha="lay")[2] == []
    assert opened(tmp_path / "in", image_channels=4)[1] == (16, 4, 0)  # as they are
    config, facts, said = opened(tmp_path / "in", alpha="keep")
    assert (config.size, facts) == ("16", (16, 4, 0))
    assert any("colour with alpha" in line for line in said)
    assert opened(tmp_path / "in", alpha="keep", size=8)[1] == (8, 4, 0)
    assert opened(tmp_path / "in", image_channels=4, size=8)[1] == (8, 4, 0)


def test_that_there_is_no_alpha_to_keep_is_said(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(4):
        Image.new("RGBA", (16, 16), (50 * number, 0, 0, 255)).save(tmp_path / f"in/{number}.png")
    _, found, said = opened(tmp_path / "in", alpha="keep")
    assert found == (16, 3, 0)
    assert "none of them is transparent: there is no alpha to keep" in said
    facts = loop.check(TrainConfig(data=str(tmp_path / "in"), alpha="keep", device="cpu"))
    assert facts["image_channels"] == 3


def test_alpha_that_is_laid_and_asked_for_is_refused() -> None:
    with pytest.raises(WspaceError, match=r"alpha=lay leaves nothing transparent.*leave one out"):
        TrainConfig(alpha="lay", image_channels=4)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (0, "size 0 is no power of two"),
        (4, "size 4 is no power of two"),
        ("100x60", "size 100x60 is no power of two"),
        ("wide", "size 'wide' is no size"),
    ],
)
def test_a_wrong_size_is_refused(size: Any, message: str) -> None:
    with pytest.raises(WspaceError, match=message):
        TrainConfig(size=size)


def test_a_wrong_colour_is_refused_before_any_work() -> None:
    with pytest.raises(WspaceError, match="'grue' is no colour"):
        TrainConfig(background="grue")


def test_rectangles_are_made_and_taken_as_they_are(tmp_path: Path) -> None:
    folder = photos(tmp_path / "in")
    config, facts, said = opened(folder, size="24x16")
    assert (config.size, facts) == ("24x16", ((16, 24), 3, 2))
    assert any("pictures of 24 x 16" in line for line in said)
    assert said[-1].endswith("in-24x16.zip")
    config, facts, _ = opened(photos(tmp_path / "ready", (24, 16)), labels=False)
    assert (config.size, facts) == (None, ((16, 24), 3, 0))


def options_of(folder: Path, **changes: Any) -> dict[str, Any]:
    """A run of a few steps."""
    make_model(folder / "start.safetensors", num_classes=2)
    return {
        "data": str(folder / "in"),
        "start_from": str(folder / "start.safetensors"),
        "preset": "compact",
        "discriminator": "preset",
        "total_kimg": 0.016,
        "batch_size": 4,
        "precision": "fp32",
        "compile": "off",
        "device": "cpu",
        "measure": False,
        "report": False,
    } | changes


def forget(folder: Path, cache: Path) -> None:
    shutil.rmtree(cache)


def remove(folder: Path, cache: Path) -> None:
    shutil.rmtree(folder / "in")


def change(folder: Path, cache: Path) -> None:
    (folder / "in/cats/0.png").unlink()


@pytest.mark.parametrize(
    ("happens", "said"), [(forget, None), (remove, "is gone"), (change, "has changed")]
)
def test_a_run_finds_the_same_pictures_again(
    tmp_path: Path,
    cache: Path,
    happens: Callable[[Path, Path], None],
    said: str | None,
) -> None:
    photos(tmp_path / "in")
    options = options_of(tmp_path)
    whole = loop.start(TrainConfig(**options), tmp_path / "whole").run
    half = loop.start(TrainConfig(**options | {"total_kimg": 0.008}), tmp_path / "half").run
    happens(tmp_path, cache)
    lines: list[str] = []
    loop.resume(half, lambda p: lines.append(p.message) if p.message else None, total_kimg=0.016)
    assert (said is None) or any(said in line and str(cache) in line for line in lines)
    assert differences_of_runs(whole, half) == []
    assert read_config(half)["size"] == "8"


@pytest.mark.parametrize(
    ("happens", "message"),
    [(remove, "no such file or folder, and .* learns from it"), (change, "is not the data that")],
)
def test_pictures_that_are_neither_there_nor_kept_are_an_error(
    tmp_path: Path, cache: Path, happens: Callable[[Path, Path], None], message: str
) -> None:
    photos(tmp_path / "in")
    run = loop.start(TrainConfig(**options_of(tmp_path)), tmp_path / "runs").run
    happens(tmp_path, cache)
    forget(tmp_path, cache)
    with pytest.raises(WspaceError, match=message):
        loop.resume(run, total_kimg=0.032)


def test_a_run_inside_its_own_data_goes_on(tmp_path: Path) -> None:
    photos(tmp_path / "in")
    options = options_of(tmp_path) | {"report": True}
    run = loop.start(TrainConfig(**options), tmp_path / "in/runs").run
    assert (run / "real.png").exists()
    lines: list[str] = []
    loop.resume(run, lambda p: lines.append(p.message) if p.message else None, total_kimg=0.032)
    assert not any("has changed" in line for line in lines)


def test_the_command_line_says_what_it_did(run_wspace: Run, tmp_path: Path) -> None:
    photos(tmp_path / "in")
    (tmp_path / "in/cats/film.mov").write_bytes(b"no picture")
    ran = run_wspace("train", tmp_path / "in", "--size", 16, "--fit", "pad", "--dry-run")
    assert ran.status == 0, ran.err
    lines = ran.err.splitlines()
    assert lines[0] == f"{tmp_path / 'in'}: 8 pictures of 300 x 200 pixels, colour"
    assert lines[1] == "made 8 pictures of 16 x 16, colour, padded with white"
    assert lines[2] == "left out: .mov: 1"
    assert lines[3].startswith(f"kept in {tmp_path}")
    facts = dict(line.split(maxsplit=1) for line in ran.out.splitlines() if " " in line)
    assert (facts["size"], facts["fit"], facts["labels"]) == ("16", "pad", "True")
    assert not (tmp_path / "runs").exists()
