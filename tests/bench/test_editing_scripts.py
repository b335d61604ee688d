"""The scripts behind the figures of editing, on the smallest work that they take."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from known_judges import judging
from labelled_pictures import write_shades

import wspace
from wspace.discovery.labelled import decisions_on
from wspace.discovery.wanted import Wanted
from wspace.formats.directions import (
    Direction,
    directions_path,
    read_directions,
    write_directions,
)
from wspace.formats.model_file import load
from wspace.metrics import judge
from wspace.networks.generator import Generator
from wspace.recipe.recipe import Edit
from wspace.steering.directions import principal, sample_w

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import bundle_directions
import editing
from editing_directions import Beside, Measured, ZSteps, measure_direction
from editing_judge import Hiding


def test_random_recipes_come_again(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Path(shutil.copy(tiny_model, tmp_path))
    generator = load(model)
    (edit,) = principal(sample_w(generator, 64), 1)
    directions = {"hat": Direction(edit=edit.replace(name="hat"))}
    write_directions(directions_path(model), generator, directions)
    editing.main(["recipes", "--models", str(model), "--num", "12", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (told["recipes"], told["wrong"]) == (12, [])
    assert {"inverted", "dragged", "mixed", "edit in W", "edit in style space"} <= set(told["with"])


def test_a_direction_is_measured_by_what_appears_and_what_changes_beside(
    tiny_generator: Generator,
) -> None:
    recipes = wspace.recipes(seeds=range(40))
    means = wspace.render(tiny_generator, recipes).pixels.mean(axis=(1, 2))
    red = float(np.median(means[:, 0]))
    judge_of_red = judging(red, (-1.0, 300.0))  # blue never changes
    before = decisions_on(tiny_generator, judge_of_red, recipes)
    wanted = Wanted(name="red", kind="redVariant", value=None)
    redder = Edit(direction=(0.0,) * 8)
    still = measure_direction(
        tiny_generator, judge_of_red, wanted, recipes, before,
        lambda own, _: [recipe.replace(edits=(redder,)) for recipe in own],
        (1.0, 2.0),
    )  # fmt: skip
    assert still == (20, (0.0,) * 2, {"blueColor": (0.0,) * 2})
    lacking = [r for r, lacks in zip(recipes, means[:, 0] <= red, strict=True) if lacks]
    others = [r for r, lacks in zip(recipes, means[:, 0] <= red, strict=True) if not lacks]
    swapped = measure_direction(
        tiny_generator, judge_of_red, wanted, recipes, before,
        lambda own, strength: others if strength == 2 and own == lacking else own,
        (1.0, 2.0, 1.0),
    )  # fmt: skip
    assert swapped == (20, (0.0, 1.0, 0.0), {"blueColor": (0.0,) * 3})


def test_the_goal_is_both_at_one_strength_from_1_to_2() -> None:
    def reaches(flips: tuple[float, ...], others: tuple[float, ...], longest: float = 2) -> bool:
        beside = (Beside(kind="eyes", hidden=False, changed=others),)
        strengths = (1.0, 1.5, longest)[: len(flips)]
        row = Measured(name="", space="w", strengths=strengths, flips=flips, beside=beside)
        return row.reaches_the_goal()

    assert reaches((0.5, 0.9, 1.0), (0.0, 0.1, 0.2))
    assert not reaches((0.5, 0.8, 1.0), (0.0, 0.1, 0.2))
    assert not reaches((), ())
    assert reaches((0.5, 0.8, 0.9), (0.0, 0.1, 0.1))
    assert not reaches((0.5, 0.8, 0.9), (0.0, 0.1, 0.1), longest=2.5)


def test_what_cannot_be_told_where_an_attribute_is_counts_as_hidden_by_it() -> None:
    red = torch.arange(40) < 20
    right = torch.stack([red.long(), torch.arange(40) % 2], dim=1)
    wanted = Wanted(name="red", kind="redVariant", value=None)

    def hidden(seen: torch.Tensor) -> tuple[str, ...]:
        known = judging(0.0, (0.0, 1.0))
        real = dataclasses.replace(known.real, decisions=seen)
        return Hiding(right, dataclasses.replace(known, real=real)).hidden(wanted)

    assert hidden(right) == ()
    blind = right.clone()
    blind[red, 1] = 0
    assert hidden(blind) == ("blueColor",)
    poor = right.clone()
    poor[torch.arange(40) % 8 < 3, 1] = 0  # wrong as often where there is no red
    assert hidden(poor) == ()


def test_what_is_hidden_can_be_left_out_of_what_changes_beside() -> None:
    eyes = Beside(kind="eyes", hidden=True, changed=(0.1, 0.5))
    mouth = Beside(kind="mouth", hidden=False, changed=(0.1, 0.1))
    row = Measured(name="", space="w", strengths=(1.0, 2.0), beside=(eyes, mouth))
    assert row.others() == (0.1, 0.3)
    assert row.others(hidden=False) == (0.1, 0.1)
    only = Measured(name="", space="w", strengths=(1.0, 2.0), beside=(eyes,))
    assert only.others(hidden=False) == (0.0, 0.0)


def test_a_step_in_z_is_one_before_mapping(tiny_generator: Generator) -> None:
    z = wspace.latents(tiny_generator, [7, 8])
    steps = ZSteps(tiny_generator, z)
    step = torch.arange(8.0)
    made = steps.taken(wspace.recipes(seeds=[7, 8]), step, 0.5)
    w = tiny_generator.mapping.w(z + 0.5 * step)
    torch.testing.assert_close(torch.tensor([recipe.sources[0].w for recipe in made]), w)
    images = steps.images(torch.tensor([1, 0]), step, torch.tensor([0.5, 0.5]))
    ws = w[[1, 0]][:, None].expand(-1, 6, -1)
    torch.testing.assert_close(images, tiny_generator.synthesis(ws))


def test_the_directions_of_the_bundled_clothes_are_made_by_one_command(tmp_path: Path) -> None:
    out = tmp_path / "clothes.directions.safetensors"
    bundle_directions.main(["clothes", "--out", str(out)])
    generator = load("clothes")
    made, shipped = (read_directions(path, generator) for path in (out, directions_path("clothes")))
    assert list(made) == list(shipped)
    for name, one in made.items():
        assert one.about == shipped[name].about
        assert one.edit.layers == shipped[name].edit.layers
        numbers = [torch.tensor(edit.direction) for edit in (one.edit, shipped[name].edit)]
        torch.testing.assert_close(*numbers, rtol=1e-3, atol=1e-4)


def test_directions_that_were_not_measured_are_not_bundled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        bundle_directions.main(["avatars", "--out", str(tmp_path / "none.safetensors")])
    assert "glasses: nothing was measured for accessories in w" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_directions_are_found_measured_and_not_made_again(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("WSPACE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(judge, "SEEN", 60 * judge.BATCH)
    data = write_shades(tmp_path / "shades.zip", 120, attributes=True)
    out = tmp_path / "rows.json"
    words = ["directions", "--model", str(tiny_model), "--data", str(data), "--samples", "100",
             "--tried", "30", "--num", "30", "--out", str(out)]  # fmt: skip
    editing.main(words)
    rows = json.loads(out.read_text())
    assert rows
    assert {row["space"] for row in rows} == {"w", "style", "z"}
    first = capsys.readouterr().out
    editing.main(words)
    assert json.loads(out.read_text()) == rows
    assert capsys.readouterr().out.splitlines() == first.splitlines()[len(rows) :]
