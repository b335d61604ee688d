"""The logistic losses: values worked out by hand."""

from __future__ import annotations

import math

import torch

from wspace.training.losses import (
    discriminator_loss,
    generator_loss,
    hinge_discriminator_loss,
    hinge_generator_loss,
)


def test_undecided_logits_cost_log_two_each() -> None:
    zero = torch.zeros(3)
    torch.testing.assert_close(generator_loss(zero), torch.full((3,), math.log(2)))
    torch.testing.assert_close(discriminator_loss(zero, zero), torch.full((3,), 2 * math.log(2)))


def test_the_generator_pays_for_being_caught() -> None:
    caught, passed = generator_loss(torch.tensor([-30.0, 30.0]))
    torch.testing.assert_close(caught, torch.tensor(30.0))
    assert passed < 1e-6


def test_the_discriminator_pays_for_each_wrong_answer() -> None:
    right = discriminator_loss(torch.tensor([30.0]), torch.tensor([-30.0]))
    assert float(right) < 1e-6
    wrong = discriminator_loss(torch.tensor([-30.0]), torch.tensor([20.0]))
    torch.testing.assert_close(wrong, torch.tensor([50.0]))


def test_hinge_leaves_alone_what_is_beyond_the_margin() -> None:
    real = torch.tensor([2.0, 0.5, -1.0])
    fake = torch.tensor([-2.0, -0.5, 1.0])
    torch.testing.assert_close(hinge_discriminator_loss(real, fake), torch.tensor([0.0, 1.0, 4.0]))
    torch.testing.assert_close(hinge_generator_loss(fake), torch.tensor([2.0, 0.5, -1.0]))
