"""Names of classes, and the means of their w, go from data into models and on from there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_run import differences_of_runs, make_config, make_data, make_model, newest

from wspace.formats.model_file import load, load_model_file, save
from wspace.networks.config import GeneratorConfig
from wspace.networks.generator import Generator
from wspace.recipe.document import SheetDocument
from wspace.recipe.png import read_document
from wspace.steering.latents import latents
from wspace.training import loop
from wspace.training.config import ONE_STAGE
from wspace.training.run.clock import Progress
from wspace.training.transfer import Shape, carried_generator, kin_by_name, names_kept


def label(data: Path, *names: str, count: int = 2) -> Path:
    """A folder of pictures in ``count`` classes, which are called so."""
    make_data(data)
    labels = [[f"{i:02}.png", i % count] for i in range(10)]
    described: dict[str, Any] = {"labels": labels}
    if names:
        described["classes"] = list(names)
    (data / "dataset.json").write_text(json.dumps(described))
    return data


def run(folder: Path, *, start: str | None = None, **changes: Any) -> Path:
    values: dict[str, Any] = {"steps": 4, "labels": True, "start_from": start, "preset": "small"}
    return loop.start(make_config(folder, **(ONE_STAGE | values | changes)), folder / "runs").run


def with_names(model: Path, *names: str) -> Path:
    """Give the classes of a model file names."""
    file = load_model_file(model)
    file.generator.config = replace(file.generator.config, class_names=names)
    save(file.generator, model, discriminator=file.discriminator)
    return model


def pictures(generator: Generator, *classes: int) -> torch.Tensor:
    c = torch.eye(generator.num_classes)[list(classes)]
    return generator(latents(generator, range(len(classes))), c)


def test_names_go_from_data_into_model_and_sheets(tmp_path: Path) -> None:
    label(tmp_path / "data", "boot", "bag")
    made = run(tmp_path)
    generator = load(made)
    assert generator.class_names == ("boot", "bag")
    saved = newest(made)
    assert GeneratorConfig.from_dict(saved["networks"][0]).class_names == ("boot", "bag")
    sheet = read_document(next(made.glob("samples-*.png")))
    assert isinstance(sheet, SheetDocument)
    assert sheet.layout.captions[:2] == ("seed 0, class boot", "seed 1, class bag")


def test_each_class_has_its_mean_in_what_is_averaged_and_saved(tmp_path: Path) -> None:
    label(tmp_path / "data", "boot", "bag")
    made = run(tmp_path)
    generator = load(made)
    means = generator.mapping.class_w_avg
    assert means is not None
    for of in range(2):
        c = torch.eye(2)[[of] * 256]
        w = generator.mapping.w(latents(generator, range(256)), c).mean(dim=0)
        others = means[1 - of]
        assert (means[of] - w).norm() < (others - w).norm()


def test_a_run_with_names_and_means_resumes_exactly(tmp_path: Path) -> None:
    label(tmp_path / "data", "boot", "bag")
    straight = run(tmp_path, checkpoint_kimg=0.008)
    again = loop.start(
        make_config(
            tmp_path,
            steps=2,
            labels=True,
            start_from=None,
            preset="small",
            checkpoint_kimg=0.008,
            **ONE_STAGE,
        ),
        tmp_path / "again",
    ).run
    loop.resume(again, total_kimg=0.016)
    assert differences_of_runs(straight, again) == []
    assert load(again).class_names == ("boot", "bag")


def test_without_labels_there_are_no_names(tmp_path: Path) -> None:
    label(tmp_path / "data", "boot", "bag")
    generator = load(run(tmp_path, labels=False))
    assert (generator.num_classes, generator.class_names) == (0, None)


def test_a_model_goes_on_by_the_names_of_its_classes(tmp_path: Path) -> None:
    with_names(make_model(tmp_path / "start.safetensors", num_classes=2), "bag", "boot")
    label(tmp_path / "data", "Boot", "coat", "bag", count=3)
    told: list[str] = []

    def tell(progress: Progress) -> None:
        told.append(progress.message or "")

    start = str(tmp_path / "start.safetensors")
    config = make_config(tmp_path, steps=1, labels=True, start_from=start, preset="compact")
    made = loop.start(config, tmp_path / "runs", tell).run
    assert load(made).class_names == ("Boot", "coat", "bag")
    (said,) = [line for line in told if line.startswith("from ")]
    assert "2 of its 2 classes are kept, known by their names, 1 start as the mean" in said


def test_classes_in_another_order_draw_what_their_names_drew(tmp_path: Path) -> None:
    old = load(make_model(tmp_path / "start.safetensors", num_classes=2))
    shape = Shape(resolution=8, num_classes=2, image_channels=3)
    kin = kin_by_name(("bag", "boot"), ("boot", "bag"))
    assert kin == (1, 0)
    new, said = carried_generator(old, shape, kin)
    assert said == ["2 of its 2 classes are kept, known by their names"]
    torch.testing.assert_close(pictures(new, 0, 1), pictures(old, 1, 0))
    same, said = carried_generator(old, shape, kin_by_name(("bag", "boot"), ("bag", "boot")))
    assert same is old
    assert said == []


def test_a_class_takes_its_mean_along(tmp_path: Path) -> None:
    label(tmp_path / "data", "boot", "bag")
    old = load(run(tmp_path))
    new, _ = carried_generator(
        old,
        Shape(resolution=8, num_classes=3, image_channels=3),
        kin_by_name(old.class_names, ("bag", "coat", "boot")),
    )
    assert old.mapping.class_w_avg is not None
    assert new.mapping.class_w_avg is not None
    assert torch.equal(new.mapping.class_w_avg[[0, 2]], old.mapping.class_w_avg[[1, 0]])
    assert not new.mapping.class_w_avg[1].any()  # of what is new nothing is known yet


@pytest.mark.parametrize(
    ("old", "count", "names"),
    [
        (("a", "b"), 2, ("a", "b")),
        (("a", "b"), 1, ("a",)),
        (("a", "b"), 3, ("a", "b", "2")),
        (("a", "2"), 3, None),
        (("a", "b"), 0, None),
        (None, 2, None),
    ],
)
def test_classes_without_names_keep_those_of_their_numbers(
    old: tuple[str, ...] | None, count: int, names: tuple[str, ...] | None
) -> None:
    assert names_kept(old, count) == names
    assert kin_by_name(old, None) is None
