"""The losses: values worked out by hand."""

from __future__ import annotations

import math

import torch

from wspace.training.losses import (
    discriminator_loss,
    energy_distance,
    generator_loss,
    hinge_discriminator_loss,
    hinge_generator_loss,
    perceptual_loss,
    reconstruction_loss,
    relativistic_discriminator_loss,
    relativistic_generator_loss,
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


def test_only_the_difference_of_a_pair_counts() -> None:
    real, fake = torch.tensor([3.0, 50.0, 0.0]), torch.tensor([3.0, 20.0, 40.0])
    torch.testing.assert_close(
        relativistic_discriminator_loss(real, fake), torch.tensor([math.log(2), 0.0, 40.0])
    )
    torch.testing.assert_close(
        relativistic_generator_loss(fake, real), torch.tensor([math.log(2), 30.0, 0.0])
    )


def test_a_reconstruction_costs_its_mean_absolute_difference_image_by_image() -> None:
    real = torch.tensor([[[[0.5, -1.0]]], [[[0.25, 0.25]]]])
    made = torch.tensor([[[[0.0, 1.0]]], [[[0.25, 0.25]]]])
    assert reconstruction_loss(real, made).tolist() == [1.25, 0.0]


def test_features_count_relative_to_their_size() -> None:
    real = [torch.tensor([[[[2.0]]], [[[2.0]]]]), torch.tensor([[[[100.0]]], [[[300.0]]]])]
    made = [torch.tensor([[[[1.0]]], [[[2.0]]]]), torch.tensor([[[[100.0]]], [[[200.0]]]])]
    assert perceptual_loss(real, made).tolist() == [0.5, 0.5]


def test_the_energy_distance_of_points_worked_out_by_hand() -> None:
    x, y = torch.tensor([[0.0], [2.0]]), torch.tensor([[0.0], [4.0], [2.0]])
    # between: (0 + 4 + 2 + 2 + 2 + 0) / 6; within x: 2; within y: (4 + 2 + 2) * 2 / 6
    torch.testing.assert_close(energy_distance(x, y), torch.tensor(2 * 10 / 6 - 2 - 16 / 6))


def test_the_energy_distance_of_equal_distributions_is_zero_but_for_chance() -> None:
    random = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 2000, 4, generator=random)
    assert abs(energy_distance(x, y)) < 0.005
    assert energy_distance(x, y + 1) > 0.5
    assert energy_distance(x, y * 2) > 0.1
