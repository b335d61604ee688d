"""Perceptual path length where the answer is known: pictures that are linear in the latent."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from wspace.metrics.features.generators import Drawing
from wspace.metrics.path_length import (
    PerceptualDistance,
    generator_path_lengths,
    path_lengths,
    trimmed_mean,
)
from wspace.networks.generator import Generator


def squared(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square().sum(dim=(1, 2, 3))


def linear(matrix: Tensor) -> object:
    return lambda points: (points @ matrix.T).reshape(len(points), 3, 2, 2)


@pytest.fixture
def matrix() -> Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.randn(12, 5, generator=random, dtype=torch.float64)


def ends(count: int = 20) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(1)
    start, end = torch.randn(2, count, 5, generator=random, dtype=torch.float64)
    return start, end


def test_along_a_line_a_linear_generator_changes_by_the_length_of_the_line(
    matrix: Tensor,
) -> None:
    start, end = ends()
    expected = ((end - start) @ matrix.T).square().sum(dim=1)  # wherever the step begins
    for t in (torch.zeros(20), torch.rand(20)):
        found = path_lengths(linear(matrix), squared, start, end, t.double(), "w")  # type: ignore[arg-type]
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)


def test_along_an_arc_a_rotation_changes_by_the_angle() -> None:
    start, end = ends()
    rotation = torch.linalg.qr(torch.randn(12, 5, dtype=torch.float64)).Q
    cosine = torch.nn.functional.cosine_similarity(start, end)
    expected = (3 * torch.acos(cosine)).square()  # a chord of so short an arc is the arc
    found = path_lengths(
        linear(3 * rotation),
        squared,
        start,
        7 * end,
        torch.rand(20).double(),
        "z",  # type: ignore[arg-type]
    )
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)


def test_the_mean_leaves_out_the_ends_of_the_distribution() -> None:
    values = torch.arange(1.0, 102.0)  # the percentiles are 2 and 100
    values[[0, 100]] = torch.tensor([-1e9, 1e9])
    assert trimmed_mean(values) == pytest.approx(51)
    assert trimmed_mean(torch.tensor([3.0])) == 3


def with_synthesis_of_noise(generator: Generator) -> Generator:
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if ".style.affine.weight" in name:
                parameter.zero_()
    return generator


def test_both_pictures_of_a_pair_share_their_noise(loaded_generator: Generator) -> None:
    # A generator that ignores w shows noise alone: it must not count as a change.
    drawing = Drawing(generator=with_synthesis_of_noise(loaded_generator), num=20)
    found = generator_path_lengths(drawing, squared, "w", "full")
    assert found.abs().max() == 0


@pytest.mark.parametrize("space", ["z", "w"])
def test_steps_of_a_generator_begin_where_they_are_asked_to(
    tiny_generator: Generator, space: str
) -> None:
    drawing = Drawing(generator=tiny_generator, num=18, first_seed=3)
    end, full = (
        generator_path_lengths(drawing, squared, space, where)  # type: ignore[arg-type]
        for where in ("end", "full")
    )
    assert end.shape == (18,)
    assert (end > 0).all()
    assert not torch.allclose(end, full)
    again = generator_path_lengths(replace(drawing, num=5), squared, space, "end")  # type: ignore[arg-type]
    # the same paths; the noise is drawn for a whole batch
    torch.testing.assert_close(again, end[:5], rtol=0.05, atol=0)


def test_classes_stay_what_they_are_along_a_path(conditional_generator: Generator) -> None:
    drawing = Drawing(generator=conditional_generator, num=4, labels=np.array([1]))
    assert generator_path_lengths(drawing, squared, "z", "end").isfinite().all()


def test_the_distance_is_that_of_unit_vectors_on_four_maps(tiny_generator: Generator) -> None:
    distance = PerceptualDistance.of(tiny_generator)
    assert distance.side == 64
    random = torch.Generator().manual_seed(2)
    a, b = torch.rand(2, 3, 3, 64, 64, generator=random) * 2 - 1
    with torch.inference_mode():
        found = distance(a, b)
        maps = [distance._network.pyramid(images) for images in (a, b)]
    expected = torch.zeros(3)
    for first, second in zip(*maps, strict=True):
        for n in range(3):
            cosine = torch.nn.functional.cosine_similarity(first[n], second[n], dim=0)
            expected[n] += (2 - 2 * cosine).mean()  # |u - v|² of unit vectors
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)
    assert torch.equal(distance(a, a), torch.zeros(3))


def test_a_change_twice_as_large_has_four_times_the_distance() -> None:
    distance = PerceptualDistance(64)
    random = torch.Generator().manual_seed(3)
    image, change = torch.rand(2, 1, 3, 64, 64, generator=random) * 2 - 1
    with torch.inference_mode():
        small, large = (float(distance(image, image + f * change)) for f in (0.002, 0.004))
    assert large / small == pytest.approx(4, rel=0.1)
    assert not math.isnan(small)


def test_a_change_of_alpha_counts_whatever_the_colour() -> None:
    distance = PerceptualDistance(64)
    random = torch.Generator().manual_seed(0)
    alpha = (torch.rand(1, 1, 64, 64, generator=random) > 0.5).float()
    for colour in (0.0, 1.0):  # black, white: each is invisible on one of the backgrounds
        whole, faint = (
            torch.cat([(colour * a).expand(-1, 3, -1, -1), a], dim=1) * 2 - 1
            for a in (alpha, 0.5 * alpha)
        )
        assert distance(whole, faint).item() > 0.01
    rgb = torch.rand(2, 1, 3, 64, 64, generator=random) * 2 - 1
    opaque = F.pad(rgb, (0, 0, 0, 0, 0, 1), value=1.0)
    torch.testing.assert_close(distance(*opaque), distance(*rgb))
