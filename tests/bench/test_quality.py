"""The script behind the table of quality, on the smallest work that it takes."""

from __future__ import annotations

import gzip
import io
import json
import sys
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from thumbnails import Thumbnails

from wspace.data.dataset import Dataset
from wspace.data.writer import png_bytes
from wspace.metrics import judge

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import dcgan
import quality
import quality_data
from quality_data import Task
from quality_measure import Reference


def _write_grey(path: Path, count: int, seed: int) -> Path:
    """Pictures of 16²: class 0 is dark, class 1 is bright."""
    random = np.random.RandomState(seed)
    labels = np.arange(count) % 2
    pictures = random.randint(0, 100, (count, 16, 16)) + 150 * labels[:, None, None]
    quality_data.write_labelled(path, pictures.astype(np.uint8), labels)
    return path


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    folder = tmp_path_factory.mktemp("task")
    paths = [
        _write_grey(folder / f"{part}.zip", count, seed)
        for seed, (part, count) in enumerate((("train", 24), ("heldout", 12), ("judged", 64)))
    ]
    return Task(name="t", title="tiny 16²", train=paths[0], heldout=paths[1], judged=paths[2])


@pytest.fixture(scope="module")
def reference(task: Task, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judge, "SEEN", 15 * judge.BATCH)
        return Reference.of(task, tmp_path_factory.mktemp("cache"), Thumbnails())


def test_a_dcgan_is_trained_measured_and_kept(
    task: Task, reference: Reference, tmp_path: Path
) -> None:
    cell = quality.Cell(task=task, by="dcgan", minutes=0.01, threads=1, num=12)
    found = quality.run_cell(cell, tmp_path, reference)
    assert found["kimg"] > 0
    assert found["fd_lite"] > 0
    assert found["judge"]["fd"] > 0
    assert len(found["judge"]["shares"][0]) == 2
    with Image.open(tmp_path / "t-dcgan-0.01min-seed0-sheet.png") as sheet:
        assert sheet.size == (640, 128)

    kept = tmp_path / "t-dcgan-0.01min-seed0.json"
    kept.write_text(json.dumps(found | {"fd_lite": -1}))
    assert quality.run_cell(cell, tmp_path, reference)["fd_lite"] == -1
    again = quality.run_cell(replace(cell, num=10), tmp_path, reference)  # only measured again
    assert again["fd_lite"] > 0
    assert again["seconds"] == found["seconds"]


def test_the_command_of_wspace_is_run_and_its_mixed_pictures_are_measured(
    task: Task, reference: Reference, tmp_path: Path
) -> None:
    cell = quality.Cell(
        task=task, by="wspace", minutes=0.01, options="--preset compact", threads=1, num=10
    )
    found = quality.run_cell(cell, tmp_path, reference)
    assert found["command"][3:5] == ["train", str(task.train)]
    assert found["kimg"] >= 0  # so few steps may leave no line in the log
    assert found["fd_mixed"] > 0
    assert (tmp_path / f"{cell.name}-mixed.png").exists()


def test_the_budget_is_what_training_plans_by(
    task: Task, run_wspace: Callable[..., Any], tmp_path: Path
) -> None:
    command = quality.Cell(task=task, by="wspace", minutes=1).command(tmp_path)
    plans = "--minutes" in run_wspace("train", "--help").out  # --seconds only ends a run
    assert ("--minutes" in command) == plans


def test_real_pictures_are_the_floor(task: Task, reference: Reference, tmp_path: Path) -> None:
    floor = quality.run_cell(
        quality.Cell(task=task, by="real", threads=1, num=24), tmp_path, reference
    )
    assert floor["precision"] > 0.5
    assert floor["judge"]["off"] < 0.2
    assert not floor["collapsed"]


def test_one_picture_again_and_again_is_a_collapse(reference: Reference, task: Task) -> None:
    with Dataset.open(task.train) as data:
        pixels = data.images([0]).repeat(10, 1, 1, 1)
    found = reference.measure(pixels)
    assert found["distinct"] == 0
    assert found["judge"]["off"] == pytest.approx(0.5)  # all of one class, where there are two


def test_grey_pictures_are_learned_with_one_channel(task: Task, tmp_path: Path) -> None:
    with Dataset.open(task.train) as data:
        dcgan.train(data, tmp_path, minutes=0, seed=0)
    generator = dcgan.load(tmp_path)
    drawn = dcgan.draw(generator, [3, 4])
    assert drawn.shape == (2, 1, 16, 16)
    assert torch.equal(dcgan.draw(generator, [4])[0], drawn[1])  # whatever is drawn beside it


def test_fashion_is_padded_to_32_pixels(tmp_path: Path) -> None:
    pictures = np.full((2, 28, 28), 7, np.uint8)
    for name, header, content in (
        ("t10k-images-idx3-ubyte.gz", 16, pictures.tobytes()),
        ("t10k-labels-idx1-ubyte.gz", 8, bytes([9, 3])),
    ):
        (tmp_path / name).write_bytes(gzip.compress(bytes(header) + content))
    padded, labels = quality_data.read_fashion(tmp_path, "t10k")
    assert padded.shape == (2, 32, 32)
    assert padded[0, 2:30, 2:30].min() == 7
    assert padded.sum() == 2 * 28 * 28 * 7
    assert labels.tolist() == [9, 3]


def test_every_tenth_emoji_is_held_out_and_drawn_on_white(tmp_path: Path) -> None:
    package = tmp_path / (quality_data.EMOJI_PACKAGE.replace("@", "-") + ".tgz")
    with tarfile.open(package, "w:gz") as archive:
        for i in reversed(range(20)):
            content = png_bytes(Image.new("RGBA", (8, 8), (i, 0, 0, 255 if i else 0)))
            member = tarfile.TarInfo(f"{quality_data.EMOJI_FOLDER}{i:02}.png")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    task = quality_data.prepare("c", tmp_path)
    with Dataset.open(task.heldout) as heldout, Dataset.open(task.train) as train:
        assert len(train) == 18
        assert heldout.images([0, 1])[:, 0, 0, 0].tolist() == [255, 10]


def test_the_table_has_a_row_for_each_budget_and_the_range_of_seeds() -> None:
    def cell(seed: int, fd: float) -> dict[str, object]:
        own = {"task": "a", "title": "A", "by": "dcgan", "minutes": 5.0, "options": ""}
        figures = {"precision": 0.5, "recall": 0.25, "distinct": 1.0, "collapsed": False}
        return {
            "settings": own | {"seed": seed},
            "fd_lite": fd,
            "kimg": 10,
            "judge": None,
            **figures,
        }

    lines = quality.table([cell(0, 80.0), cell(1, 90.0)]).splitlines()
    assert len(lines) == 3
    assert lines[2] == (
        "| A | DCGAN | 5 min | 10 (10 to 10) |  | 85.0 (80.0 to 90.0) |  | 0.50 (0.50 to 0.50) "
        "| 0.25 (0.25 to 0.25) |  |  | 1.00 (1.00 to 1.00) |"
    )
