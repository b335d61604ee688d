"""Exported graphs draw what wspace draws: every kind of network, batch, opset and weight type."""

from __future__ import annotations

from typing import get_args

import numpy as np
import onnx
import pytest
import torch
from network_kinds import KINDS, generator_of_kind

from wspace.exporting import operators
from wspace.exporting.check import Sessions, agreement, draw, trial_recipes
from wspace.exporting.facts import facts_of
from wspace.exporting.graph import NEWEST_OPSET, OLDEST_OPSET, WeightType
from wspace.exporting.graphs import ABOUT, graphs_of
from wspace.exporting.networks import style_widths
from wspace.formats.directions import Direction
from wspace.images import to_uint8
from wspace.networks.generator import Generator
from wspace.ops.filtered_lrelu import upsample_axis
from wspace.recipe.recipe import Edit, Recipe, Source


def sessions_of(
    generator: Generator, weights: WeightType = "float32", *, opset: int = 17
) -> Sessions:
    made = {}
    for name, graph in graphs_of(generator, weights).items():
        model = graph.model(opset, {}, ABOUT[name])
        onnx.checker.check_model(model, full_check=True)
        assert {node.domain for node in model.graph.node} == {""}, "an operator of no standard"
        made[name] = model.SerializeToString()
    return Sessions(made)


@pytest.mark.parametrize("kind", KINDS)
def test_100_recipes_draw_the_same_pictures_in_float32(kind: str) -> None:
    generator = generator_of_kind(kind)
    sessions = sessions_of(generator)
    recipes = trial_recipes(generator, 100)
    found = agreement(generator, sessions, recipes)
    assert found.pictures == 100
    assert found.largest < 2, found
    assert found.psnr > 60, found
    whole = agreement(generator, sessions, recipes[::2], whole=True)
    assert whole.largest < 2, whole


@pytest.mark.parametrize("kind", ["adain, classes", "demodulated, resnet", "alias-free, t"])
def test_random_pictures_are_no_flat_ones(kind: str) -> None:
    generator = generator_of_kind(kind)
    sessions = sessions_of(generator)
    a, b = (draw(sessions, generator, recipe) for recipe in trial_recipes(generator, 2))
    assert a.std() > 5, "flat"
    assert np.abs(a.astype(float) - b).mean() > 2, "all the same"


@pytest.mark.parametrize("kind", ["adain, alpha", "demodulated", "alias-free, t"])
def test_filters_as_transposed_convolutions_do_the_same(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operators, "_MATRIX_SIDE", 0)
    generator = generator_of_kind(kind)
    found = agreement(generator, sessions_of(generator), trial_recipes(generator, 10))
    assert found.largest < 2, found


@pytest.mark.parametrize("opset", [OLDEST_OPSET, 18, 21, NEWEST_OPSET])
@pytest.mark.parametrize(
    "kind", ["adain, growing", "adain, alpha", "demodulated, sigmoid", "alias-free, t"]
)
def test_every_opset_draws_the_same(kind: str, opset: int) -> None:
    generator = generator_of_kind(kind)
    sessions = sessions_of(generator, opset=opset)
    found = agreement(generator, sessions, trial_recipes(generator, 4))
    assert found.largest < 2, found


@pytest.mark.parametrize("kind", ["adain, classes", "demodulated, alpha, classes", "alias-free, t"])
@pytest.mark.parametrize("batch", [1, 5])
def test_one_file_takes_any_batch(kind: str, batch: int) -> None:
    generator = generator_of_kind(kind)
    sessions = sessions_of(generator)
    random = torch.Generator().manual_seed(batch)
    z = torch.randn(batch, generator.z_dim, generator=random)
    classes = torch.arange(batch) % max(generator.num_classes, 1)
    c = None
    given = {"z": z.numpy()}
    if generator.num_classes:
        c = torch.nn.functional.one_hot(classes, generator.num_classes).float()
        given["class"] = classes.numpy()
    w = sessions("mapping", **given)["w"]
    np.testing.assert_allclose(w, generator.mapping.w(z, c), rtol=1e-4, atol=1e-5)
    psi = torch.linspace(0.2, 1, batch)[:, None]  # one a picture
    ws = torch.lerp(generator.w_avg, torch.from_numpy(w), psi)[:, None]
    ws = ws.expand(-1, generator.num_ws, -1).contiguous()
    noise = [torch.randn(batch, 1, *s, generator=random) for s in generator.noise_shapes]
    maps = {f"noise_{i}": m.numpy() for i, m in enumerate(noise)}
    offsets = 0.3 * torch.randn(batch, sum(style_widths(generator)), generator=random)
    drawn = sessions("synthesis", ws=ws.numpy(), **maps, style_offsets=offsets.numpy())
    own = offsets.split(style_widths(generator), dim=1)
    image = generator.synthesis(ws, noise, style_offsets=own)
    np.testing.assert_allclose(drawn["image"], image, rtol=1e-3, atol=1e-3)
    assert drawn["picture"].shape == (batch, *generator.size, generator.image_channels)
    assert drawn["picture"].dtype == np.uint8
    whole = sessions("whole", **given, psi=psi.numpy())["picture"]
    expected = to_uint8(generator.synthesis(ws))[..., -1]  # alpha, or a colour that has none
    difference = whole[..., -1].astype(int) - expected.numpy().astype(int)
    assert np.abs(difference).max() <= 1


def test_one_noise_map_serves_a_whole_batch_and_zeros_are_no_noise() -> None:
    generator = generator_of_kind("demodulated")
    sessions = sessions_of(generator)
    ws = torch.randn(3, generator.num_ws, generator.w_dim)
    stored = sessions("defaults")
    for number, stored_map in enumerate(generator.const_noise):
        np.testing.assert_array_equal(stored[f"noise_{number}"], stored_map)
    drawn = sessions("synthesis", ws=ws.numpy(), **stored)["image"]
    np.testing.assert_allclose(drawn, generator.synthesis(ws), rtol=1e-3, atol=1e-3)
    zeros = {name: np.zeros_like(value) for name, value in stored.items()}
    assert not stored["style_offsets"].any()
    drawn = sessions("synthesis", ws=ws.numpy(), **zeros)["image"]
    np.testing.assert_allclose(drawn, generator.synthesis(ws, "none"), rtol=1e-3, atol=1e-3)


def test_psi_may_differ_from_layer_to_layer() -> None:
    generator = generator_of_kind("adain")
    curve = tuple(np.linspace(0, 1, generator.num_ws).tolist())
    recipe = Recipe(sources=(Source(seed=3),), psi=curve)
    found = agreement(generator, sessions_of(generator), [recipe], whole=True)
    assert found.largest < 2


@pytest.mark.parametrize(("weights", "least"), [("float16", 45.0), ("int16", 50.0), ("int8", 25.0)])
@pytest.mark.parametrize("kind", ["adain", "demodulated, alpha, classes", "alias-free, t"])
def test_smaller_weights_keep_the_pictures(
    kind: str, weights: WeightType, least: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wspace.exporting.graph._MANY", 16)  # so that small networks have some
    generator = generator_of_kind(kind)
    exact, small = (
        sum(len(graph.model(17, {}, "").SerializeToString()) for graph in made.values())
        for made in (graphs_of(generator), graphs_of(generator, weights))
    )
    found = agreement(generator, sessions_of(generator, weights), trial_recipes(generator, 20))
    assert found.psnr > least, found
    assert small < exact


@pytest.mark.parametrize("weights", get_args(WeightType))
def test_trained_weights_lose_little(weights: WeightType) -> None:
    import wspace

    generator = wspace.load("clothes")
    least = {"float32": 70, "int16": 68, "float16": 55, "int8": 45}[weights]
    found = agreement(generator, sessions_of(generator, weights), trial_recipes(generator, 12))
    assert found.psnr > least, found


def test_a_picture_with_other_weights_is_told_apart() -> None:
    generator, other = (generator_of_kind("adain", seed=seed) for seed in (0, 1))
    found = agreement(generator, sessions_of(other), trial_recipes(generator, 4))
    assert found.largest > 20
    assert found.psnr < 30


def test_a_matrix_enlarges_as_the_filter_does() -> None:
    line = torch.tensor([0.1, 0.4, 0.3, 0.2])
    matrix = operators.upsampling_matrix(line, 5, up=2, before=3, after=-2)
    x = torch.randn(1, 2, 3, 5)
    expected = upsample_axis(x, line, 2, 3, -2, axis=3)
    torch.testing.assert_close(x @ matrix, expected)


def test_facts_say_what_a_program_needs() -> None:
    generator = generator_of_kind("adain, classes")
    facts = facts_of(generator, {"licence": "MIT", "training": {"long": 1}}, {})
    assert facts["num_ws"] == 6
    assert facts["layer_groups"] == {"coarse": [0, 1, 2, 3], "middle": [4, 5], "fine": []}
    assert np.array_equal(np.float32(facts["w_avg"]), generator.w_avg.numpy())
    means = generator.mapping.class_w_avg
    assert means is not None
    assert np.array_equal(np.float32(facts["class_w_avg"]), means.numpy())
    assert facts["metadata"] == {"licence": "MIT"}
    assert [one["layer"] for one in facts["noise"]] == list(range(6))
    assert facts["config"] == generator.config.to_dict()
    assert [one["layer"] for one in facts["styles"]] == list(range(6))
    assert [one["channels"] for one in facts["styles"]] == [24, 24, 16, 16, 16, 16]
    assert [one["first"] for one in facts["styles"]] == [0, 24, 48, 64, 80, 96]


def test_directions_are_facts_in_w_and_in_style_space() -> None:
    directions = {
        "up": Direction(edit=Edit(direction=(0.1,) * 12, layers=(1, 2), name="up"), about="mine"),
        "red": Direction(edit=Edit(channels=((3, 5, 0.5),), name="red")),
    }
    up, red = facts_of(generator_of_kind("adain"), {}, directions)["directions"]
    assert up == {
        "name": "up",
        "about": "mine",
        "layers": (1, 2),
        "direction": [0.1] * 12,
        "channels": None,
    }
    assert (red["direction"], red["channels"]) == (None, ((3, 5, 0.5),))
