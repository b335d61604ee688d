"""The script behind the table of few pictures, on the smallest work that it takes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from wspace.data.dataset import Dataset
from wspace.data.writer import png_bytes, write_dataset
from wspace.errors import WspaceError
from wspace.metrics.features.extractor import Extractor

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import few_pictures
from few_pictures import FewCell
from quality_data import Task
from quality_measure import Reference


class Means(Extractor):
    """Features that cost nothing: means over fields of 4²."""

    id = "means"
    dim = 48

    def features_of(self, pixels: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(pixels.float(), 4).flatten(1)


def write(path: Path, count: int, seed: int) -> Path:
    """Colour noise of 8², with an attribute of each picture."""
    random = np.random.RandomState(seed)
    with write_dataset(path) as writer:
        names = [
            writer.add(png_bytes(Image.fromarray(random.randint(0, 256, (8, 8, 3), np.uint8))))
            for _ in range(count)
        ]
        own = {name: {"hat": i % 3} for i, name in enumerate(names)}
        writer.finish({"labels": None, "licence": "CC0", "attributes": own})
    return path


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    folder = tmp_path_factory.mktemp("few")
    paths = {
        part: write(folder / f"{part}.zip", count, seed)
        for seed, (part, count) in enumerate((("train", 12), ("heldout", 60)))
    }
    return Task(name="t", title="noise 8²", **paths)


def cell_of(task: Task, **changes: Any) -> FewCell:
    values = {"pictures": 8, "discriminator": "preset", "augment": "ada", "num": 60, "threads": 1}
    return FewCell(task=task, by="wspace", **(values | changes))


def test_the_first_pictures_keep_what_is_said_of_them(task: Task, tmp_path: Path) -> None:
    few = few_pictures.few_of(task, 8, tmp_path)
    with Dataset.open(few.train) as own, Dataset.open(task.train) as whole:
        assert len(own) == 8
        assert (own.images(range(8)) == whole.images(range(8))).all()
        assert own.attributes is not None
        assert own.licence == "CC0"
    assert few.heldout == task.heldout
    with pytest.raises(WspaceError, match="has 12 pictures, not 13"):
        few_pictures.few_of(task, 13, tmp_path)


def test_a_cell_says_its_budget_its_discriminator_and_its_augmentation(task: Task) -> None:
    timed = cell_of(task, discriminator="projected", augment="none", minutes=30.0)
    words = " ".join(timed.command(Path("out")))
    assert "--minutes 30" in words
    assert "discriminator" not in words
    assert words.endswith("--set augment=none")
    counted = cell_of(task, kimg=16.0)
    words = " ".join(counted.command(Path("out")))
    assert "--minutes" not in words
    assert "--kimg 16" in words
    assert "--set discriminator=preset --set augment=ada" in words
    assert timed.name != counted.name
    assert timed.settings() != counted.settings()


@pytest.mark.slow  # it runs the whole command
def test_a_cell_is_trained_measured_kept_and_a_row_of_the_table(task: Task, tmp_path: Path) -> None:
    few = few_pictures.few_of(task, 8, tmp_path)
    reference = Reference.of(few, tmp_path / "cache", Means("cpu", 64))
    cell = cell_of(few, kimg=0.7, options="--set measure=false --set augment_strength=0.5")
    found = few_pictures.measure(cell, tmp_path / "out", reference)
    assert found["nearest"] > 0
    assert found["changed"] == pytest.approx(0.5, abs=0.1)
    assert few_pictures.measure(cell, tmp_path / "out", reference) == found
    (kept,) = (tmp_path / "out").glob("*.json")
    lines = few_pictures.table([json.loads(kept.read_text())]).splitlines()
    assert len(lines) == 3
    assert lines[2].startswith("| 8 | preset | ada --set measure=false")
    assert "| 0.7 kimg | 0 | 1 |" in lines[2]
