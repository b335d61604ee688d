"""Steps in W: which layers take them, and what they leave alone."""

from __future__ import annotations

import pytest
import torch

import wspace
from wspace.errors import WspaceError
from wspace.networks.generator import Generator
from wspace.recipe.mixing import mix_recipes
from wspace.recipe.recipe import Edit, Source
from wspace.steering.editing import edit_ws

STEP = Edit(direction=(1.0, 0, 0, 0, 0, 0, 0, -2.0))


def test_a_step_moves_its_layers_of_its_picture_alone() -> None:
    ws = torch.randn(3, 6, 8)
    edited = edit_ws(ws, [[], [STEP.replace(strength=0.5, layers=(1, 4))], []])
    moved = edited - ws
    assert (moved[[0, 2]] == 0).all()
    assert (moved[1, [0, 2, 3, 5]] == 0).all()
    for layer in (1, 4):
        torch.testing.assert_close(moved[1, layer], 0.5 * torch.tensor(STEP.direction))


def test_steps_add_up() -> None:
    ws = torch.randn(1, 6, 8)
    twice = edit_ws(ws, [[STEP, STEP.replace(strength=-0.25)]])
    torch.testing.assert_close(twice, ws + 0.75 * torch.tensor(STEP.direction))


def test_an_edited_picture_is_that_of_the_moved_w(tiny_generator: Generator) -> None:
    (recipe,) = wspace.recipes(seeds=[5])
    w = tiny_generator.mapping.w(wspace.latents(tiny_generator, [5]))[0]
    moved = (w + torch.tensor(STEP.direction)).tolist()
    by_edit = wspace.render(tiny_generator, [recipe.replace(edits=(STEP,))])
    by_w = wspace.render(tiny_generator, [recipe.replace(sources=(Source(w=tuple(moved)),))])
    assert (by_edit.pixels == by_w.pixels).all()
    plain = wspace.render(tiny_generator, [recipe])
    assert (by_edit.pixels != plain.pixels).any()


def test_truncation_comes_before_the_step(tiny_generator: Generator) -> None:
    (mean,) = wspace.recipes(seeds=[5], psi=0.0)
    (other,) = wspace.recipes(seeds=[6], psi=0.0)
    edited = [recipe.replace(edits=(STEP,)) for recipe in (mean, other)]
    pixels = wspace.render(tiny_generator, [*edited, mean]).pixels
    assert (pixels[0] == pixels[1]).all()
    assert (pixels[0] != pixels[2]).any()


def test_mixing_keeps_the_edits_of_the_first_picture() -> None:
    first, second = wspace.recipes(seeds=[1, 2])
    mixed = mix_recipes(first.replace(edits=(STEP,)), second, [0, 1], 6)
    assert mixed.edits == (STEP,)
    assert mix_recipes(first, second.replace(edits=(STEP,)), [0, 1], 6).edits == ()


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (Edit(direction=(1.0,), name="hat"), "'hat' has 1 numbers"),
        (STEP.replace(layers=(6,)), "names layer 6"),
    ],
)
def test_edits_of_another_model_are_refused(
    tiny_generator: Generator, edit: Edit, says: str
) -> None:
    (recipe,) = wspace.recipes(seeds=[5])
    with pytest.raises(WspaceError, match=says):
        wspace.render(tiny_generator, [recipe.replace(edits=(edit,))])
