"""Features of pictures with alpha: nothing that is seen escapes them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from wspace.metrics.features.extractor import Extractor
from wspace.metrics.features.transparent import TransparentExtractor, for_channels


class Colours(Extractor):
    """The pixels themselves, so that the test knows what is right."""

    name, rule, id, dim = "colours", "as they are", "colours", 3 * 4

    def __init__(self) -> None:
        super().__init__("cpu", 2)

    def features_of(self, pixels: Tensor) -> Tensor:
        assert pixels.shape[1:] == (3, 2, 2)
        assert pixels.dtype == torch.uint8
        return pixels.flatten(1).float()


@pytest.fixture
def both() -> Extractor:
    return for_channels(Colours(), 4)


def square(*values: int) -> Tensor:
    return torch.tensor(values, dtype=torch.uint8)[None, :, None, None].repeat(1, 1, 2, 2)


def distance(extractor: Extractor, one: Tensor, other: Tensor) -> float:
    return float((extractor(one) - extractor(other)).norm())


def test_pictures_without_alpha_are_seen_as_ever() -> None:
    extractor = Colours()
    assert for_channels(extractor, 3) is extractor
    assert for_channels(extractor, 1) is extractor


def test_opaque_pictures_are_as_far_apart_as_without_alpha(both: Extractor) -> None:
    one, other = square(10, 200, 30), square(20, 0, 255)
    opaque = [torch.cat([pixels, torch.full((1, 1, 2, 2), 255)], 1) for pixels in (one, other)]
    expected = distance(Colours(), one, other)
    assert distance(both, *(p.to(torch.uint8) for p in opaque)) == pytest.approx(expected)
    assert both.dim == 2 * Colours.dim
    assert both(opaque[0].to(torch.uint8)).shape == (1, both.dim)


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_wrong_alpha_shows_whatever_the_colour(both: Extractor, grey: int) -> None:
    whole, half = square(grey, grey, grey, 255), square(grey, grey, grey, 128)
    assert distance(both, whole, half) > 100


def test_colours_that_nobody_sees_make_no_difference(both: Extractor) -> None:
    assert distance(both, square(0, 0, 0, 0), square(255, 9, 90, 0)) == 0
    assert distance(both, square(0, 0, 0, 10), square(250, 0, 0, 10)) > 0


def test_what_it_keeps_is_told_apart_from_the_others(both: Extractor) -> None:
    assert isinstance(both, TransparentExtractor)
    assert both.id != Colours.id
    assert Colours.id in both.id
