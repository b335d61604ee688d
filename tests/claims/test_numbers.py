"""The numbers of claims on constructed cases."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from wspace.claims.adain import off_by, statistics_of_maps
from wspace.claims.entanglement import Separated, bits_between, ratio_of_paths
from wspace.claims.layers import own_group_excess
from wspace.claims.noise import mean_frequency, rank_correlation, spectrum
from wspace.networks.styles import AdaIN


def test_bits_between_z_and_w_are_those_that_w_tells_and_z_does_not() -> None:
    decided = torch.arange(400) % 2
    nothing = torch.zeros_like(decided)
    everything = torch.ones(400, dtype=torch.bool)
    separated = Separated(decided=decided, told={"z": nothing, "w": decided}, kept=everything)
    same = Separated(decided=decided, told={"z": decided, "w": decided}, kept=everything)
    rows = np.arange(400)
    assert bits_between({"a": separated, "b": same}, rows) == pytest.approx(1)
    assert bits_between({"a": separated, "b": separated}, rows) == pytest.approx(2)
    some = torch.arange(400) < 100
    half = Separated(decided=decided, told={"z": nothing, "w": decided}, kept=some)
    assert bits_between({"a": half}, np.arange(50)) == pytest.approx(1)
    assert bits_between({"a": half}, np.arange(200, 300)) == 0  # none of them counts


def test_the_ratio_of_paths_is_that_of_their_means() -> None:
    z, w = torch.full((100,), 6.0), torch.full((100,), 2.0)
    assert ratio_of_paths(z, w, np.arange(100)) == pytest.approx(3)


def changed(shares: list[float], count: int = 1000) -> np.ndarray:
    """(count, attributes): whether each changed."""
    return np.random.RandomState(0).rand(count, len(shares)) < np.asarray(shares)


def test_attributes_with_a_group_of_their_own_stand_out() -> None:
    coarse, fine = changed([0.9, 0.1]), changed([0.1, 0.7])
    found = own_group_excess([coarse, fine], np.arange(1000))
    assert found == pytest.approx((0.8 + 0.6) / 2, abs=0.05)


def test_groups_that_do_not_differ_have_no_excess() -> None:
    random = np.random.RandomState(1)
    groups = [random.rand(2000, 5) < 0.4 for _ in range(3)]
    values = [
        own_group_excess(groups, random.randint(0, 2000, 2000)) for _ in range(20)
    ]  # choosing the largest by the same pictures would make each of them positive
    assert abs(np.mean(values)) < 0.02


def wave(cycles: int, side: int = 16) -> Tensor:
    places = torch.arange(side) / side
    return torch.cos(2 * torch.pi * cycles * places).expand(1, 1, side, side)


@pytest.mark.parametrize("cycles", [0, 1, 3, 8])
def test_the_energy_of_a_wave_lies_at_its_frequency(cycles: int) -> None:
    found = spectrum(wave(cycles))[0]
    assert found.argmax() == cycles
    assert found[cycles] / found.sum() == pytest.approx(1)
    assert float(mean_frequency(found)) == pytest.approx(cycles)


def test_white_noise_has_its_energy_everywhere() -> None:
    noise = torch.randn(200, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    found = spectrum(noise).sum(dim=0)
    assert float(found.sum()) == pytest.approx(float(noise.square().sum()) * 256, rel=1e-6)
    assert found[0] / found.sum() == pytest.approx(1 / 256, rel=0.3)  # one of 256 places


def test_a_list_that_rises_has_correlation_one() -> None:
    assert rank_correlation([1, 2, 5, 9]) == 1
    assert rank_correlation([4, 3, 1]) == -1
    assert rank_correlation([1, 3, 2]) == pytest.approx(1 / 3)


def test_maps_of_adain_are_as_it_promises_and_others_are_not() -> None:
    torch.manual_seed(0)
    adain = AdaIN(5, 4)
    x, w = torch.randn(3, 5, 8, 8) * 7 + 2, torch.randn(3, 4)
    x[:, 0] = 0.25  # a flat map: no scale gives it a deviation
    scale, bias = adain.affine(w).chunk(2, dim=1)
    normalised, told, flat = off_by(x, adain(x, w), 1 + scale, bias)
    assert normalised.max() < 1e-4
    assert told.max() < 1e-3
    assert flat.tolist() == pytest.approx([0.2] * 3)
    _, wrong, _ = off_by(x, x, 1 + scale, bias)
    assert wrong.min() > 1


def test_statistics_of_maps_by_hand() -> None:
    mean, deviation = statistics_of_maps(torch.tensor([[[[1.0, 3.0], [1.0, 3.0]]]]))
    assert (float(mean), float(deviation)) == (2, 1)
