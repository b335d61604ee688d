from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import wspace
from wspace.errors import WspaceError
from wspace.networks.generator import Generator
from wspace.recipe.noise_maps import map_to_text
from wspace.recipe.recipe import NoiseSettings
from wspace.steering.noise import NoiseInputs, check_noise, seeded_map

CONST, NONE = NoiseSettings(), NoiseSettings(mode="none")


def rendered(generator: Generator, *settings: NoiseSettings) -> Any:
    (recipe,) = wspace.recipes(seeds=[1])
    return wspace.render(generator, [recipe.replace(noise=s) for s in settings]).pixels


def test_a_seeded_map_is_the_same_in_every_release_of_numpy_and_torch() -> None:
    drawn = seeded_map(3, 2, 4, 4)
    expected = np.random.RandomState([3, 2]).randn(4, 4).astype(np.float32)
    np.testing.assert_array_equal(drawn[0, 0].numpy(), expected)
    assert drawn[0, 0, 0, 0].item() == pytest.approx(expected[0, 0])


def test_seeds_and_layers_have_maps_of_their_own() -> None:
    maps = [seeded_map(seed, layer, 8, 8) for seed in (0, 1, 2**32 - 1) for layer in (0, 1)]
    for i, one in enumerate(maps):
        assert not any(torch.equal(one, other) for other in maps[i + 1 :])


def test_strength_zero_is_no_noise(tiny_generator: Generator) -> None:
    zero, none, const = rendered(tiny_generator, NoiseSettings(strength=0.0), NONE, NoiseSettings())
    assert (zero == none).all()
    assert (const != none).any()


def test_what_fills_a_batch_does_not_change_a_picture(tiny_generator: Generator) -> None:
    settings = [
        CONST,
        NONE,
        NoiseSettings(mode="seeded", seed=5),
        NoiseSettings(strength=(0.5, 1, 2, 0, 1, 3)),
        NoiseSettings(mode=("const", "seeded", "none") * 2, seed=(1, 2, 3, 4, 5, 6)),
    ]
    together = rendered(tiny_generator, *settings)
    for one, picture in zip(settings, together, strict=True):
        assert (rendered(tiny_generator, *[one] * 5)[0] == picture).all()
    assert len({picture.tobytes() for picture in together}) == 5


def test_strength_multiplies_the_map(tiny_generator: Generator) -> None:
    inputs = NoiseInputs(tiny_generator)
    maps = inputs.of([NoiseSettings(mode="seeded", seed=5, strength=2.5)], torch.float32)
    assert not isinstance(maps, str)
    for layer, (found, shape) in enumerate(zip(maps, tiny_generator.noise_shapes, strict=True)):
        torch.testing.assert_close(found, 2.5 * seeded_map(5, layer, *shape))


def test_layers_differ_where_asked_and_pictures_share_equal_maps(
    tiny_generator: Generator,
) -> None:
    modes = ("none", "none", "seeded", "const", "const", "none")
    settings = NoiseSettings(mode=modes, seed=3)
    maps = NoiseInputs(tiny_generator).of([settings, settings, CONST], torch.float32)
    assert not isinstance(maps, str)
    assert [None if m is None else len(m) for m in maps] == [3, 3, 3, 1, 1, 3]
    assert not maps[0][:2].any()  # type: ignore[index]
    assert torch.equal(maps[0][2:], tiny_generator.const_noise[0])  # type: ignore[index]


def test_plain_settings_need_no_maps(tiny_generator: Generator) -> None:
    inputs = NoiseInputs(tiny_generator)
    assert inputs.of([CONST, CONST], torch.float32) == "const"
    assert inputs.of([NONE, NoiseSettings(strength=0.0)], torch.float32) == "none"


@pytest.mark.parametrize(
    "settings",
    [NoiseSettings(mode="seeded"), NoiseSettings(strength=2.0), NoiseSettings(mode=("const",) * 6)],
)
def test_noise_asked_of_a_network_without_noise_inputs_is_an_error(
    tiny_generator: Generator, settings: NoiseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(tiny_generator), "const_noise", [])
    with pytest.raises(WspaceError, match="no noise inputs"):
        check_noise(tiny_generator, settings)
    check_noise(tiny_generator, CONST)
    check_noise(tiny_generator, NONE)


def test_a_map_has_a_seed_and_a_layer() -> None:
    for seed, layer in ((-1, 0), (2**32, 0), (0, -1)):
        with pytest.raises(WspaceError, match="outside 0 to"):
            seeded_map(seed, layer, 4, 4)


def given(shapes: Any, **more: Any) -> NoiseSettings:
    """Maps of these shapes, None for none."""
    random = np.random.RandomState(0)
    texts = tuple(None if s is None else map_to_text(random.randn(*s)) for s in shapes)
    return NoiseSettings(maps=texts, **{"mode": "given"} | more)


def test_given_maps_are_added_in_their_layers(tiny_generator: Generator) -> None:
    shapes = list(tiny_generator.noise_shapes)
    shapes[2] = None  # type: ignore[call-overload]
    settings = given(shapes, mode=("given", "given", "none", "given", "const", "given"))
    check_noise(tiny_generator, settings)
    maps = NoiseInputs(tiny_generator).of([settings, CONST], torch.float32)
    random = np.random.RandomState(0)
    first = random.randn(4, 4).astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(maps[0][0, 0], first)  # type: ignore[index]
    assert torch.equal(maps[0][1:], tiny_generator.const_noise[0])  # type: ignore[index]
    assert not maps[2][0].any()  # type: ignore[index]
    assert torch.equal(maps[4], tiny_generator.const_noise[4])  # type: ignore[arg-type]
    modes = ("given",) * 2 + ("const",) * 4
    louder = given([*shapes[:2], *[None] * 4], strength=2.0, mode=modes)
    doubled = NoiseInputs(tiny_generator).of([louder], torch.float32)
    np.testing.assert_array_equal(doubled[0][0, 0], 2 * first)  # type: ignore[index]


@pytest.mark.parametrize(
    ("shapes", "says"),
    [
        ([(4, 4)] * 5, "5 maps: this model has 6 layers"),
        ([(4, 4)] * 6, "map of layer 2 has 16 values, this model's has 8 x 8"),
        ([None] * 6, "map of layer 0 has 0 values"),
    ],
)
def test_maps_of_another_model_are_refused(
    tiny_generator: Generator, shapes: Any, says: str
) -> None:
    with pytest.raises(WspaceError, match=says):
        rendered(tiny_generator, given(shapes))
