"""One training step: what it changes, what it leaves, and that sharing passes changes nothing."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch

from wspace.networks.build import build_discriminator, build_generator
from wspace.networks.presets import preset, projected_discriminator
from wspace.training.config import EARLIER_VALUES, TrainConfig, whole_name
from wspace.training.losses import HINGE, LOGISTIC, RELATIVISTIC
from wspace.training.plan import Plan
from wspace.training.stages.adversarial import judge_both
from wspace.training.stages.autoencoder import Autoencoder
from wspace.training.state import TrainingState

CPU = torch.device("cpu")
LATENTS = 48
PRETRAINING = ("reconstruction convolutions", "reconstruction others", "encoder")
MATCHING = ("matching weights", "matching biases")


# Every objective by itself, as the first version has them.
PLAIN = EARLIER_VALUES | {
    "discriminator": "preset",
    "total_kimg": 1000.0,
    "batch_size": 8,
    "adversarial.learning_rate": 0.002,
    "adversarial.r1_gamma": None,
    "adversarial.r1_interval": 16,
    "adversarial.path_length_weight": 0.0,
    "precision": "fp32",
    "compile": "off",
    "device": "cpu",
}


def make_config(**changes: Any) -> TrainConfig:
    return TrainConfig(**(PLAIN | {whole_name(name): value for name, value in changes.items()}))


def make_state(name: str = "compact", num_values: int = 0, **changes: Any) -> TrainingState:
    torch.manual_seed(0)
    generator, discriminator = preset(name, resolution=8)
    mapping = replace(generator.mapping, hidden_dim=LATENTS)  # of fewer, which are quicker
    return TrainingState(
        build_generator(replace(generator, z_dim=LATENTS, w_dim=LATENTS, mapping=mapping)),
        build_discriminator(discriminator),
        make_config(preset=name, **changes),
        CPU,
        num_values,
    )


def real_batch(seed: int = 0, n: int = 8) -> torch.Tensor:
    return torch.randn(n, 3, 8, 8, generator=torch.Generator().manual_seed(seed)).clamp(-1, 1)


def snapshot(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in module.state_dict().items()}


def changed(module: torch.nn.Module, before: dict[str, torch.Tensor]) -> set[str]:
    return {k for k, v in module.state_dict().items() if not torch.equal(v, before[k])}


def test_a_step_trains_both_networks_and_moves_the_average() -> None:
    state = make_state()
    before = [snapshot(m) for m in (state.generator, state.discriminator, state.generator_ema)]
    result = state.run(real_batch(), None)
    assert result.finite
    assert {"generator", "discriminator", "r1"} <= set(result.losses)
    modules = (state.generator, state.discriminator, state.generator_ema)
    for module, old in zip(modules, before, strict=True):
        assert changed(module, old)
    assert "mapping.w_avg" in changed(state.generator, before[0])
    assert "synthesis.layers.0.noise_strength" in changed(state.generator, before[0])
    assert (state.step, state.seen_images) == (1, 8)


def test_regularisers_are_lazy() -> None:
    state = make_state(r1_interval=2, path_length_weight=2.0, path_length_interval=3)
    seen = [set(state.run(real_batch(i), None).losses) for i in range(6)]
    assert [("r1" in s, "path_length" in s) for s in seen] == [
        (True, True),
        (False, False),
        (True, False),
        (False, True),
        (True, False),
        (False, False),
    ]


def test_lazy_rates_are_scaled() -> None:
    state = make_state(r1_interval=16, path_length_weight=2.0, path_length_interval=4)
    d, g = (
        state.context.optimizers[name].param_groups[0] for name in ("discriminator", "generator")
    )
    assert d["lr"] == pytest.approx(0.002 * 16 / 17)
    assert d["betas"] == pytest.approx((0.0, 0.99 ** (16 / 17)))
    assert g["lr"] == pytest.approx(0.002 * 4 / 5)
    assert g["betas"] == pytest.approx((0.0, 0.99**0.8))


@pytest.mark.parametrize("name", ["compact", "stylegan2"])
def test_real_and_generated_images_share_a_pass_with_the_same_logits(name: str) -> None:
    torch.manual_seed(1)
    _, discriminator = preset(name, resolution=8)
    state = make_state()
    state.context.discriminator = build_discriminator(discriminator)
    real, fake = real_batch(1), real_batch(2)
    with torch.no_grad():
        shared = judge_both(state.context, real, fake, None)
        # group g of a batch of 8 alone is {g, g + 2, g + 4, g + 6}, as in the shared batch of 16
        alone = state.discriminator(real), state.discriminator(fake)
    torch.testing.assert_close(shared, alone, rtol=1e-5, atol=1e-5)


def test_nothing_is_updated_by_numbers_that_are_not_finite() -> None:
    state = make_state()
    before = [snapshot(m) for m in (state.generator, state.discriminator, state.generator_ema)]
    result = state.run(torch.full((8, 3, 8, 8), float("nan")), None)
    assert not result.finite
    modules = (state.generator, state.discriminator, state.generator_ema)
    for module, old in zip(modules, before, strict=True):
        assert not changed(module, old)
    assert state.run(real_batch(), None).finite


def test_the_discriminator_learns_alone_while_warming_up() -> None:
    state = make_state(warmup_kimg=0.016)  # two steps of 8
    before = snapshot(state.generator)
    for i in range(2):
        assert "generator" not in state.run(real_batch(i), None).losses
    assert changed(state.generator, before) == {"mapping.w_avg"}
    assert "generator" in state.run(real_batch(2), None).losses


def test_a_restored_state_goes_on_bit_for_bit() -> None:
    one = make_state(path_length_weight=2.0)
    one.run(real_batch(0), None)
    saved = copy.deepcopy(one.state_dict())
    two = make_state(path_length_weight=2.0, seed=5)
    two.load_state_dict(saved)
    for i in range(1, 5):
        assert one.run(real_batch(i), None) == two.run(real_batch(i), None)
    for name in ("generator", "discriminator", "generator_ema"):
        assert not changed(getattr(two, name), snapshot(getattr(one, name)))


def test_the_learning_rate_halves_and_stays_halved_after_restoring() -> None:
    state = make_state()
    rate = state.context.optimizers["generator"].param_groups[0]["lr"]
    state.halve_learning_rate()
    other = make_state()
    other.load_state_dict(state.state_dict())
    for s in (state, other):
        s.run(real_batch(), None)
        assert s.context.optimizers["generator"].param_groups[0]["lr"] == pytest.approx(rate / 2)


def test_mixing_off_gives_every_layer_the_same_w() -> None:
    ws, w = make_state(style_mixing_probability=0.0).context.mixed_ws(4, None)
    assert torch.equal(ws, w[:, None].expand_as(ws))
    mixed, first = make_state(style_mixing_probability=1.0).context.mixed_ws(4, None)
    assert torch.equal(mixed[:, 0], first)
    assert not torch.equal(mixed[:, -1], first)


def test_the_kind_of_discriminator_decides_the_loss() -> None:
    assert make_state().adversarial.loss is LOGISTIC
    assert make_state(discriminator="projected").adversarial.loss is HINGE
    assert make_state(loss="relativistic").adversarial.loss is RELATIVISTIC


@pytest.mark.parametrize("discriminator", ["preset", "projected"])
def test_pairs_of_real_and_generated_images_teach_both_networks(discriminator: str) -> None:
    state = make_state(discriminator=discriminator, loss="relativistic", r2_gamma=1.0, r1_gamma=1.0)
    before = [snapshot(m) for m in (state.generator, state.discriminator)]
    result = state.run(real_batch(), None)
    assert result.finite
    assert {"r1", "r2"} <= set(result.losses)
    for module, then in zip((state.generator, state.discriminator), before, strict=True):
        assert changed(module, then)


def test_r1_is_of_real_images_and_r2_of_generated_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    state = make_state(r1_gamma=1.0, r2_gamma=1.0, r1_interval=1)
    images = {"r1": real_batch(0), "r2": real_batch(1)}

    def slope(of: torch.Tensor) -> float:
        of = of.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(state.context.judge(of, None).sum(), of)
        return float(gradient.square().flatten(1).sum(dim=1).mean())

    def generated(ws: torch.Tensor, **_: Any) -> torch.Tensor:
        return images["r2"] + 0 * ws.sum()

    monkeypatch.setattr(state.context, "synthesize", generated)
    # the penalties come before the discriminator learns
    expected = {name: pytest.approx(slope(own), rel=1e-3) for name, own in images.items()}
    found = state.run(images["r1"], None).losses
    assert {name: found[name] for name in images} == expected


def test_r2_flattens_the_discriminator_where_images_are_generated() -> None:
    def slope(gamma: float) -> float:
        state = make_state(r1_gamma=0.0, r2_gamma=gamma, r1_interval=1)
        for _ in range(20):
            result = state.run(real_batch(), None)
        images = state.context.synthesize(state.context.mixed_ws(8, None)[0])
        images = images.detach().requires_grad_()
        logits = state.context.judge(images, None)
        (gradient,) = torch.autograd.grad(logits.sum(), images)
        assert ("r2" in result.losses) == bool(gamma)
        return float(gradient.square().sum())

    assert slope(100.0) < 0.5 * slope(0.0)


def test_reconstructions_come_from_the_images_own_latents() -> None:
    state = make_state(reconstruction_weight=10.0, pretraining_kimg=10.0)
    real = real_batch()[:, :, :1, :1].expand(-1, -1, 8, 8)  # a colour each
    for _ in range(100):
        error = state.run(real, None).losses["reconstruction"]
    best_for_all = (real - real.median(dim=0).values).abs().mean()  # one image for whatever w
    assert error < 0.8 * best_for_all


def test_mapping_learns_where_the_images_lie() -> None:
    state = make_state(reconstruction_weight=10.0, pretraining_kimg=100.0)
    found = [state.run(real_batch(i % 4), None).losses.get("mismatch") for i in range(150)]
    assert found[0] is None  # there is nothing to compare with yet
    first, last = (
        sum(f for f in part if f is not None) / len(part) for part in (found[1:21], found[-20:])
    )
    assert last < 0.5 * first


def test_both_the_encoder_and_the_generator_learn_from_reconstructions() -> None:
    with_it, without = make_state(reconstruction_weight=1.0), make_state()
    assert without.autoencoder is None
    assert with_it.autoencoder is not None
    before = snapshot(with_it.autoencoder.encoder)
    real = real_batch()
    losses = with_it.run(real, None).losses
    assert "reconstruction" not in without.run(real, None).losses
    assert losses["reconstruction"] > 0
    assert changed(with_it.autoencoder.encoder, before) == set(before)
    assert changed(with_it.generator, snapshot(without.generator))
    # ... the discriminator does not: its step comes before, with the same images
    assert not changed(with_it.discriminator, snapshot(without.discriminator))


@pytest.mark.parametrize("pretraining_kimg", [0.0, 1.0])
def test_the_autoencoder_is_part_of_the_state(pretraining_kimg: float) -> None:
    options = {"reconstruction_weight": 1.0, "pretraining_kimg": pretraining_kimg}
    one = make_state(**options)
    one.run(real_batch(0), None)
    two = make_state(**options, seed=5)
    two.load_state_dict(copy.deepcopy(one.state_dict()))
    for i in range(1, 4):
        assert one.run(real_batch(i), None) == two.run(real_batch(i), None)
    assert one.autoencoder is not None
    assert two.autoencoder is not None
    assert not changed(two.autoencoder, snapshot(one.autoencoder))


def test_attributes_say_what_cannot_be_seen() -> None:
    """Black and white images before an encoder that sees nothing: only the words differ."""
    target = torch.ones(8, 3, 8, 8)
    target[:4] = -1
    values = (torch.arange(8)[:, None] >= 4).long()
    errors = []
    for told in (True, False):
        state = make_state(
            num_values=2 if told else 0, reconstruction_weight=10.0, pretraining_kimg=10.0
        )
        assert state.autoencoder is not None
        state.autoencoder.encoder.layers.insert(0, Blind())
        for _ in range(60):
            losses = state.run(target, None, values if told else None).losses
        errors.append(losses["reconstruction"])
    assert errors[0] < 0.5 * errors[1]


class Blind(torch.nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(images)


@pytest.mark.parametrize("part", ["pretraining", "matching", "against a discriminator"])
def test_attributes_reach_every_part(part: str) -> None:
    kimg = {"pretraining": 1.0, "matching": 0.008, "against a discriminator": 0.0}[part]
    matching_kimg = 1.0 if part == "matching" else 0.0
    found = []
    for word in (0, 1):
        state = make_state(
            num_values=2,
            reconstruction_weight=10.0,
            pretraining_kimg=kimg,
            matching_kimg=matching_kimg,
        )
        assert state.autoencoder is not None
        assert state.autoencoder.encoder.values is not None
        with torch.no_grad():
            state.autoencoder.encoder.values.weight[1].mul_(-50.0)
        for i in range(2):
            state.run(real_batch(i), None, torch.full((8, 1), word))
        seen = int(state.autoencoder.remembered)
        found.append(state.autoencoder.memory[seen - 4 : seen].clone())
    assert not torch.allclose(found[0], found[1], rtol=0.1)


def test_rates_of_pretraining_settle_and_the_encoder_goes_on() -> None:
    state = make_state(reconstruction_weight=10.0, pretraining_kimg=0.048)
    rates: list[list[float]] = []
    for i in range(8):
        state.run(real_batch(i), None)
        rates.append([state.context.optimizers[name].param_groups[0]["lr"] for name in PRETRAINING])
    assert rates[:4] == [[0.03, 0.003, 0.001]] * 4
    assert rates[5] == pytest.approx([0.015, 0.0015, 0.0005])
    assert [own[2] for own in rates[6:]] == [0.001, 0.001]


@pytest.mark.parametrize("pretraining_kimg", [0.0, 1.0])
def test_classes_reach_the_matching(pretraining_kimg: float) -> None:
    torch.manual_seed(0)
    generator, discriminator = preset("compact", resolution=8, num_classes=3)
    config = make_config(reconstruction_weight=1.0, pretraining_kimg=pretraining_kimg)
    state = TrainingState(
        build_generator(generator), build_discriminator(discriminator), config, CPU
    )
    c = torch.eye(3)[torch.arange(8) % 3]
    rows = snapshot(state.generator)["mapping.class_rows"]
    for i in range(2):
        losses = state.run(real_batch(i), c).losses
    assert losses["mismatch"] > 0
    assert state.autoencoder is not None
    seen = 16 if pretraining_kimg else 8  # otherwise half of each batch is reconstructed
    assert torch.equal(state.autoencoder.memory[:seen, -3:].sum(dim=1), torch.ones(seen))
    assert not torch.equal(snapshot(state.generator)["mapping.class_rows"], rows)


def test_the_generator_first_learns_from_reconstructions_alone() -> None:
    # two steps of 8, then one in which the discriminator learns alone
    state = make_state(reconstruction_weight=10.0, pretraining_kimg=0.016, warmup_kimg=0.008)
    judge, average = snapshot(state.discriminator), snapshot(state.generator_ema)
    for i in range(2):
        result = state.run(real_batch(i), None)
        assert set(result.losses) - {"mismatch"} == {"reconstruction"}
        assert result.right is None
    assert not changed(state.discriminator, judge)
    assert changed(state.generator_ema, average)
    assert "mapping.w_avg" in changed(state.generator_ema, average)
    assert set(state.run(real_batch(2), None).losses) - {"r1"} == {"discriminator"}
    result = state.run(real_batch(3), None)
    assert {"generator", "discriminator", "reconstruction", "mismatch"} <= set(result.losses)
    assert result.right is not None


MATCHED = {"reconstruction_weight": 10.0, "pretraining_kimg": 0.016, "matching_kimg": 0.024}


def test_mapping_then_learns_from_a_flow_and_w_stay_where_they_are() -> None:
    state = make_state(**MATCHED, warmup_kimg=0.008)
    for i in range(2):
        state.run(real_batch(i), None)
    assert state.autoencoder is not None
    assert state.flow_pairs is not None
    encoder, generator = snapshot(state.autoencoder.encoder), snapshot(state.generator)
    average, judge = snapshot(state.generator_ema), snapshot(state.discriminator)
    field = snapshot(state.flow_pairs.field)
    assert set(state.run(real_batch(0), None).losses) == {"flow"}
    assert state.context.optimizers["flow"].param_groups[0]["lr"] == pytest.approx(0.001)
    assert changed(state.flow_pairs.field, field)
    assert not changed(state.generator, generator)
    field = snapshot(state.flow_pairs.field)
    for left in (1, 1 / 2):  # of mapping's own part
        result = state.run(real_batch(1), None)
        assert set(result.losses) == {"matching"}
        assert result.right is None
        rates = [state.context.optimizers[name].param_groups[0]["lr"] for name in MATCHING]
        assert rates == pytest.approx([10.0 * left, 0.3 * left])
    assert not changed(state.flow_pairs.field, field)
    moved = changed(state.generator, generator)
    assert {"mapping.fc0.weight", "mapping.w_avg"} <= moved
    assert all(name.startswith("mapping.") for name in moved)
    assert "mapping.fc0.weight" in changed(state.generator_ema, average)
    assert not changed(state.discriminator, judge)
    generator = snapshot(state.generator)
    assert set(state.run(real_batch(3), None).losses) - {"r1"} == {"discriminator"}
    losses = state.run(real_batch(4), None).losses
    assert set(losses) - {"r1"} == {"generator", "discriminator", "reconstruction"}
    assert not changed(state.autoencoder.encoder, encoder)
    moved = changed(state.generator, generator)
    assert "synthesis.const" in moved
    assert all(name.startswith("synthesis.") for name in moved - {"mapping.w_avg"})


def test_path_lengths_are_measured_where_mapping_rests() -> None:
    state = make_state(**MATCHED, path_length_weight=2.0, path_length_interval=1)
    for i in range(5):
        state.run(real_batch(i), None)
    result = state.run(real_batch(5), None)
    assert result.finite
    assert result.losses["path_length"] > 0


def test_a_run_that_goes_back_to_reconstruct_forgets_the_pairs() -> None:
    state = make_state(**MATCHED)
    for i in range(5):
        state.run(real_batch(i), None)
    assert state.flow_pairs is not None
    assert int(state.flow_pairs.made) > 0
    assert state.autoencoder is not None
    state.config = state.config.replace(pretraining_kimg=0.048)
    state.plan = Plan(state.config)
    encoder = snapshot(state.autoencoder.encoder)
    assert "reconstruction" in state.run(real_batch(5), None).losses
    assert int(state.flow_pairs.made) == 0
    assert not state.flow_pairs.pairs.any()
    assert changed(state.autoencoder.encoder, encoder)
    assert set(state.run(real_batch(6), None).losses) == {"flow"}
    assert set(state.run(real_batch(7), None).losses) == {"matching"}


def test_matching_is_part_of_the_state() -> None:
    one = make_state(**MATCHED)
    for i in range(3):
        one.run(real_batch(i), None)
    two = make_state(**MATCHED, seed=5)
    two.load_state_dict(copy.deepcopy(one.state_dict()))
    for i in range(3, 7):
        assert one.run(real_batch(i), None) == two.run(real_batch(i), None)
    assert one.flow_pairs is not None
    assert two.flow_pairs is not None
    assert not changed(two.flow_pairs, snapshot(one.flow_pairs))


def test_a_mapping_update_that_is_not_finite_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state = make_state(**MATCHED)
    for i in range(3):
        state.run(real_batch(i), None)
    assert state.flow_pairs is not None
    loss, calls = state.flow_pairs.mapping_loss, 0

    def first_is_nan(*arguments: Any) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return loss(*arguments) * (float("nan") if calls == 1 else 1.0)

    monkeypatch.setattr(state.flow_pairs, "mapping_loss", first_is_nan)
    assert not state.run(real_batch(3), None).finite
    assert calls == 1
    assert all(parameter.grad is None for parameter in state.generator.parameters())
    assert state.run(real_batch(4), None).finite


def test_where_matching_made_no_pairs_distributions_are_compared() -> None:
    short = {"pretraining_kimg": 0.012, "matching_kimg": 0.001}  # the second batch passes both
    state = make_state(**(MATCHED | short))
    for i in range(2):
        assert "flow" not in state.run(real_batch(i), None).losses
    result = state.run(real_batch(2), None)
    assert result.finite
    assert "mismatch" in result.losses
    assert "matching" not in result.losses


def test_path_lengths_are_measured_in_bf16() -> None:
    state = make_state(precision="bf16", path_length_weight=2.0)
    result = state.run(real_batch(), None)
    assert result.finite
    assert result.losses["path_length"] >= 0


def test_matching_skips_what_is_not_finite_and_goes_on_at_half_the_rate() -> None:
    state = make_state(**MATCHED)
    for i in range(2):
        state.run(real_batch(i), None)
    before = snapshot(state.generator)
    assert not state.run(torch.full((8, 3, 8, 8), float("nan")), None).finite
    assert not changed(state.generator, before)
    assert state.autoencoder is not None
    assert state.autoencoder.memory.isfinite().all()
    state.halve_learning_rate()
    assert set(state.run(real_batch(), None).losses) == {"flow"}  # pairs need one first
    assert state.run(real_batch(), None).finite
    assert state.context.optimizers["matching weights"].param_groups[0]["lr"] == pytest.approx(
        10.0 / 2 * 1 / 2
    )


def test_pretraining_skips_what_is_not_finite() -> None:
    state = make_state(reconstruction_weight=10.0, pretraining_kimg=1.0)
    before = snapshot(state.generator)
    assert not state.run(torch.full((8, 3, 8, 8), float("nan")), None).finite
    assert not changed(state.generator, before)
    assert state.autoencoder is not None
    assert state.autoencoder.remembered == 0  # or it would stay in memory
    assert state.run(real_batch(), None).finite


def test_memory_keeps_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wspace.training.stages.autoencoder.MEMORY", 6)
    autoencoder = Autoencoder(preset("compact", resolution=8)[0])
    for value in (1.0, 2.0):
        autoencoder.remember(torch.full((4, 256), value), None)
    assert autoencoder.memory[:, 0].tolist() == [2, 2, 1, 1, 2, 2]


def alpha_state(seed: int = 0, **changes: Any) -> TrainingState:
    """Networks of pictures with alpha, and a projected discriminator."""
    torch.manual_seed(0)
    generator, _ = preset("compact", resolution=8, image_channels=4)
    judge = projected_discriminator(resolution=8, image_channels=4)
    config = make_config(discriminator="projected", seed=seed, r1_interval=2, **changes)
    return TrainingState(build_generator(generator), build_discriminator(judge), config, CPU)


def alpha_batch(seed: int = 0) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    alpha = torch.rand(8, 1, 8, 8, generator=random)
    return torch.cat([alpha * torch.rand(8, 3, 8, 8, generator=random), alpha], dim=1) * 2 - 1


def test_pictures_with_alpha_are_seen_on_black_and_on_white() -> None:
    state = alpha_state(generations=1, reconstruction_weight=1.0, r1_gamma=1.0)
    seen = set()
    for number in range(8):
        result = state.run(alpha_batch(number), None)
        assert result.finite
        assert {"generator", "discriminator", "reconstruction", "perceptual"} <= set(result.losses)
        seen.add(state.context.background)
    assert seen == {0.0, 1.0}


def test_backgrounds_are_part_of_the_runs_chance() -> None:
    state = alpha_state()
    state.run(alpha_batch(), None)
    other = alpha_state(seed=1)
    other.load_state_dict(copy.deepcopy(state.state_dict()))
    for number in range(1, 6):
        state.run(alpha_batch(number), None)
        other.run(alpha_batch(number), None)
        assert state.context.background == other.context.background
    assert not changed(other.generator, snapshot(state.generator))


@pytest.mark.parametrize("name", ["compact", "stylegan2"])
def test_discriminators_of_both_generations_learn_from_alpha(name: str) -> None:
    torch.manual_seed(0)
    generator, discriminator = preset(name, resolution=8, image_channels=4)
    state = TrainingState(
        build_generator(generator),
        build_discriminator(discriminator),
        make_config(preset=name),
        CPU,
    )
    before = snapshot(state.discriminator)
    assert state.run(alpha_batch(), None).finite
    moved = [k for k in changed(state.discriminator, before) if before[k].shape[1:] == (4, 1, 1)]
    assert moved  # what reads the image's four channels
    assert state.generator_ema(torch.randn(2, state.generator.z_dim)).shape == (2, 4, 8, 8)


CHANGED = {"augment": "fixed", "augment_strength": 0.8, "r1_interval": 1}


@pytest.mark.parametrize("name", ["compact", "stylegan2"])
@pytest.mark.parametrize("generations", [1, 2])
def test_both_networks_learn_from_changed_images_with_r1_and_path_lengths(
    name: str, generations: int
) -> None:
    state = make_state(
        name, **CHANGED, generations=generations, path_length_weight=2.0, path_length_interval=1
    )
    before = [snapshot(m) for m in (state.generator, state.discriminator)]
    result = state.run(real_batch(), None)
    assert result.finite
    assert {"generator", "discriminator", "r1", "path_length"} <= set(result.losses)
    assert result.losses["r1"] > 0
    assert result.augmented == (0.8, None)
    for module, old in zip((state.generator, state.discriminator), before, strict=True):
        assert changed(module, old)


def test_the_strength_adapts_to_the_discriminator_and_is_measured() -> None:
    state = make_state(augment="ada", augment_strength=0.5, augment_kimg=1.0)
    augmented = [state.run(real_batch(i), None).augmented for i in range(5)]
    assert augmented[:4] == [(0.5, None)] * 4
    assert augmented[4] is not None
    strength, overfitting = augmented[4]
    assert overfitting is not None
    assert -1 <= overfitting <= 1
    assert strength == pytest.approx(0.5 + (0.032 if overfitting > 0.6 else -0.032))
    assert make_state().run(real_batch(), None).augmented is None


def test_a_bad_batch_leaves_the_strength_as_it_is() -> None:
    state = make_state(augment="ada", augment_strength=0.5)
    state.run(real_batch(), None)
    before = state.adversarial.augment.state_dict()
    assert not state.run(torch.full((8, 3, 8, 8), float("nan")), None).finite
    assert state.adversarial.augment.state_dict() == before
    assert state.run(real_batch(), None).finite


def test_changed_images_are_not_those_that_are_kept_for_a_pretrained_network() -> None:
    torch.manual_seed(0)
    shape: dict[str, Any] = {"resolution": 8, "num_classes": 0, "image_channels": 3}
    generator = preset("compact", resolution=8)[0]
    asked: list[int] = []

    class Kept:
        def of(self, which: torch.Tensor, background: float) -> Any:
            asked.extend(which.tolist())
            perceive: Any = state.discriminator.perceive
            return perceive(real_batch()[which], background)

    for strength in (0.0, 0.8):
        options = {"augment": "ada", "augment_strength": strength, "reconstruction.weight": 0.0}
        config = make_config(discriminator="projected", r1_gamma=0.0, generations=1, **options)
        networks = build_generator(generator), build_discriminator(projected_discriminator(**shape))
        state = TrainingState(*networks, config, CPU)
        state.context.real_maps = Kept()  # type: ignore[assignment]
        assert state.run(real_batch(), None, which=torch.arange(8)).finite
        assert asked == list(range(8))


@pytest.mark.parametrize("discriminator", ["preset", "projected"])
def test_augmented_pictures_with_alpha_are_judged(discriminator: str) -> None:
    torch.manual_seed(0)
    generator, judge = preset("compact", resolution=8, image_channels=4)
    own: Any = judge
    if discriminator == "projected":
        own = projected_discriminator(resolution=8, image_channels=4)
    config = make_config(
        discriminator=discriminator, augment="fixed", augment_strength=0.8, generations=1
    )
    state = TrainingState(build_generator(generator), build_discriminator(own), config, CPU)
    before = snapshot(state.generator)
    assert state.run(alpha_batch(), None).finite
    assert any("to_rgb" in name for name in changed(state.generator, before))
