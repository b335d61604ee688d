"""Steps in W: which layers take them, and what they leave alone."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

import wspace
from wspace.errors import WspaceError
from wspace.networks.generator import Generator
from wspace.recipe.mixing import mix_recipes
from wspace.recipe.recipe import Edit, Source
from wspace.steering.editing import check_touches, edit_ws, offsets_of_edits, styles_of

BLUE = Edit(channels=((2, 7, 0.5), (5, 0, -3.0)), name="blue")  # styles 2 and 5
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


def test_channels_move_their_styles_of_their_picture_alone(tiny_generator: Generator) -> None:
    twice = [BLUE.replace(strength=2.0), BLUE.replace(layers=(5,)), STEP]
    offsets = offsets_of_edits(tiny_generator, [[], twice])
    assert offsets is not None
    styles = styles_of(tiny_generator, torch.randn(2, 6, 8))
    assert [o.shape for o in offsets] == [s.shape for s in styles]
    assert all((offset[0] == 0).all() for offset in offsets)
    found = {
        (style, channel): float(offset[1, channel])
        for style, offset in enumerate(offsets)
        for channel in offset[1].nonzero()[:, 0].tolist()
    }
    assert found == {(2, 7): 1.0, (5, 0): -9.0}
    assert offsets_of_edits(tiny_generator, [[STEP], []]) is None


def test_an_edited_picture_is_that_of_the_moved_styles(tiny_generator: Generator) -> None:
    (recipe,) = wspace.recipes(seeds=[5])
    moved = copy.deepcopy(tiny_generator)
    for style, channel, amount in BLUE.channels or ():
        moved.affine_layers[style][1].bias[channel] += 1.5 * amount
    edit = BLUE.replace(strength=1.5)
    by_edit = wspace.render(tiny_generator, [recipe.replace(edits=(edit,))]).pixels.astype(int)
    by_bias = wspace.render(moved, [recipe]).pixels.astype(int)
    assert abs(by_edit - by_bias).max() <= 1
    assert (abs(by_edit - wspace.render(tiny_generator, [recipe]).pixels) > 8).any()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_neighbour_with_an_edit_in_style_space_changes_nothing(
    tiny_generator: Generator, precision: Any
) -> None:
    recipes = wspace.recipes(seeds=[1, 2, 3], precision=precision)
    edited = [recipes[0], recipes[1].replace(edits=(BLUE,)), recipes[2]]
    plain, beside = (wspace.render(tiny_generator, some).pixels for some in (recipes, edited))
    assert (plain[[0, 2]] == beside[[0, 2]]).all()
    assert (plain[1] != beside[1]).any()


def test_each_layer_of_a_mixture_brings_its_edits() -> None:
    first, second = wspace.recipes(seeds=[1, 2])
    edited = first.replace(edits=(STEP,))
    mixed = mix_recipes(edited, second, [0, 1], 6)
    assert mixed.edits == (STEP.replace(layers=(2, 3, 4, 5)),)
    mixed = mix_recipes(first, second.replace(edits=(STEP.replace(layers=(1, 5)),)), [0, 1], 6)
    assert mixed.edits == (STEP.replace(layers=(1,)),)
    same = mix_recipes(edited, second.replace(edits=(STEP,)), [0, 1], 6)
    assert same.edits == (STEP,)


def test_a_mixture_of_edited_pictures_has_the_styles_of_both(tiny_generator: Generator) -> None:
    first, second = wspace.recipes(seeds=[1, 2])
    first = first.replace(psi=0.7, edits=(STEP, BLUE))
    second = second.replace(psi=0.5, cutoff=1, edits=(BLUE.replace(strength=-2.0),))
    mixed = mix_recipes(first, second, [0, 1, 2], 6)
    assert mixed.psi == (0.5, 1.0, 1.0, 0.7, 0.7, 0.7)
    wspace.render(tiny_generator, [mixed])
    offsets = offsets_of_edits(tiny_generator, [mixed.edits])
    assert offsets is not None
    assert (float(offsets[2][0, 7]), float(offsets[5][0, 0])) == (-1.0, -3.0)


def test_an_edit_that_does_nothing_where_it_is_asked_for_is_refused(
    tiny_generator: Generator,
) -> None:
    check_touches(tiny_generator, [BLUE, BLUE.replace(layers=(0, 5)), STEP.replace(layers=(0,))])
    with pytest.raises(WspaceError, match=r"'blue' changes .* 2,5, and .* layers 0,1: that does"):
        check_touches(tiny_generator, [BLUE.replace(layers=(0, 1))])


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (Edit(direction=(1.0,), name="hat"), "'hat' has 1 numbers"),
        (STEP.replace(layers=(6,)), "names layer 6"),
        (Edit(channels=((6, 0, 1.0),)), "channel 0 of style 6: this model has 6"),
        (Edit(channels=((5, 8, 1.0),), name="hat"), "'hat' names channel 8 of style 5.*has 8"),
    ],
)
def test_edits_of_another_model_are_refused(
    tiny_generator: Generator, edit: Edit, says: str
) -> None:
    (recipe,) = wspace.recipes(seeds=[5])
    with pytest.raises(WspaceError, match=says):
        wspace.render(tiny_generator, [recipe.replace(edits=(edit,))])
