"""The logistic losses: values worked out by hand."""

from __future__ import annotations

import math

import torch

from wspace.training.losses import (
    discriminator_loss,
    generator_loss,
    hinge_discriminator_loss,
    hinge_generator_loss,
    latent_divergence,
    reconstruction_loss,
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


def test_a_reconstruction_costs_its_mean_absolute_difference_image_by_image() -> None:
    real = torch.tensor([[[[0.5, -1.0]]], [[[0.25, 0.25]]]])
    made = torch.tensor([[[[0.0, 1.0]]], [[[0.25, 0.25]]]])
    assert reconstruction_loss(real, made).tolist() == [1.25, 0.0]


def test_the_divergence_is_that_of_torchs_own_gaussians() -> None:
    random = torch.Generator().manual_seed(0)
    mean, log_variance = torch.randn(2, 3, 5, generator=random)
    own = torch.distributions.Normal(mean, (log_variance / 2).exp())
    prior = torch.distributions.Normal(torch.zeros(3, 5), torch.ones(3, 5))
    expected = torch.distributions.kl_divergence(own, prior).sum(dim=1)
    torch.testing.assert_close(latent_divergence(mean, log_variance), expected)
    assert latent_divergence(torch.zeros(1, 5), torch.zeros(1, 5)).item() == 0
