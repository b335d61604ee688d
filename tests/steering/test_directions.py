"""Finding directions, on spaces whose answer is known."""

from __future__ import annotations

import pytest
import torch
from tiny_generators import make_tiny_generator

from wspace.errors import WspaceError
from wspace.networks.generator import Generator
from wspace.steering.directions import (
    boundary,
    calibrated,
    closed_form,
    principal,
    sample_w,
    without,
)


def unit(values: tuple[float, ...]) -> torch.Tensor:
    vector = torch.tensor(values, dtype=torch.float64)
    return vector / vector.norm()


def test_w_are_those_of_the_seeds(tiny_generator: Generator) -> None:
    w = sample_w(tiny_generator, 5, seed=2**32 - 2)
    assert w.shape == (5, 8)
    torch.testing.assert_close(w[2:], sample_w(tiny_generator, 3, seed=0))


def test_all_classes_are_sampled(conditional_generator: Generator) -> None:
    mixed = sample_w(conditional_generator, 6)
    own = sample_w(conditional_generator, 6, class_index=1)
    assert (mixed[1] == own[1]).all()
    assert (mixed[0] != own[0]).any()


def test_sefa_finds_what_the_weights_stretch_most() -> None:
    generator = make_tiny_generator(3)
    torch.manual_seed(0)
    basis, _ = torch.linalg.qr(torch.randn(8, 8, dtype=torch.float64))
    for index, layer in generator.affine_layers:
        if index in (2, 3):  # half of their rows see one direction, a quarter another
            count = len(layer.weight)
            seen = [0] * (count // 2) + [3] * (count // 4) + [5] * (count - count * 3 // 4)
            seen[-1] = 6
            layer.weight.data = basis[seen].float() * torch.rand(count, 1)
    w = torch.randn(500, 8)
    first, second = closed_form(generator, 2, w, [2, 3])
    assert first.layers == (2, 3)
    for edit, expected in ((first, basis[0]), (second, basis[3])):
        found = torch.tensor(edit.direction, dtype=torch.float64)
        assert abs(found @ expected) / found.norm() > 0.999
        deviation = (w.double() @ (found / found.norm())).std()
        torch.testing.assert_close(found.norm(), deviation)  # strength 1


def test_pca_finds_the_widest_spread() -> None:
    torch.manual_seed(0)
    w = torch.randn(4000, 4) * torch.tensor([1.0, 5.0, 0.5, 2.0])
    first, second = principal(w, 2)
    assert first.layers is None
    torch.testing.assert_close(
        torch.tensor(first.direction)[1], torch.tensor(5.0), atol=0.2, rtol=0
    )
    torch.testing.assert_close(
        torch.tensor(second.direction)[3], torch.tensor(2.0), atol=0.2, rtol=0
    )


def test_a_boundary_points_at_the_attribute() -> None:
    torch.manual_seed(0)
    w, normal = torch.randn(3000, 6), unit((1, 2, 0, 0, -1, 0.5))
    scores = (w.double() @ normal > 0.8).double()  # a fifth of them
    assert boundary(w, scores) @ normal > 0.98
    likely = torch.sigmoid(8 * (w.double() @ normal))
    assert boundary(w, likely) @ normal > 0.98


def test_a_boundary_needs_both_kinds() -> None:
    for scores in (torch.ones(9), torch.zeros(9)):
        with pytest.raises(WspaceError, match="no boundary"):
            boundary(torch.randn(9, 4), scores)


def test_the_rest_of_a_direction_is_square_to_the_others() -> None:
    torch.manual_seed(0)
    direction, others = torch.randn(8), torch.randn(3, 8)
    others[2] = others[0] * 2  # says nothing new
    rest = without(direction, others)
    torch.testing.assert_close(others.double() @ rest, torch.zeros(3, dtype=torch.float64))
    torch.testing.assert_close(rest.norm(), torch.tensor(1.0, dtype=torch.float64))
    with pytest.raises(WspaceError, match="leave some out"):
        without(others[0], others)


def test_a_step_is_as_long_as_half_of_the_pictures_need() -> None:
    needed = torch.linspace(0.1, 3.0, 101)
    length = calibrated(lambda step: float((needed <= step).double().mean()), deviation=1.0)
    assert length == pytest.approx(1.55, abs=0.04)
    assert calibrated(lambda _: 0.4, deviation=1.0) is None


def test_steps_that_are_far_too_long_do_not_hide_the_right_one() -> None:
    length = calibrated(lambda step: 0.9 if 1.2 <= step < 5 else 0.0, deviation=1.0)
    assert length == pytest.approx(1.2, abs=0.01)


@pytest.mark.parametrize("count", [0, 9])
def test_counts_are_checked(tiny_generator: Generator, count: int) -> None:
    w = sample_w(tiny_generator, 20)
    with pytest.raises(WspaceError, match="1 to 8"):
        closed_form(tiny_generator, count, w)
    with pytest.raises(WspaceError, match="1 to 8"):
        principal(w, count)
