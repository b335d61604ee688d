"""Growing: from 8² on, sizes fade in as the release of StyleGAN has it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_run import differences_of_runs, log_without_times, make_config, make_model
from torch import nn

from wspace.errors import WspaceError
from wspace.formats.model_file import load, load_model_file, save
from wspace.images import from_uint8
from wspace.networks import presets
from wspace.networks.build import build_discriminator, build_generator
from wspace.networks.config import AdaINConfig
from wspace.networks.generator import Generator
from wspace.networks.presets import preset
from wspace.ops.resample import downsample_mean, upsample_nearest
from wspace.sizes import Size
from wspace.training import loop
from wspace.training.config import TrainConfig
from wspace.training.growing import Growth, real_images
from wspace.training.regularizers import r1_penalty
from wspace.training.run.clock import Progress
from wspace.training.state import TrainingState
from wspace.training.transfer import Shape, carried_discriminator, carried_generator

PAPER = {"preset": "paper", "total_kimg": 25_000, "fade_kimg": 600.0}


class Killed(BaseException):
    """Ends a run as a power cut does."""


def growth(size: tuple[int, int] = (1024, 1024), **changes: Any) -> Growth:
    return Growth(TrainConfig(**(PAPER | changes)), Size(*size))


def made(resolution: int = 32) -> tuple[Generator, Any]:
    torch.manual_seed(0)
    generator, discriminator = preset("small", resolution=resolution)
    networks = build_generator(generator), build_discriminator(discriminator)
    with torch.no_grad():
        for network in networks:
            for name, parameter in network.named_parameters():
                if name.endswith(("bias", "noise_strength")):
                    parameter.add_(torch.randn_like(parameter) * 0.1)
    return networks


def smaller(resolution: int) -> tuple[Generator, nn.Module]:
    """The 8² or 16² networks within the 32² ones."""
    generator, discriminator = made()
    shape = Shape(resolution=resolution, num_classes=0, image_channels=3)
    small, _ = carried_generator(generator, shape)
    top = len(small.synthesis.to_rgb) - 1  # type: ignore[arg-type]
    # whose layer to colours is fitted when a model is made smaller
    small.synthesis.to_rgb[top] = generator.synthesis.to_rgb[top]  # type: ignore[index, operator]
    judge, _ = carried_discriminator(discriminator, shape, generator.config.mapping)
    assert judge is not None
    return small, judge


# -- the schedule


@pytest.mark.parametrize(
    ("kimg", "lod"),
    [(0, 7), (599, 7), (600, 7), (900, 6.5), (1200, 6), (1799, 6), (2100, 5.5), (8399.4, 0.001)],
)
def test_sizes_come_when_the_release_has_them(kimg: float, lod: float) -> None:
    assert growth().lod(round(kimg * 1000)) == pytest.approx(lod)


@pytest.mark.parametrize(("side", "kimg"), [(64, 3600), (128, 4800), (512, 7200), (1024, 8400)])
def test_the_full_resolution_is_reached_where_the_release_reaches_it(side: int, kimg: int) -> None:
    assert growth((side, side)).lod(kimg * 1000 - 100) > 0
    for size in ((side, side), (side, side * 3 // 2)):
        assert growth(size).lod(kimg * 1000) == 0


def test_batches_and_rates_are_the_releases_on_one_gpu() -> None:
    found = growth(batch_size=4)
    lods = range(7, -1, -1)
    assert [found.size(lod).square_side for lod in lods] == [8, 16, 32, 64, 128, 256, 512, 1024]
    assert [found.batch_size(lod) for lod in lods] == [128, 128, 64, 32, 16, 8, 4, 4]
    assert [found.rate(lod) for lod in lods] == [1, 1, 1, 1, 1.5, 2, 3, 3]
    assert found.size(6.9) == (16, 16)  # a fade is counted as what comes
    assert growth(batch_size=32).batch_size(1) == 32


def test_without_growing_all_is_as_it_was() -> None:
    found = Growth(TrainConfig(preset="paper"), Size(64, 96))
    assert (found.lod(0), found.batch_size(0), found.rate(0)) == (0.0, 32, 1.0)


# -- real images


def test_real_images_are_means_of_the_full_ones_rounded_to_bytes() -> None:
    pixels = torch.randint(0, 256, (20, 3, 8, 8), dtype=torch.uint8)
    assert real_images(pixels, 0).equal(from_uint8(pixels))
    means = pixels.float().reshape(20, 3, 2, 4, 2, 4).mean(dim=(3, 5)).round()
    torch.testing.assert_close(real_images(pixels, 2), means / 127.5 - 1, rtol=0, atol=1e-6)


def test_real_images_are_blended_with_their_means_in_a_fade() -> None:
    pixels = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8)
    whole = real_images(pixels, 1)
    blurred = upsample_nearest(downsample_mean(whole))
    wanted = whole * 0.75 + blurred * 0.25
    torch.testing.assert_close(real_images(pixels, 1.25), wanted, rtol=0, atol=1e-6)


# -- the networks


@torch.no_grad()
@pytest.mark.parametrize(("lod", "side"), [(2.0, 8), (1.0, 16)])
def test_at_a_whole_level_the_networks_are_the_smaller_ones(lod: float, side: int) -> None:
    generator, discriminator = made()
    small, judge = smaller(side)
    z = torch.randn(4, generator.z_dim)
    wanted = small(z)
    ws = generator.mapping(z)
    assert generator.synthesis(ws, lod=lod, full_size=False).equal(wanted)
    enlarged = generator.synthesis(ws, lod=lod)
    assert enlarged.shape == (4, 3, 32, 32)
    assert enlarged[:, :, :: 32 // side, :: 32 // side].equal(wanted)
    assert discriminator(wanted, lod=lod, full_size=False).equal(judge(wanted))


@torch.no_grad()
def test_at_level_zero_the_networks_are_the_whole_ones() -> None:
    generator, discriminator = made()
    ws = generator.mapping(torch.randn(4, generator.z_dim))
    images = generator.synthesis(ws)
    assert generator.synthesis(ws, lod=0.0, full_size=False).equal(images)
    assert discriminator(images, lod=0.0, full_size=False).equal(discriminator(images))


@torch.no_grad()
def test_between_levels_both_are_blended() -> None:
    generator, discriminator = made()
    ws = generator.mapping(torch.randn(4, generator.z_dim))
    old, new = (generator.synthesis(ws, lod=lod, full_size=False) for lod in (2.0, 1.0))
    found = generator.synthesis(ws, lod=1.25, full_size=False)
    wanted = new * 0.75 + upsample_nearest(old) * 0.25
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)
    for lod, end in ((1 + 1e-6, 1.0), (2 - 1e-6, 2.0)):
        near, there = (discriminator(generator.synthesis(ws), lod=at) for at in (lod, end))
        torch.testing.assert_close(near, there, rtol=1e-3, atol=1e-3)


def learning(networks: tuple[Generator, Any], lod: float) -> set[str]:
    """Parameters of both networks that get gradients at a level."""
    generator, discriminator = networks
    generator.synthesis.const.requires_grad_(True)  # type: ignore[operator, union-attr]
    images = generator.synthesis(
        generator.mapping(torch.randn(4, generator.z_dim)), "random", lod=lod, full_size=False
    )
    discriminator(images, lod=lod, full_size=False).sum().backward()
    return {
        f"{part}.{name}"
        for part, network in (("g", generator), ("d", discriminator))
        for name, parameter in network.named_parameters()
        if parameter.grad is not None and parameter.grad.abs().sum() > 0
    }


@pytest.mark.parametrize(
    ("lod", "colours", "blocks"),
    [(2.0, {1}, 2), (1.5, {1, 2}, 3), (1.0, {2}, 3), (0.5, {2, 3}, 4), (0.0, {3}, 4)],
)
def test_gradients_reach_what_is_in_use_and_nothing_else(
    lod: float, colours: set[int], blocks: int
) -> None:
    found = learning(made(), lod)
    for part in ("g.synthesis.to_rgb", "d.from_rgb"):
        assert {k for k in range(4) if f"{part}.{k}.weight" in found} == colours
    layers = {k for k in range(8) if f"g.synthesis.layers.{k}.style.affine.weight" in found}
    assert layers == set(range(2 * blocks))
    assert {k for k in range(3) if f"d.blocks.{k}.conv0.weight" in found} == set(range(blocks - 1))
    assert {"g.synthesis.const", "g.mapping.fc0.weight", "d.dense1.weight"} <= found


@torch.no_grad()
def test_rectangles_grow_in_their_shape() -> None:
    torch.manual_seed(0)
    generator, discriminator = preset("small", resolution=(16, 24))
    synthesis, judge = build_generator(generator).synthesis, build_discriminator(discriminator)
    images = synthesis(torch.randn(4, 6, 128), lod=1.0, full_size=False)
    assert images.shape == (4, 3, 8, 12)
    assert judge(images, lod=1.0, full_size=False).shape == (4,)


def test_r1_counts_as_on_enlarged_images() -> None:
    _, discriminator = made()
    images = torch.randn(4, 3, 8, 8)
    small = images.clone().requires_grad_()
    penalty = r1_penalty(small, discriminator(small, lod=2.0, full_size=False))
    large = upsample_nearest(upsample_nearest(images)).requires_grad_()
    torch.testing.assert_close(
        penalty * 0.25**2, r1_penalty(large, discriminator(large, lod=2.0)), rtol=1e-4, atol=1e-6
    )


# -- steps


def state_at(kimg: float, **changes: Any) -> TrainingState:
    config = TrainConfig(
        **{
            "preset": "small",
            "discriminator": "preset",
            "total_kimg": 10.0,
            "stable_kimg": 1.0,
            "fade_kimg": 1.0,
            "precision": "fp32",
            "compile": "off",
            "device": "cpu",
            "batch_size": 4,
            **changes,
        }
    )
    state = TrainingState(*made(), config, torch.device("cpu"))
    state.seen_images = round(kimg * 1000)
    state.load_state_dict(state.state_dict() | {"phase": list(state.growth.phase(state.lod))})
    return state


def step(state: TrainingState) -> None:
    pixels = torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8)
    assert state.run(real_images(pixels, state.lod), None).finite


def test_a_step_changes_only_what_is_in_use() -> None:
    state = state_at(0.5)
    before = {k: v.clone() for k, v in state.generator.named_parameters()}
    step(state)
    changed = {k for k, v in state.generator.named_parameters() if not v.equal(before[k])}
    assert {int(k.split(".")[2]) for k in changed if ".layers." in k} == {0, 1, 2, 3}
    assert {k for k in changed if "to_rgb" in k} == {
        f"synthesis.to_rgb.1.{kind}" for kind in ("weight", "bias")
    }


@pytest.mark.parametrize(("kimg", "side", "factor"), [(0.5, 8, 1 / 16), (9.0, 32, 1.0)])
def test_r1_of_a_step_is_that_of_enlarged_images(kimg: float, side: int, factor: float) -> None:
    state = state_at(kimg, r1_interval=1)
    images = torch.randn(8, 3, side, side)
    real, lod = images.clone().requires_grad_(), state.lod
    wanted = r1_penalty(real, made()[1](real, lod=lod, full_size=False)).mean() * factor
    found = state.run(images, None).losses["r1"]
    assert found == pytest.approx(float(wanted.detach()), rel=1e-3)


def test_adam_starts_anew_where_a_fade_begins_and_where_it_ends() -> None:
    for kimg, anew in ((0.996, True), (1.5, False), (1.996, True), (2.5, False)):
        state = state_at(kimg)
        step(state)
        assert not state.grown
        step(state)
        assert bool(state.grown) == anew
        moments = state.context.optimizers["generator"].state.values()
        assert {float(moment["step"]) for moment in moments} == ({1.0} if anew else {2.0})


def test_styles_are_mixed_among_the_layers_in_use() -> None:
    for kimg, layers in ((0.5, 4), (1.5, 6), (9.0, 8)):
        state = state_at(kimg, style_mixing_probability=1.0)
        context = state.context
        with torch.no_grad():
            ws, _ = context.mixed_ws(500, None)
        firsts = (ws != ws[:, :1]).any(dim=2).float().argmax(dim=1)
        assert set(firsts.tolist()) == set(range(1, layers))
        noise = context.noise(2)
        assert [m is not None for m in noise] == [k < layers for k in range(8)]


def test_path_lengths_are_taken_at_the_size_at_hand() -> None:
    state = state_at(0.5, path_length_weight=2.0, path_length_interval=1)
    step(state)
    assert state.adversarial.path_mean > 0


# -- runs


def config_of(folder: Path, **changes: Any) -> TrainConfig:
    """From 8² to 32² in 12 steps: two for each size, and for each fade."""
    data = folder / "data"
    if not data.exists():
        data.mkdir()
        random = np.random.RandomState(0)
        for k in range(10):
            pixels = random.randint(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(data / f"{k}.png")
    values = {
        "data": str(data),
        "preset": "small",
        "start_from": None,
        "total_kimg": 0.192,
        "fade_kimg": 0.032,
        "stable_kimg": 0.032,
        "anneal": 0.0,
        "batch_size": 4,
        "checkpoint_kimg": 0.001,
    }
    return make_config(folder, **(values | changes))


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """A preset of a few thousand weights, and at most 16 images a step."""
    monkeypatch.setattr("wspace.training.growing.MOST_IMAGES", 16)
    make = presets._adain(base=128, maximum=8, dim=8, layers=2, mapping_width=8)
    one = dataclasses.replace(presets.PRESETS["small"], make=make)
    monkeypatch.setitem(presets.PRESETS, "small", one)


def killed_after(steps: int) -> Callable[[Progress], None]:
    left = steps

    def report(progress: Progress) -> None:
        nonlocal left
        if progress.last is not None:
            left -= 1
            if left == 0:
                raise Killed

    return report


def test_a_run_resumes_exactly_in_every_phase_and_at_every_transition(
    tmp_path: Path, tiny: None
) -> None:
    config = config_of(tmp_path)
    straight = loop.start(config, tmp_path / "straight").run
    events = [line for line in log_without_times(straight) if "event" in line]
    assert [event["message"].split(",")[0] for event in events] == [
        "growing: 16 x 16 fades in",
        "growing: 16 x 16 learns",
        "growing: 32 x 32 fades in",
        "growing: 32 x 32 learns",
    ]
    with pytest.raises(Killed):
        loop.start(config, tmp_path / "killed", killed_after(2))
    (run,) = (tmp_path / "killed").iterdir()
    kills = 1
    while True:  # a checkpoint lies between any two steps, and one step is made anew each time
        try:
            loop.resume(run, killed_after(2))
            break
        except Killed:
            kills += 1
    assert kills > 8
    assert differences_of_runs(straight, run) == []


def test_a_model_that_still_grows_draws_at_the_size_it_has(
    tmp_path: Path, tiny: None, run_wspace: Callable[..., Any]
) -> None:
    run = loop.start(config_of(tmp_path, total_kimg=0.048), tmp_path / "runs").run
    generator = load(run)
    assert isinstance(generator.config.synthesis, AdaINConfig)
    lod = generator.config.synthesis.lod
    assert lod == pytest.approx(1.5)
    z = torch.randn(2, generator.z_dim)
    wanted = generator.synthesis(generator.mapping(z), lod=lod)
    assert generator(z).equal(wanted)
    assert wanted[:, :, ::2, ::2].equal(wanted[:, :, 1::2, 1::2])  # 16², enlarged
    assert run_wspace("generate", run, "--seeds", 1, "--out", tmp_path / "made").status == 0
    config = config_of(tmp_path, fade_kimg=0.0, start_from=str(run))
    with pytest.raises(WspaceError, match=r"still growing .*--resume"):
        loop.check(config)
    grown = loop.resume(run, total_kimg=0.192).run
    assert load(grown).config.synthesis.lod == 0  # type: ignore[union-attr]


def test_a_level_of_detail_that_no_block_has_is_refused(tmp_path: Path) -> None:
    generator, _ = made()
    synthesis = generator.config.synthesis
    assert isinstance(synthesis, AdaINConfig)
    with pytest.raises(WspaceError, match=r"lod=4 .* up to 3"):
        dataclasses.replace(synthesis, lod=4.0)
    path = tmp_path / "model.safetensors"
    object.__setattr__(synthesis, "lod", 40.0)
    save(generator, path)
    with pytest.raises(WspaceError, match="lod=40"):
        load_model_file(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"total_kimg": None, "minutes": 60.0}, "--kimg"),
        ({"discriminator": "projected"}, "discriminator=preset"),
        ({"reconstruction.weight": 1.0}, "without an encoder"),
        ({"start_from": "a.safetensors"}, "leave --from a.safetensors out"),
        ({"compile": "on"}, "leave one out"),
    ],
)
def test_what_does_not_go_with_growing_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(WspaceError, match=f"^growing.fade_kimg=600 .*{message}"):
        TrainConfig(**(PAPER | changes))


def test_networks_that_cannot_grow_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WspaceError, match=r"preset stylegan2 .* --preset paper"):
        loop.check(config_of(tmp_path, preset="stylegan2"))
    make_model(tmp_path / "start.safetensors")
    small = make_config(tmp_path / "small", start_from=None, fade_kimg=1.0)
    with pytest.raises(WspaceError, match=r"begins with 8 x 8, which"):
        loop.check(small)
