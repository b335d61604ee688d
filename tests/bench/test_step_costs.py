"""What a step costs, against the step itself and against formulas."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from wspace.bench import training
from wspace.bench.step_costs import Cost, StepCosts, costs_by_batch, count_step
from wspace.bench.timing import gflop_of
from wspace.networks.config import DiscriminatorConfig, GeneratorConfig
from wspace.networks.presets import preset
from wspace.ops import choose
from wspace.training.config import TrainConfig


def config_of(name: str, **changes: Any) -> TrainConfig:
    return TrainConfig(
        preset=name, discriminator="preset", precision="fp32", compile="off", device="cpu",
        batch_size=4, **changes,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["compact", "stylegan2"])
def test_a_step_counted_without_memory_is_the_step_that_training_takes(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a CPU's own forms take fewer products
    monkeypatch.setattr(choose, "winograd_takes_weight", lambda weight: False)
    monkeypatch.setattr(choose, "_has_whole_tiles", lambda x: False)
    monkeypatch.setattr(choose, "blur_takes_box", lambda device, dtype: False)
    monkeypatch.setattr(choose, "leaves_gradients_to_torch", lambda x, w: w.requires_grad)
    networks = small(name)
    config = config_of(name)
    steps = training._Steps(networks, config, torch.device("cpu"))
    costs = count_step(networks, config.adversarial, batch=4)
    plain = sum((c.flop for n, c in costs.phases.items() if costs.intervals[n] == 1), start=0.0)
    assert plain / 1e9 == pytest.approx(gflop_of(steps.plain), rel=1e-9)
    whole = sum(cost.flop for cost in costs.phases.values())
    assert whole / 1e9 == pytest.approx(gflop_of(steps.with_regularizers), rel=1e-9)


def small(name: str) -> tuple[GeneratorConfig, DiscriminatorConfig]:
    return preset(name, resolution=8)


def test_convolutions_of_stylegan2_are_those_of_its_figure() -> None:
    """Products of 3x3 convolutions, resampling ones at the smaller size, and of 1x1 ones."""
    side, batch = 64, 4
    networks = preset("stylegan2", resolution=side)
    costs = count_step(networks, config_of("stylegan2").adversarial, batch)
    channels = networks[0].synthesis.channels  # 4² first
    sides = [4 * 2**k for k in range(len(channels))]
    drawn = judged = 0.0
    for k, (c, s) in enumerate(zip(channels, sides, strict=True)):
        drawn += 9 * c * c * s * s + 3 * c * s * s  # conv1, torgb
        if k:
            b = channels[k - 1]
            drawn += 9 * b * c * (s // 2) ** 2  # conv0
            judged += 9 * c * c * s * s + 9 * c * b * (s // 2) ** 2 + c * b * (s // 2) ** 2
    c = channels[0]
    judged += 3 * channels[-1] * side**2 + 9 * (c + 1) * c * 16 + 16 * c * c
    generated = costs.phases["generate"].flop / batch / 2
    assert generated == pytest.approx(drawn, rel=0.02)  # mapping and styles beside it
    assert generated > drawn
    # forward, and backward once for maps and once for weights; real and generated images
    assert costs.phases["discriminator"].flop / batch / 2 == pytest.approx(6 * judged, rel=0.02)


def test_all_grows_evenly_with_the_images() -> None:
    networks, config = preset("stylegan2", resolution=16), config_of("stylegan2").adversarial
    counted, drawn = count_step(networks, config, 32), costs_by_batch(networks, config)(32)
    for name, cost in counted.phases.items():
        assert drawn.phases[name].flop == pytest.approx(cost.flop, rel=1e-9)
        assert drawn.phases[name].bytes == pytest.approx(cost.bytes, rel=0.01)
        assert drawn.phases[name].operators == pytest.approx(cost.operators, rel=0.05)


def test_bytes_are_those_of_operands_and_results_and_views_cost_nothing() -> None:
    from wspace.bench.step_costs import _cost_of

    a, b = torch.empty(3, 5, device="meta"), torch.empty(5, 7, device="meta")
    cost = _cost_of(lambda: a @ b)
    assert cost == Cost(flop=2 * 3 * 5 * 7, bytes=4 * (15 + 35 + 21), operators=1)
    assert _cost_of(lambda: a.T) == Cost()


def test_lazy_phases_count_by_their_share_and_gradients_once() -> None:
    networks = preset("stylegan2", resolution=8)
    costs = count_step(networks, config_of("stylegan2").adversarial, 4)
    assert costs.intervals["r1"] == 16
    assert costs.intervals["path length"] == 4
    lazy = {"r1": 16, "path length": 4}
    by_hand = sum(cost.flop / lazy.get(name, 1) for name, cost in costs.phases.items())
    assert math.isclose(costs.step.flop, by_hand)
    assert costs.reduced_bytes == (4 * costs.discriminator, 4 * costs.generator)


def test_what_is_off_costs_nothing() -> None:
    config = config_of("compact", r1_gamma=0.0).adversarial
    costs: StepCosts = count_step(small("compact"), config, 4)
    assert set(costs.phases) == {"generate", "discriminator", "generator", "update"}
