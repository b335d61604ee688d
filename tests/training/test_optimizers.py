"""Muon: what its updates are, and whose they are."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from wspace.networks.build import build_generator
from wspace.networks.presets import PRESETS, preset
from wspace.training.optimizers import (
    Muon,
    load_optimizer_state,
    matrices_and_others,
    optimizer_state,
    orthogonalized,
    update,
)


def gradients(*shape: int, count: int = 4) -> list[torch.Tensor]:
    return [torch.randn(shape, generator=torch.Generator().manual_seed(i)) for i in range(count)]


@pytest.mark.parametrize("shape", [(32, 96), (96, 32), (24, 24), (1, 7)])
def test_all_directions_come_out_about_alike(shape: tuple[int, int]) -> None:
    (matrix,) = gradients(*shape, count=1)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    spectrum = torch.logspace(0, -2, min(shape))  # 1 to a hundredth
    found = orthogonalized((u * spectrum) @ v)
    sizes = torch.linalg.svdvals(found)
    assert sizes.min() > 0.6
    assert sizes.max() < 1.25
    along = (u.T @ found @ v.T).diagonal()  # the directions themselves stay
    torch.testing.assert_close(along.sort().values, sizes.sort().values)


def test_zeros_stay_zeros() -> None:
    assert torch.equal(orthogonalized(torch.zeros(3, 5)), torch.zeros(3, 5))


@pytest.mark.parametrize("shape", [(16, 48), (48, 16)])
def test_steps_are_those_of_torchs_muon(shape: tuple[int, int]) -> None:
    start = torch.zeros(shape)
    own, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    optimizers = (
        Muon([own], 0.03),
        torch.optim.Muon([theirs], 0.03, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"),
    )
    for gradient in gradients(*shape):
        own.grad, theirs.grad = gradient.clone(), gradient.clone()
        for optimizer in optimizers:
            optimizer.step()
    # Theirs is computed in bf16.
    difference, size = (own - theirs).detach().norm(), theirs.detach().norm()
    assert float(difference / size) < 0.03


def test_convolutions_learn_as_matrices_whatever_their_layout() -> None:
    plain = nn.Parameter(torch.zeros(8, 4, 3, 3))
    last = nn.Parameter(torch.zeros(8, 4, 3, 3).to(memory_format=torch.channels_last))
    flat = nn.Parameter(torch.zeros(8, 36))
    for gradient in gradients(8, 4, 3, 3):
        plain.grad, flat.grad = gradient, gradient.flatten(1)
        last.grad = gradient.to(memory_format=torch.channels_last)
        for parameter in (plain, last, flat):
            assert update(Muon([parameter], 0.1))
    torch.testing.assert_close(plain, last)
    torch.testing.assert_close(plain.flatten(1), flat)
    assert float(plain.detach().abs().max()) > 0.01


def test_momentum_is_state_and_goes_on_where_it_was() -> None:
    def run(parameter: nn.Parameter, optimizer: Muon, chosen: list[torch.Tensor]) -> None:
        for gradient in chosen:
            parameter.grad = gradient.clone()
            assert update(optimizer)

    whole, first = (nn.Parameter(torch.zeros(6, 10)) for _ in range(2))
    run(whole, Muon([whole], 0.1), gradients(6, 10))
    optimizer = Muon([first], 0.1)
    run(first, optimizer, gradients(6, 10)[:2])
    second = nn.Parameter(first.detach().clone())
    resumed = Muon([second], 0.1)
    load_optimizer_state(resumed, optimizer_state(optimizer))
    run(second, resumed, gradients(6, 10)[2:])
    assert torch.equal(second, whole)
    fresh = nn.Parameter(first.detach().clone())
    run(fresh, Muon([fresh], 0.1), gradients(6, 10)[2:])
    assert not torch.allclose(fresh, whole, rtol=0.1)


def test_a_gradient_that_is_not_finite_changes_nothing() -> None:
    parameter = nn.Parameter(torch.ones(2, 3))
    optimizer = Muon([parameter], 0.1)
    parameter.grad = torch.full((2, 3), torch.nan)
    assert not update(optimizer)
    assert torch.equal(parameter, torch.ones(2, 3))
    assert not optimizer.state
    assert parameter.grad is None


@pytest.mark.parametrize("name", PRESETS)
def test_convolutions_and_styles_are_muons_and_all_else_adams(name: str) -> None:
    synthesis = build_generator(preset(name, resolution=8)[0]).synthesis
    kernels, others = matrices_and_others(synthesis)
    names = {id(parameter): key for key, parameter in synthesis.named_parameters()}
    assert sorted(id(p) for p in kernels + others) == sorted(names)
    shapes = {parameter.ndim for parameter in kernels}
    assert shapes == {2, 4}
    found = [names[id(parameter)] for parameter in others]
    assert sum("rgb" in key and key.endswith("weight") for key in found) >= 2
    assert all("bias" in key or "noise" in key or "const" in key or "rgb" in key for key in found)


def test_products_in_bfloat16_give_about_the_same_update() -> None:
    matrix = torch.randn(24, 40, generator=torch.Generator().manual_seed(0))
    exact = orthogonalized(matrix)
    rounded = orthogonalized(matrix, torch.bfloat16)
    assert rounded.dtype == torch.float32
    assert 0 < float((rounded - exact).norm() / exact.norm()) < 0.05
