"""What augmentation does agrees with the release's numbers; what is drawn, with its rules."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import torch
from reference import load_reference
from torch import Tensor

from wspace.ops.bands import BANDS, filter_bank
from wspace.ops.warp import SYM6
from wspace.training.config import AUGMENT_SETS
from wspace.training.transforms import Transforms, draw_transforms, louder_band, transform

FACTS, TENSORS = load_reference("ada-augment")
TOLERANCE = 2e-5  # a tenth of what is suggested there


def at_percentile(kwargs: dict[str, Any], q: float, images: Tensor) -> Transforms:
    """What the release does where every draw is at the percentile ``q``."""
    n, _, height, width = images.shape
    normal = float(torch.erfinv(torch.tensor(2 * q - 1)))  # in units of the deviation, as there
    uniform = 2 * q - 1

    def all_of(value: float) -> Tensor:
        return torch.full((n,), float(value))

    shift = [round(uniform * kwargs.get("xint_max", 0.125) * side) for side in (width, height)]
    gains = torch.ones(n, BANDS)
    for band, on in enumerate(kwargs.get("imgfilter_bands", [1] * BANDS)):
        factor = all_of(2 ** (normal * kwargs.get("imgfilter_std", 1)))[:, None]
        gains = louder_band(gains, band, factor) if on else gains
    values = {
        "xflip": ("flip", all_of(1 - 2 * math.floor(2 * q))),
        "rotate90": ("quarter_turns", all_of(math.floor(4 * q))),
        "xint": ("shift", torch.tensor([shift] * n, dtype=torch.float32)),
        "scale": ("scale", all_of(2 ** (normal * kwargs.get("scale_std", 0.2)))),
        "rotate": ("turn", all_of(uniform * math.pi * kwargs.get("rotate_max", 1))),
        "aniso": ("stretch", all_of(2 ** (normal * 0.2))),
        "xfrac": ("slide", torch.tensor([[normal * 0.125 * s for s in (width, height)]] * n)),
        "brightness": ("brightness", all_of(normal * 0.2)),
        "contrast": ("contrast", all_of(2 ** (normal * 0.5))),
        "lumaflip": ("luma_flip", all_of(math.floor(2 * q))),
        "hue": ("hue", all_of(uniform * math.pi)),
        "saturation": ("saturation", all_of(2**normal)),
        "imgfilter": ("bands", gains),
        "cutout": ("hole", torch.tensor([[q, q, kwargs.get("cutout_size", 0.5)]] * n)),
    }
    return Transforms(**dict(values[name] for name in kwargs if name in values))


@pytest.mark.parametrize("case", FACTS["cases"], ids=lambda case: case["output"])
def test_the_release_s_pictures_come_out(case: dict[str, Any]) -> None:
    images = TENSORS[case["images"]]
    found = transform(images, at_percentile(case["kwargs"], case["debug_percentile"], images))
    torch.testing.assert_close(found, TENSORS[case["output"]], atol=TOLERANCE, rtol=0)


def test_the_filters_are_the_release_s() -> None:
    taps = torch.tensor(SYM6)
    torch.testing.assert_close(taps / taps.sum(), TENSORS["Hz_geom"])
    torch.testing.assert_close(filter_bank(), TENSORS["Hz_fbank"])


def pictures(n: int = 3, channels: int = 3, height: int = 8, width: int = 8) -> Tensor:
    return torch.randn(n, channels, height, width, generator=random()).clamp(-1, 1)


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_with_a_strength_of_nothing_nothing_happens() -> None:
    images = pictures(64)
    drawn = draw_transforms(images, 0.0, "bgcfnc", random())
    assert torch.equal(transform(images, dataclasses.replace(drawn, bands=None)), images)
    torch.testing.assert_close(drawn.bands, torch.ones(64, 4))


# of 20,000 pictures, where each happens to a fifth: how many differ, from what
SHARES = {
    "flip": (1.0, 0.1), "quarter_turns": (0.0, 0.15), "shift": (0.0, 0.2), "scale": (1.0, 0.2),
    "turn": (0.0, 1 - math.sqrt(0.8)), "stretch": (1.0, 0.2),
    "second_turn": (0.0, 1 - math.sqrt(0.8)), "slide": (0.0, 0.2), "brightness": (0.0, 0.2),
    "contrast": (1.0, 0.2), "luma_flip": (0.0, 0.1), "hue": (0.0, 0.2), "saturation": (1.0, 0.2),
    "bands": (1.0, 1 - 0.8**4), "noise": (0.0, 0.2), "hole": (0.0, 0.2),
}  # fmt: skip


def test_each_happens_as_often_as_asked_for() -> None:
    images = torch.zeros(20_000, 1, 64, 96)
    small = images[:, :, :1, :1]
    drawn = vars(draw_transforms(images, 0.2, "bgc", random()))
    drawn |= {
        name: value
        for name, value in vars(draw_transforms(small, 0.2, "bgcfnc", random(1))).items()
        if name in ("bands", "noise", "hole")
    }
    for name, (identity, expected) in SHARES.items():
        values = drawn[name][:, 2:] if name == "hole" else drawn[name].reshape(20_000, -1)
        share = float((values != identity).any(dim=1).float().mean())
        assert share == pytest.approx(expected, abs=0.012), name
    moved = drawn["shift"][drawn["shift"].any(dim=1)]
    assert moved.abs().amax(dim=0).tolist() == [12, 8]  # an eighth of 96 and 64
    assert torch.equal(moved, moved.round())


@pytest.mark.parametrize("strength", [1.0, 3.0])
def test_at_full_strength_all_happens_and_how_far_is_the_release_s(strength: float) -> None:
    drawn = draw_transforms(torch.zeros(20_000, 3, 1, 1), strength, "bgcfnc", random())
    deviations = {"scale": 0.2, "stretch": 0.2, "contrast": 0.5, "saturation": 1.0}
    for name, deviation in deviations.items():
        assert float(vars(drawn)[name].log2().std()) == pytest.approx(deviation, rel=0.02)
    assert drawn.brightness is not None
    assert float(drawn.brightness.std()) == pytest.approx(0.2, rel=0.02)
    for name in ("turn", "second_turn", "hue"):
        values = vars(drawn)[name]
        assert float(values.std()) == pytest.approx(math.pi / math.sqrt(3), rel=0.02)
        assert float(values.abs().max()) <= math.pi
    assert drawn.hole is not None
    assert set(drawn.hole[:, 2].tolist()) == {0.5}


def test_all_is_drawn_from_the_generator_that_is_given() -> None:
    images = pictures()
    torch.manual_seed(1)
    one = transform(images, draw_transforms(images, 0.7, "bgcfnc", random(5)))
    torch.manual_seed(2)
    assert torch.equal(one, transform(images, draw_transforms(images, 0.7, "bgcfnc", random(5))))
    other = transform(images, draw_transforms(images, 0.7, "bgcfnc", random(6)))
    assert not torch.equal(one, other)


@pytest.mark.parametrize("chosen", AUGMENT_SETS)
def test_sets_grow_letter_by_letter(chosen: str) -> None:
    drawn = vars(draw_transforms(pictures(), 0.5, chosen, random()))
    kinds = {"b": "flip", "g": "turn", "c": "hue", "f": "bands", "n": "noise"}
    expected = {name: letter in chosen for letter, name in kinds.items()}
    assert {name: drawn[name] is not None for name in expected} == expected
    assert (drawn["hole"] is not None) == (chosen == "bgcfnc")


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(("height", "width"), [(4, 4), (8, 16), (12, 5)])
def test_any_number_of_channels_and_any_sides(channels: int, height: int, width: int) -> None:
    images = pictures(4, channels, height, width).requires_grad_()
    found = transform(images, draw_transforms(images, 1.0, "bgcfnc", random()))
    assert found.shape == images.shape
    assert found.dtype == torch.float32
    (gradient,) = torch.autograd.grad(found.square().sum(), images, create_graph=True)
    (second,) = torch.autograd.grad(gradient.square().sum(), images)
    assert second.isfinite().all()
    assert second.abs().sum() > 0


@pytest.mark.parametrize("channels", [2, 4])
def test_colours_change_and_alpha_does_not(channels: int) -> None:
    images = pictures(2, channels)
    found = transform(images, Transforms(contrast=torch.full((2,), 0.5)))
    torch.testing.assert_close(found[:, :-1], images[:, :-1] / 2)
    assert torch.equal(found[:, -1], images[:, -1])


def test_a_picture_that_is_not_moved_keeps_every_bit_beside_one_that_is() -> None:
    images = pictures(2)
    found = transform(images, Transforms(turn=torch.tensor([0.0, 1.0])))
    assert torch.equal(found[0], images[0])
    assert not torch.equal(found[1], images[1])


def test_gradients_of_first_and_second_order_are_those_of_a_linear_map() -> None:
    images, seen = pictures(4).requires_grad_(), pictures(4)
    drawn = draw_transforms(images, 0.8, "bgcf", random())
    still = transform(torch.zeros_like(images), drawn)  # what does not depend on the pictures
    (gradient,) = torch.autograd.grad((transform(images, drawn) * seen).sum(), images)
    found = (gradient * images).sum() + (still * seen).sum()
    torch.testing.assert_close(found, (transform(images, drawn) * seen).sum())
    weight = seen.clone().requires_grad_()
    (again,) = torch.autograd.grad(
        (transform(images, drawn) * weight).sum(), images, create_graph=True
    )
    (second,) = torch.autograd.grad((again * images.detach()).sum(), weight)
    expected = transform(images, drawn) - still  # the map itself, by two adjoints
    torch.testing.assert_close(second, expected, atol=1e-5, rtol=1e-4)


def test_what_is_not_finite_stays_in_its_picture() -> None:
    images = pictures(4)
    images[1, 0, 2, 2] = torch.nan
    found = transform(images, draw_transforms(images, 1.0, "bgcfn", random()))
    assert found[[0, 2, 3]].isfinite().all()
    assert not found[1].isfinite().all()


def test_it_is_worked_out_in_full_precision_under_autocast() -> None:
    images = pictures()
    drawn = draw_transforms(images, 1.0, "bgcfnc", random())
    with torch.autocast("cpu", torch.bfloat16):
        found = transform(images, drawn)
    assert torch.equal(found, transform(images, drawn))
