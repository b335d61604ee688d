"""R1 and path length: values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from wspace.errors import WspaceError
from wspace.training.regularizers import path_lengths, path_penalty, r1_penalty


def test_r1_of_a_linear_discriminator_is_its_squared_weight_norm() -> None:
    weight = torch.tensor([3.0, 4.0]).reshape(1, 2, 1, 1)
    images = torch.zeros(5, 2, 1, 1, requires_grad=True)
    penalty = r1_penalty(images, (weight * images).sum(dim=(1, 2, 3)))
    torch.testing.assert_close(penalty, torch.full((5,), 25.0))  # 3**2 + 4**2


def test_r1_can_be_learned_from() -> None:
    weight = torch.tensor([3.0, 4.0], requires_grad=True)
    images = torch.zeros(5, 2, 1, 1, requires_grad=True)
    logits = (weight.reshape(1, 2, 1, 1) * images).sum(dim=(1, 2, 3))
    r1_penalty(images, logits).mean().backward()
    torch.testing.assert_close(weight.grad, torch.tensor([6.0, 8.0]))  # d |w|^2 / dw = 2 w


def test_r1_without_gradients_says_what_to_do() -> None:
    with pytest.raises(WspaceError, match="requires_grad_"):
        r1_penalty(torch.zeros(1, 1, 1, 1), torch.zeros(1))


def test_path_length_of_a_linear_generator_is_the_norm_of_its_jacobian() -> None:
    # image = 6 w: the Jacobian times a direction of ones, over sqrt(H W) = 2, is 4 * 6 / 2 = 12.
    ws = torch.ones(2, 1, 1, requires_grad=True)
    images = (6 * ws[:, :, :, None]).expand(2, 1, 2, 2)
    lengths = path_lengths(images, ws, torch.ones(2, 1, 2, 2))
    torch.testing.assert_close(lengths, torch.full((2,), 12.0))


def test_path_length_averages_squares_over_layers() -> None:
    ws = torch.ones(1, 2, 1, requires_grad=True)
    images = (3 * ws[:, :1, :, None] + 4 * ws[:, 1:, :, None]).expand(1, 1, 1, 1)
    lengths = path_lengths(images, ws, torch.ones(1, 1, 1, 1))
    torch.testing.assert_close(lengths, torch.tensor([math.sqrt((9 + 16) / 2)]))


def test_the_path_penalty_uses_the_updated_mean_and_learns_through_it() -> None:
    lengths = torch.tensor([1.0, 3.0], requires_grad=True)
    penalty, mean = path_penalty(lengths, torch.tensor(0.0), decay=0.5)
    torch.testing.assert_close(mean, torch.tensor(1.0))  # half of 2
    torch.testing.assert_close(penalty.detach(), torch.tensor([0.0, 4.0]))
    assert not mean.requires_grad
    penalty.sum().backward()
    # d/dl0 = 2 (l0 - m)(1 - 1/4) + 2 (l1 - m)(-1/4), m moving by a quarter of each length
    torch.testing.assert_close(lengths.grad, torch.tensor([-1.0, 3.0]))
