import dataclasses

import pytest
import torch
from torch import Tensor

from wspace.networks.build import build_generator
from wspace.networks.config import GeneratorConfig
from wspace.networks.presets import preset
from wspace.training.optimizers import adam, update
from wspace.training.stages.flow_pairs import NEW_PAIRS, FlowPairs


def config(*, z_dim: int = 2, w_dim: int = 2, num_classes: int = 0) -> GeneratorConfig:
    own = preset("compact", resolution=8, num_classes=num_classes)[0]
    return dataclasses.replace(own, z_dim=z_dim, w_dim=w_dim)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def two_kinds(count: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """w of two kinds, around (10, 1) and (20, -1), and which."""
    kinds = torch.randint(2, (count,), generator=random)
    centre = torch.tensor([[10.0, 1.0], [20.0, -1.0]])[kinds]
    return centre + 0.05 * torch.randn(count, 2, generator=random), kinds


def train_flow(matching: FlowPairs, steps: int, *, with_classes: bool = False) -> None:
    random, optimizer = seeded(1), adam(matching.field, 0.002, (0.9, 0.99))
    for _ in range(steps):
        w, kinds = two_kinds(64, random)
        c = torch.eye(2)[kinds] if with_classes else None
        matching.flow_loss(w, c, random).backward()
        assert update(optimizer)
        matching.average_field()


def share_between(w: Tensor) -> float:
    """Share of w that are far from both kinds."""
    centres = torch.tensor([[10.0, 1.0], [20.0, -1.0]])
    return float((torch.cdist(w, centres).amin(dim=1) > 2).float().mean())


def test_the_flow_tells_kinds_apart() -> None:
    torch.manual_seed(0)
    matching = FlowPairs(config())
    z = torch.randn(512, 2, generator=seeded(2))
    before = matching.carry(z, None)
    assert not before.any()  # no scale is known yet
    train_flow(matching, 200)
    w = matching.carry(z, None)
    assert share_between(w) < 0.1
    assert 0.35 < float((w[:, 0] > 15).float().mean()) < 0.65
    # A Gaussian of the same mean and spread has most of its w between them or beyond.
    assert share_between(w.mean(dim=0) + w.std(dim=0) * z) > 0.5


def test_each_class_flows_to_its_own() -> None:
    torch.manual_seed(0)
    matching = FlowPairs(config(num_classes=2))
    train_flow(matching, 200, with_classes=True)
    c = torch.eye(2)[torch.arange(64) % 2]
    w = matching.carry(torch.randn(64, 2, generator=seeded(2)), c)
    assert float(((w[:, 0] > 15) == (c[:, 1] > 0)).float().mean()) > 0.95


def test_pairs_are_ends_of_the_flow_and_the_oldest_give_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("wspace.training.stages.flow_pairs.PAIRS", 100)
    torch.manual_seed(0)
    matching = FlowPairs(config())
    matching.flow_loss(two_kinds(64, seeded())[0], None, seeded())  # sets the scale
    matching.make_pairs(None, seeded())
    z, w = matching.pairs[:NEW_PAIRS].split([2, 2], dim=1)
    torch.testing.assert_close(matching.carry(z, None), w)
    assert not matching.pairs[NEW_PAIRS:].any()
    first = matching.pairs.clone()
    matching.make_pairs(None, seeded(3))
    replaced = (matching.pairs != first).any(dim=1)
    left = 2 * NEW_PAIRS - 100
    assert replaced.tolist() == [k < left or k >= NEW_PAIRS for k in range(100)]


def test_mapping_learns_the_pairs() -> None:
    torch.manual_seed(0)
    own = config()
    matching, mapping = FlowPairs(own), build_generator(own).mapping
    train_flow(matching, 200)
    random, optimizer = seeded(4), adam(mapping, 0.1, (0.9, 0.99))
    for _ in range(10):
        matching.make_pairs(None, random)
    losses = []
    for _ in range(80):
        loss = matching.mapping_loss(mapping, 128, random)
        loss.backward()
        assert update(optimizer)
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.3 < 1 < losses[0]
    with torch.no_grad():
        w = mapping.w(torch.randn(512, 2, generator=random))
    assert share_between(w) < 0.3


@pytest.mark.parametrize(("z_dim", "w_dim"), [(3, 5), (5, 3)])
def test_z_and_w_may_differ_in_size(z_dim: int, w_dim: int) -> None:
    torch.manual_seed(0)
    own = config(z_dim=z_dim, w_dim=w_dim)
    matching = FlowPairs(own)
    loss = matching.flow_loss(torch.randn(16, w_dim), None, seeded())
    matching.make_pairs(None, seeded())
    mapping = build_generator(own).mapping
    assert loss.isfinite()
    assert matching.mapping_loss(mapping, 8, seeded()).isfinite()
