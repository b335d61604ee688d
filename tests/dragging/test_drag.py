"""Dragging, where what a drag should do is known; and on tiny networks of all three kinds."""

from __future__ import annotations

import copy
import math
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from one_of_each_generation import KINDS, make_generator
from shifting_generator import SHIFT, make_shifting_generator
from tiny_generators import make_tiny_generator

import wspace
from wspace.dragging.drag import DragConfig, DragState, drag
from wspace.errors import WspaceError
from wspace.networks.build import build_generator
from wspace.networks.config import AdaINConfig, GeneratorConfig, MappingConfig
from wspace.networks.generator import Generator
from wspace.recipe.png import read_document
from wspace.recipe.recipe import Edit, NoiseSettings, Recipe, Source
from wspace.rendering.reproduce import compare, remake

MOVE = ((5.0, 6.0), (9.0, 6.0))


def tiny(kind: str) -> Generator:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        generator = make_generator(kind).requires_grad_(False)
    if kind == "alias-free":
        generator.synthesis.output_scale = 4.0  # or bytes would not show what changes
    return generator


def recipe_of(seed: int = 1, **more: Any) -> Recipe:
    (recipe,) = wspace.recipes(seeds=[seed], **more)
    return recipe


def last_of(generator: Generator, recipe: Recipe, moves: Any, **more: Any) -> DragState:
    return list(drag(generator, recipe, moves, **more))[-1]


def shift_of(recipe: Recipe, size: int = 32) -> tuple[float, float]:
    """Where the picture lies, in pixels."""
    w = recipe.sources[recipe.layer_sources[0] if recipe.layer_sources else 0].w
    assert w is not None
    return w[0] * SHIFT * size, w[1] * SHIFT * size


@pytest.mark.parametrize("target", [(20.0, 14.0), (16.0, 9.0)])
def test_a_picture_that_w_shifts_is_shifted_by_what_a_point_is_dragged(target: Any) -> None:
    generator = make_shifting_generator()
    start = Recipe(sources=(Source(w=(0.0, 0.0, 0.0, 0.0)),))
    config = DragConfig(layers=(0,), features=3, settle=5)
    last = last_of(generator, start, [((16.0, 14.0), target)], config=config)
    assert last.arrived
    assert math.dist(shift_of(last.recipe), (target[0] - 16, target[1] - 14)) < 2


def test_several_points_go_where_they_should_together() -> None:
    generator = make_shifting_generator()
    start = Recipe(sources=(Source(w=(0.0, 0.0, 0.0, 0.0)),))
    moves = [((10.0, 10.0), (13.0, 10.0)), ((20.0, 22.0), (23.0, 22.0))]
    config = DragConfig(layers=(0,), features=3, settle=5)
    last = last_of(generator, start, moves, config=config)
    assert last.arrived
    assert [end for _, end in last.moves] == [end for _, end in moves]
    assert math.dist(shift_of(last.recipe), (3, 0)) < 2


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_network_goes_towards_the_target(kind: str) -> None:
    generator = tiny(kind)
    states = list(drag(generator, recipe_of(), [MOVE], config=DragConfig(steps=8)))
    assert states[0].step == 0
    assert states[0].moves == (MOVE,)
    assert len(states) == states[-1].step + 1 <= 9
    assert states[-1].arrived or states[-1].step == 8
    assert (states[0].pixels != states[-1].pixels).any()


@pytest.mark.parametrize("kind", KINDS)
def test_the_recipe_of_each_state_draws_its_picture(kind: str) -> None:
    generator = tiny(kind)
    noise = {} if kind == "alias-free" else {"noise": NoiseSettings(mode="seeded", seed=5)}
    edit = Edit(direction=(0.3,) * 8, layers=(1, 4))
    channel = Edit(channels=((0, 1, 0.5), (3, 2, -0.5)))
    recipe = recipe_of(psi=0.7, **noise).replace(edits=(edit, channel))
    states = list(drag(generator, recipe, [MOVE], config=DragConfig(steps=3)))
    made = wspace.render(generator, [state.recipe for state in states], batch_size=1).pixels
    assert states[0].recipe == recipe
    assert states[-1].recipe.edits == recipe.edits
    assert states[-1].recipe.noise == recipe.noise
    for state, pixels in zip(states, made, strict=True):
        difference = np.abs(state.pixels.astype(int) - pixels.astype(int))
        assert difference.max() <= 1


def test_a_dragged_picture_is_made_again_from_its_png(
    tiny_generator: Generator, tmp_path: Path
) -> None:
    recipe = recipe_of(psi=0.6)
    last = last_of(tiny_generator, recipe, [MOVE], config=DragConfig(steps=4))
    (path,) = wspace.render(tiny_generator, [last.recipe]).save(tmp_path)
    document = read_document(path)
    comparison = compare(document, path, remake(document, tiny_generator))
    assert comparison.largest == 0


def test_layers_that_may_not_change_keep_seed_psi_and_class(
    conditional_generator: Generator,
) -> None:
    recipe = recipe_of(psi=0.6, cutoff=5, class_index=2)
    config = DragConfig(steps=2, layers=(1, 2))
    last = last_of(conditional_generator, recipe, [MOVE], config=config).recipe
    assert last.psi == (0.6, 1.0, 1.0, 0.6, 0.6, 1.0)
    assert last.layer_sources is not None
    kept = {last.sources[last.layer_sources[layer]] for layer in (0, 3, 4, 5)}
    assert kept == {Source(seed=1, class_index=2)}
    assert all(last.sources[last.layer_sources[layer]].w for layer in (1, 2))


def test_a_mask_holds_the_rest(tiny_generator: Generator) -> None:
    mask = np.zeros((16, 16), dtype=bool)
    mask[3:11, 3:13] = True

    def changed(**more: Any) -> float:
        config = DragConfig(steps=25, near=0, mask_weight=20)
        states = list(drag(tiny_generator, recipe_of(), [MOVE], config=config, **more))
        held = states[-1].pixels[~mask].astype(float) - states[0].pixels[~mask]
        return float(np.abs(held).mean())

    assert changed(mask=mask) < 0.5 * changed()


def test_a_mask_that_holds_nothing_is_none(tiny_generator: Generator) -> None:
    config = DragConfig(steps=3)
    everywhere = np.ones((16, 16), dtype=bool)
    with_mask = last_of(tiny_generator, recipe_of(), [MOVE], mask=everywhere, config=config)
    assert with_mask.recipe == last_of(tiny_generator, recipe_of(), [MOVE], config=config).recipe


def test_who_has_seen_enough_stops_and_goes_back(tiny_generator: Generator) -> None:
    config = DragConfig(steps=50, near=0)
    states = list(islice(drag(tiny_generator, recipe_of(), [MOVE], config=config), 4))
    assert [state.step for state in states] == [0, 1, 2, 3]
    back = states[1]
    again = next(drag(tiny_generator, back.recipe, back.moves, config=config))
    assert again.recipe == back.recipe
    assert np.abs(again.pixels.astype(int) - back.pixels).max() <= 1


def test_a_drag_is_the_same_each_time(tiny_generator: Generator) -> None:
    config = DragConfig(steps=3)
    one, other = (last_of(tiny_generator, recipe_of(), [MOVE], config=config) for _ in range(2))
    assert one.recipe == other.recipe
    assert one.moves == other.moves


def test_weights_that_change_between_drags_are_seen(loaded_generator: Generator) -> None:
    def dragged(generator: Generator) -> tuple[float, ...]:
        last = last_of(generator, recipe_of(), [MOVE], config=DragConfig(steps=2))
        return last.recipe.sources[0].w or ()

    before = dragged(loaded_generator)
    with torch.no_grad():
        loaded_generator.mapping.get_parameter("fc1.weight").mul_(1.5)
    after = dragged(loaded_generator)
    assert after == pytest.approx(dragged(copy.deepcopy(loaded_generator)), abs=1e-4)
    assert after != pytest.approx(before, abs=1e-2)


def test_a_point_that_is_near_has_arrived(tiny_generator: Generator) -> None:
    move = ((5.0, 5.0), (5.5, 5.0))
    (only,) = drag(tiny_generator, recipe_of(), [move], config=DragConfig(near=1, settle=0))
    assert only.arrived
    assert only.distance == 0.5
    assert only.points == ((5.0, 5.0),)
    settled = list(drag(tiny_generator, recipe_of(), [move], config=DragConfig(near=99, settle=3)))
    assert [state.step for state in settled] == [0, 1, 2, 3]
    assert all(state.arrived for state in settled)


def test_no_weight_of_the_model_moves_and_it_may_learn_on(loaded_generator: Generator) -> None:
    loaded_generator.requires_grad_(True)
    before = {k: v.clone() for k, v in loaded_generator.state_dict().items()}
    list(drag(loaded_generator, recipe_of(), [MOVE], config=DragConfig(steps=3)))
    assert all((before[k] == v).all() for k, v in loaded_generator.state_dict().items())
    for parameter in loaded_generator.parameters():
        assert parameter.requires_grad
        assert parameter.grad is None


def test_gradients_are_as_they_were_between_the_steps(tiny_generator: Generator) -> None:
    for wanted in (True, False):
        with torch.set_grad_enabled(wanted):
            for _ in drag(tiny_generator, recipe_of(), [MOVE], config=DragConfig(steps=2)):
                assert torch.is_grad_enabled() is wanted
    with torch.inference_mode():
        assert last_of(tiny_generator, recipe_of(), [MOVE], config=DragConfig(steps=2)).step == 2


def test_pictures_with_alpha_and_rectangles_are_dragged(alpha_generator: Generator) -> None:
    last = last_of(alpha_generator, recipe_of(), [MOVE], config=DragConfig(steps=2))
    assert last.pixels.shape == (16, 16, 4)
    wide = make_tiny_generator(0, resolution=(16, 32))
    last = last_of(wide, recipe_of(), [((28.0, 6.0), (31.0, 6.0))], config=DragConfig(steps=2))
    assert last.pixels.shape == (16, 32, 3)
    assert last.step == 2


@pytest.mark.parametrize(
    ("resolution", "changed"), [(16, range(3)), (32, range(5)), (64, range(6)), (256, range(6))]
)
def test_the_first_layers_change_unless_others_are_named(resolution: int, changed: range) -> None:
    blocks = resolution.bit_length() - 2
    config = GeneratorConfig(
        architecture="adain",
        resolution=resolution,
        z_dim=4,
        w_dim=4,
        mapping=MappingConfig(num_layers=1),
        synthesis=AdaINConfig(channels=(4,) * blocks),
    )
    generator = build_generator(config).eval()
    moves = [((5.0, 6.0), (12.0, 6.0))]
    last = last_of(generator, recipe_of(), moves, config=DragConfig(steps=1)).recipe
    assert last.layer_sources is not None
    own = [last.sources[source].w is not None for source in last.layer_sources]
    assert own == [layer in changed for layer in range(generator.num_ws)]


@pytest.mark.parametrize(
    ("moves", "says"),
    [
        ([((16, 3), (4, 4))], "point 16,3 is outside the picture: give 0,0 to 15,15"),
        ([((3, 3), (4, -1))], "point 4,-1 is outside"),
        ([((3, float("nan")), (4, 4))], "outside"),
        ([((3, 3), (3, 3))], "point 3,3 is dragged to where it is"),
        ([((3, 3), (5, 5)), ((3, 3), (9, 9))], "point 3,3 is dragged twice"),
        ([((3, 3), (5, 5)), ((4, 3), (5, 5))], "point 5,5 is to be reached twice"),
        ([], "0 points to drag"),
    ],
)
def test_points_that_cannot_be_dragged_are_refused_at_once(
    tiny_generator: Generator, moves: Any, says: str
) -> None:
    with pytest.raises(WspaceError, match=says):
        drag(tiny_generator, recipe_of(), moves)


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        (np.ones((16, 8), dtype=bool), "the mask is 8 x 16 of bool, the picture 16 x 16"),
        (np.ones((16, 16), dtype=np.uint8), "uint8"),
        (np.zeros((16, 16), dtype=bool), "lets nothing move"),
    ],
)
def test_masks_that_do_not_fit_are_refused(tiny_generator: Generator, mask: Any, says: str) -> None:
    with pytest.raises(WspaceError, match=says):
        drag(tiny_generator, recipe_of(), [MOVE], mask=mask)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"features": 6}, "features=6 is no layer whose maps can be followed"),
        ({"layers": (2, 6)}, "layer 6 does not exist"),
        ({"layers": (4, 5), "features": 3}, "no layer from 4 on changes the maps"),
    ],
)
def test_layers_that_do_not_fit_are_refused(
    tiny_generator: Generator, config: Any, says: str
) -> None:
    with pytest.raises(WspaceError, match=says):
        drag(tiny_generator, recipe_of(), [MOVE], config=DragConfig(**config))


def test_a_recipe_of_another_model_is_refused(tiny_generator: Generator) -> None:
    with pytest.raises(WspaceError, match="w has 3 numbers"):
        drag(tiny_generator, Recipe(sources=(Source(w=(1.0, 2.0, 3.0)),)), [MOVE])


@pytest.mark.parametrize(
    "change", [{"steps": 0}, {"near": -1.0}, {"rate": 0.0}, {"fidelity": 2.0}, {"layers": ()}]
)
def test_settings_are_checked(change: dict[str, Any]) -> None:
    with pytest.raises(WspaceError, match="drag: "):
        DragConfig(**change)
