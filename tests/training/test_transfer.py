"""Fine-tuning: a model goes on in networks for other sizes, channels and classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from tiny_run import differences_of_runs, make_config, make_model
from torch import Tensor, nn

from wspace.errors import WspaceError
from wspace.formats.model_file import load, load_model_file, save
from wspace.images import rgb_of
from wspace.networks.build import build_discriminator, build_generator
from wspace.networks.config import AliasFreeConfig, GeneratorConfig, MappingConfig
from wspace.networks.generator import Generator
from wspace.networks.presets import preset, projected_discriminator
from wspace.networks.styles import pixel_norm
from wspace.ops.resample import fir_kernel, fir_upsample
from wspace.training import loop, transfer
from wspace.training.config import TrainConfig
from wspace.training.run.clock import Progress
from wspace.training.transfer import (
    LUMA,
    Shape,
    carried_discriminator,
    carried_generator,
    preset_of,
)

PRESETS = ("small", "stylegan2")


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def networks(name: str, **shape: int) -> tuple[Generator, nn.Module]:
    """A preset's networks, whose biases and strengths of noise are not zero."""
    generator_config, discriminator_config = preset(name, **{"resolution": 16, **shape})
    made = build_generator(generator_config), build_discriminator(discriminator_config)
    with torch.no_grad():
        for network in made:
            for parameter_name, parameter in network.named_parameters():
                if parameter_name.endswith(("bias", "noise_strength")):
                    parameter.add_(torch.randn_like(parameter) * 0.1)
    return made


def shape_like(generator: Generator, **changes: int) -> Shape:
    same = {
        "resolution": generator.resolution,
        "num_classes": generator.num_classes,
        "image_channels": generator.image_channels,
    }
    return Shape(**(same | changes))


def carried(generator: Generator, **changes: int) -> Generator:
    return carried_generator(generator, shape_like(generator, **changes))[0]


def judging(discriminator: nn.Module, generator: Generator, **changes: int) -> nn.Module:
    shape = shape_like(generator, **changes)
    found, _ = carried_discriminator(discriminator, shape, generator.config.mapping)
    assert found is not None
    return found


def classes(count: int, num_classes: int) -> Tensor:
    return F.one_hot(torch.arange(count) % num_classes, num_classes).float()


def luma(pictures: Tensor) -> Tensor:
    return (pictures * torch.tensor(LUMA)[:, None, None]).sum(dim=1, keepdim=True)


def alias_free() -> Generator:
    config = GeneratorConfig(
        architecture="alias-free",
        resolution=16,
        z_dim=8,
        w_dim=8,
        mapping=MappingConfig(num_layers=2),
        synthesis=AliasFreeConfig(channel_base=256, channel_max=16, num_layers=4, margin_size=2),
    )
    return build_generator(config)


def test_networks_of_the_right_shape_are_the_models_own() -> None:
    generator, discriminator = networks("small")
    assert carried(generator) is generator
    assert judging(discriminator, generator) is discriminator


@pytest.mark.parametrize("name", ["small", "compact", "medium", "paper", "stylegan2"])
def test_a_model_is_known_by_its_preset(name: str) -> None:
    config, _ = preset(name, resolution=32, num_classes=3, image_channels=1)
    assert preset_of(config) == name
    assert preset_of(dataclasses.replace(config, z_dim=7)) is None


# -- size


@torch.no_grad()
def test_an_adain_network_that_grows_keeps_its_blocks() -> None:
    old, judge = networks("small", resolution=8)
    new = carried(old, resolution=16)
    z = torch.randn(2, old.z_dim)
    before = old(z)
    noise = [*old.const_noise, *new.const_noise[4:]]
    after = new.synthesis(new.mapping(z), noise, lod=1.0)  # 8² pictures, doubled
    torch.testing.assert_close(after[:, :, ::2, ::2], before, rtol=0, atol=1e-6)
    judged = judging(judge, old, resolution=16)(after, lod=1.0)
    torch.testing.assert_close(judged, judge(before), rtol=1e-5, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize(("side", "share"), [(32, 0.4), (128, 0.8)])
def test_an_adain_network_of_another_size_draws_about_the_same(
    side: int, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "_FITTED_PICTURES", 16)
    old = load("avatars")
    new = carried(old, resolution=side)
    ws = old.mapping(torch.randn(4, old.z_dim))
    mode = "area" if side < 64 else "nearest"
    wanted = F.interpolate(old.synthesis(ws, "none"), size=side, mode=mode)
    found = new.synthesis(ws[:, :1].expand(-1, new.num_ws, -1), "none")
    assert found.shape == (4, 3, side, side)
    assert (found - wanted).square().mean() < share * wanted.var()


@torch.no_grad()
def test_a_stylegan2_network_that_grows_draws_its_pictures_enlarged() -> None:
    old, judge = networks("stylegan2")
    new = carried(old, resolution=32)
    w = old.mapping.w(torch.randn(2, old.z_dim))
    ws = w[:, None].expand(-1, new.num_ws, -1)
    enlarged = fir_upsample(old.synthesis(ws[:, : old.num_ws], "none"), fir_kernel((1, 3, 3, 1)))
    torch.testing.assert_close(new.synthesis(ws, "none"), enlarged, rtol=1e-5, atol=1e-5)
    assert judging(judge, old, resolution=32)(enlarged).shape == (2,)
    assert carried(new, resolution=8)(torch.randn(2, 512)).shape == (2, 3, 8, 8)


def test_a_stylegan2_network_may_grow_past_the_size_at_which_its_preset_widens() -> None:
    old = GeneratorConfig.from_dict(preset("stylegan2", resolution=256)[0].to_dict())
    tiny = dataclasses.replace(
        old,
        resolution=16,
        z_dim=8,
        w_dim=8,
        synthesis=dataclasses.replace(old.synthesis, channels=(16, 12, 9)),
    )
    grown = carried(build_generator(tiny), resolution=64)
    assert grown.config.synthesis.channels == (16, 12, 9, 4, 2)  # type: ignore[union-attr]


def test_stylegan3_cannot_go_on_at_another_size() -> None:
    with pytest.raises(WspaceError, match="16 x 16 cannot go on at 32 x 32"):
        carried(alias_free(), resolution=32)


# -- channels


def made_for_channels(kind: str, channels: int) -> Generator:
    if kind == "alias-free":
        made = alias_free()
        return made if channels == 3 else carried(made, image_channels=1)
    return networks(kind, image_channels=channels)[0]


@torch.no_grad()
@pytest.mark.parametrize("kind", [*PRESETS, "alias-free"])
def test_a_grey_network_draws_the_same_in_colour_and_back(kind: str) -> None:
    grey = made_for_channels(kind, 1)
    z = torch.randn(2, grey.z_dim)
    colour = carried(grey, image_channels=3)
    torch.testing.assert_close(colour(z), grey(z).expand(-1, 3, -1, -1), rtol=0, atol=1e-5)
    torch.testing.assert_close(carried(colour, image_channels=1)(z), grey(z), rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("kind", [*PRESETS, "alias-free"])
def test_a_colour_network_draws_its_luma_in_grey(kind: str) -> None:
    colour = made_for_channels(kind, 3)
    z = torch.randn(2, colour.z_dim)
    grey = carried(colour, image_channels=1)
    torch.testing.assert_close(grey(z), luma(colour(z)), rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("name", PRESETS)
def test_a_discriminator_judges_grey_pictures_alike_in_any_channels(name: str) -> None:
    pictures = torch.randn(4, 1, 16, 16)
    generator, judge = networks(name, image_channels=1)
    in_colour = judging(judge, generator, image_channels=3)
    torch.testing.assert_close(
        in_colour(pictures.expand(-1, 3, -1, -1)), judge(pictures), rtol=1e-4, atol=1e-4
    )
    colourful = torch.randn(4, 3, 16, 16)
    torch.testing.assert_close(in_colour(colourful), judge(luma(colourful)), rtol=1e-4, atol=1e-4)
    generator, judge = networks(name)
    in_grey = judging(judge, generator, image_channels=1)
    torch.testing.assert_close(
        in_grey(pictures), judge(pictures.expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-4
    )


@torch.no_grad()
@pytest.mark.parametrize("kind", [*PRESETS, "alias-free"])
def test_a_network_that_gets_alpha_draws_opaque_pictures_and_lays_them_on_white(
    kind: str,
) -> None:
    colour = made_for_channels(kind, 3)
    z = torch.randn(2, colour.z_dim)
    opaque = carried(colour, image_channels=4)
    wanted = F.pad(colour(z), (0, 0, 0, 0, 0, 1), value=1.0)
    torch.testing.assert_close(opaque(z), wanted, rtol=0, atol=1e-5)
    with_alpha = made_for_channels(kind, 4) if kind != "alias-free" else opaque
    wanted = rgb_of(with_alpha(z))
    torch.testing.assert_close(carried(with_alpha, image_channels=3)(z), wanted, rtol=0, atol=1e-5)
    grey = carried(with_alpha, image_channels=1)
    torch.testing.assert_close(grey(z), luma(wanted), rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("name", PRESETS)
def test_a_discriminator_that_gets_alpha_judges_what_is_seen_on_white(name: str) -> None:
    pictures = torch.randn(4, 4, 16, 16)
    generator, judge = networks(name)
    with_alpha = judging(judge, generator, image_channels=4)
    torch.testing.assert_close(with_alpha(pictures), judge(rgb_of(pictures)), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_size_and_channels_change_together() -> None:
    old, _ = networks("stylegan2")
    new = carried(old, resolution=32, image_channels=4)
    w = old.mapping.w(torch.randn(2, old.z_dim))
    ws = w[:, None].expand(-1, new.num_ws, -1)
    enlarged = fir_upsample(old.synthesis(ws[:, : old.num_ws], "none"), fir_kernel((1, 3, 3, 1)))
    wanted = F.pad(enlarged, (0, 0, 0, 0, 0, 1), value=1.0)
    torch.testing.assert_close(new.synthesis(ws, "none"), wanted, rtol=1e-5, atol=1e-5)
    smaller = carried(networks("small")[0], resolution=8, image_channels=4, num_classes=2)
    assert smaller(torch.randn(2, 128), classes(2, 2)).shape == (2, 4, 8, 8)


# -- classes


@torch.no_grad()
@pytest.mark.parametrize("name", PRESETS)
def test_every_class_starts_as_what_a_network_without_classes_draws(name: str) -> None:
    old, judge = networks(name)
    new = carried(old, num_classes=3)
    z, c = torch.randn(8, old.z_dim), classes(8, 3)
    torch.testing.assert_close(new.mapping.w(z, c), old.mapping.w(z), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(new(z, c), old(z), rtol=1e-3, atol=1e-4)
    assert new.w_avg.equal(old.w_avg)
    pictures = torch.randn(8, 3, 16, 16)
    judged, before = judging(judge, old, num_classes=3)(pictures, c), judge(pictures)
    if name == "small":
        torch.testing.assert_close(judged, before, rtol=1e-4, atol=1e-5)
    else:  # by projection: the mean over the classes is kept
        three = judging(judge, old, num_classes=3)
        mean = sum(three(pictures, classes(1, 3).roll(k, 1).expand(8, -1)) for k in range(3)) / 3
        torch.testing.assert_close(mean, before, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", PRESETS)
def test_classes_that_start_alike_learn_to_differ(name: str) -> None:
    old, _ = networks(name)
    new = carried(old, num_classes=2).requires_grad_()
    w = new.mapping.w(torch.randn(4, old.z_dim), classes(4, 2))
    (w * classes(4, 2)[:, :1]).sum().backward()
    learns = new.mapping.class_rows if name == "small" else new.mapping.embed.weight  # type: ignore[union-attr]
    assert learns.grad is not None
    assert learns.grad.abs().max() > 1e-4


@torch.no_grad()
@pytest.mark.parametrize("name", PRESETS)
def test_known_classes_are_kept_and_new_ones_are_their_mean(name: str) -> None:
    old, judge = networks(name, num_classes=2)
    new = carried(old, num_classes=4)
    z, pictures = torch.randn(4, old.z_dim), torch.randn(4, 3, 16, 16)
    for k in range(2):
        was, now = (F.one_hot(torch.tensor([k] * 4), n).float() for n in (2, 4))
        torch.testing.assert_close(new.mapping.w(z, now), old.mapping.w(z, was))
        judged = judging(judge, old, num_classes=4)(pictures, now)
        torch.testing.assert_close(judged, judge(pictures, was), rtol=1e-4, atol=1e-4)
    fewer = carried(new, num_classes=1)
    torch.testing.assert_close(
        fewer.mapping.w(z, torch.ones(4, 1)), old.mapping.w(z, classes(1, 2).expand(4, -1))
    )
    if name == "small":
        mean = old.mapping.class_rows.mean(dim=0)  # type: ignore[operator]
        torch.testing.assert_close(new.mapping.class_rows[2:], torch.stack([mean, mean]))  # type: ignore[index]
    else:
        each = [net.mapping.embed(torch.eye(net.num_classes)) for net in (old, new)]  # type: ignore[operator]
        torch.testing.assert_close(each[1][3], each[0].mean(dim=0))


@torch.no_grad()
@pytest.mark.parametrize("name", PRESETS)
def test_without_classes_a_network_draws_the_mean_of_those_it_knew(name: str) -> None:
    old, judge = networks(name, num_classes=3)
    new = carried(old, num_classes=0)
    dim, mapping = old.z_dim, old.mapping
    z = pixel_norm(torch.randn(5, dim))  # rows of a class are about as large
    if name == "small":
        added = mapping.class_rows.mean(dim=0)  # type: ignore[operator]
    else:
        added = pixel_norm(mapping.embed(torch.eye(3))).mean(dim=0)  # type: ignore[operator]
    x = torch.cat([z, added.expand(5, -1)], dim=1)
    torch.testing.assert_close(new.mapping.fc0(z), mapping.fc0(x), rtol=1e-4, atol=1e-4)  # type: ignore[operator]
    pictures = torch.randn(4, 3, 16, 16)
    each = [judge(pictures, F.one_hot(torch.tensor([k] * 4), 3).float()) for k in range(3)]
    judged = judging(judge, old, num_classes=0)(pictures)
    torch.testing.assert_close(judged, torch.stack(each).mean(dim=0), rtol=1e-3, atol=1e-4)


@torch.no_grad()
def test_a_projected_discriminator_keeps_its_heads() -> None:
    config = projected_discriminator(resolution=16)
    old: Any = build_discriminator(config)
    shape = Shape(resolution=16, num_classes=3, image_channels=1)
    new: Any = carried_discriminator(old, shape, MappingConfig())[0]
    pictures = torch.randn(4, 1, 16, 16)
    before = old(pictures.expand(-1, 3, -1, -1))
    for k in range(3):
        c = F.one_hot(torch.tensor([k] * 4), 3).float()
        # three equal rows are √3 as long, and spectral normalisation takes that away
        logits, bias = new(pictures, c), old.heads[0].judge.bias
        places = old.heads[0].places
        torch.testing.assert_close(
            (logits[:, :places] - bias) * 3**0.5,
            before[:, :places] - bias,
            rtol=1e-2,
            atol=1e-2,
        )
    first = new.image_head.layers[0]
    assert torch.linalg.matrix_norm(first.weight.flatten(1), ord=2) == pytest.approx(1, abs=1e-4)


# -- runs


def messages_of(config: TrainConfig, out: Path) -> tuple[Path, list[str]]:
    said: list[str] = []

    def report(progress: Progress) -> None:
        if progress.message is not None:
            said.append(progress.message)

    return loop.start(config, out, report).run, said


def test_a_run_says_what_goes_on_and_resumes_exactly(tmp_path: Path) -> None:
    colour = load_model_file(make_model(tmp_path / "colour.safetensors", num_classes=2)).generator
    save(carried(colour, image_channels=1), tmp_path / "grey.safetensors")
    start = str(tmp_path / "grey.safetensors")
    config = make_config(tmp_path, steps=6, start_from=start, anneal=0.0)
    whole, said = messages_of(config, tmp_path / "whole")
    assert said[0] == (
        f"from {config.start_from}: the generator goes on; its 2 classes become one, their mean; "
        "it becomes colour. The discriminator starts afresh: with --set "
        "warmup_kimg=5 it learns alone first, and the generator rests."
    )
    halved = loop.start(config.replace(total_kimg=0.012), tmp_path / "halved").run
    loop.resume(halved, total_kimg=config.total_kimg)
    assert differences_of_runs(whole, halved) == []
    assert load_model_file(whole).generator.image_channels == 3


@pytest.mark.parametrize("architecture", ["adain", "demodulated"])
def test_resting_blocks_do_not_change(tmp_path: Path, architecture: str) -> None:
    model = make_model(tmp_path / "start.safetensors", architecture)
    before = load_model_file(model).discriminator
    assert before is not None
    config = make_config(tmp_path, steps=6, freeze_d=1, anneal=0.0)
    whole = loop.start(config, tmp_path / "whole").run
    after = load_model_file(whole).discriminator
    assert after is not None
    changed = {
        name
        for name, parameter in after.named_parameters()
        if not parameter.equal(before.get_parameter(name))
    }
    resting = ("blocks.", "from_rgb.1", "b8.")
    assert changed == {
        name
        for name, _ in before.named_parameters()
        if not name.startswith(resting) and not name.startswith("from_rgb")
    }
    halved = loop.start(config.replace(total_kimg=0.012), tmp_path / "halved").run
    loop.resume(halved, total_kimg=config.total_kimg)
    assert differences_of_runs(whole, halved) == []


def test_more_blocks_than_there_are_cannot_rest(tmp_path: Path) -> None:
    config = make_config(tmp_path, freeze_d=2)
    with pytest.raises(WspaceError, match=r"freeze_d=2 .* 1 blocks .* give 1 to 1"):
        loop.check(config)


def test_freeze_d_needs_something_to_rest(tmp_path: Path) -> None:
    with pytest.raises(WspaceError, match="--from MODEL"):
        TrainConfig(freeze_d=1, discriminator="preset")
    with pytest.raises(WspaceError, match="always rests"):
        TrainConfig(freeze_d=1, start_from="a.safetensors")
    config = make_config(tmp_path)
    save(load_model_file(tmp_path / "start.safetensors").generator, tmp_path / "g.safetensors")
    with pytest.raises(WspaceError, match=r"freeze_d=1 .*holds none"):
        loop.check(config.replace(start_from=str(tmp_path / "g.safetensors"), freeze_d=1))


def test_blocks_that_are_new_at_a_size_cannot_rest(tmp_path: Path) -> None:
    folder = tmp_path / "large"
    folder.mkdir()
    for k in range(4):
        Image.new("RGB", (16, 16), (40 * k, 0, 0)).save(folder / f"{k}.png")
    config = make_config(tmp_path).replace(data=str(folder), freeze_d=1)
    with pytest.raises(WspaceError, match="at 16 x 16 those are new"):
        loop.check(config)


def test_fine_tuning_begins_with_the_discriminator() -> None:
    config = TrainConfig(start_from="a.safetensors")
    assert config.discriminator == "projected"
    assert not config.reconstruction.alone
    assert not config.matching.on
    assert TrainConfig().reconstruction.alone
    in_stages = TrainConfig(start_from="a.safetensors", **{"reconstruction.share": 0.3})
    assert in_stages.reconstruction.weight == TrainConfig().reconstruction.weight
    assert in_stages.matching == TrainConfig().matching


def test_another_preset_than_the_models_is_refused(
    tmp_path: Path, run_wspace: Callable[..., Any]
) -> None:
    config = make_config(tmp_path)
    generator, discriminator = preset("small", resolution=8)
    model = tmp_path / "small.safetensors"
    save(build_generator(generator), model, discriminator=build_discriminator(discriminator))
    words = ["train", config.data, "--from", model, "--set", "discriminator=preset", "--dry-run"]
    ran = run_wspace(*words, "--preset", "medium")
    assert ran.status == 2
    assert "has the networks of preset small, not of medium" in ran.err
    ran = run_wspace(*words)
    assert ran.status == 0
    assert "The discriminator goes on." in ran.out


# -- rectangles


@torch.no_grad()
@pytest.mark.parametrize("name", ["small", "stylegan2"])
def test_a_rectangular_network_goes_on_in_its_shape_alone(name: str) -> None:
    config, judge = preset(name, resolution=(8, 12))
    old, old_judge = build_generator(config), build_discriminator(judge)
    new = carried(old, resolution=(16, 24))
    assert new(torch.randn(2, old.z_dim)).shape == (2, 3, 16, 24)
    constant = {"small": "synthesis.const", "stylegan2": "synthesis.b4.const"}[name]
    torch.testing.assert_close(new.state_dict()[constant], old.state_dict()[constant])
    assert judging(old_judge, old, resolution=(16, 24))(torch.randn(4, 3, 16, 24)).shape == (4,)
    with pytest.raises(WspaceError, match=r"begins with a block of 6 x 4, .* with one of 16 x 9"):
        carried(old, resolution=(18, 32))


@torch.no_grad()
@pytest.mark.parametrize("name", ["small", "stylegan2"])
def test_a_square_network_goes_on_in_rectangles_with_a_stretched_constant(name: str) -> None:
    old, judge = networks(name)
    shape = Shape(resolution=(16, 24), num_classes=0, image_channels=3)
    new, said = carried_generator(old, shape)
    assert said == ["its constant is stretched to 6 x 4"]
    synthesis = old.synthesis
    constant = synthesis.const if name == "small" else synthesis.b4.const
    constant.copy_(constant.mean(dim=(-2, -1), keepdim=True).expand_as(constant))
    flat, _ = carried_generator(old, shape)
    z = torch.randn(2, old.z_dim)
    narrow = old.synthesis(old.mapping(z), "none")
    wide = flat.synthesis(flat.mapping(z), "none")
    assert wide.shape == (2, 3, 16, 24)
    if name == "stylegan2":  # the same far from the borders, where AdaIN would see more of a map
        torch.testing.assert_close(wide[..., :2], narrow[..., :2], rtol=0, atol=0.05)
    judging_rectangles, told = carried_discriminator(judge, shape, old.config.mapping)
    assert told == ["what it sees at last is stretched to 6 x 4"]
    assert judging_rectangles is not None
    assert judging_rectangles(torch.rand(4, 3, 16, 24)).shape == (4,)
    before, after = (
        network.dense0 if name == "small" else network.b4.fc  # type: ignore[union-attr]
        for network in (judge, judging_rectangles)
    )
    maps = torch.rand(1, before.weight.shape[1] // 16, 1, 1)  # each flat: alike in any shape
    flat_maps = [maps.expand(-1, -1, *size).flatten(1) for size in ((4, 4), (4, 6))]
    torch.testing.assert_close(after(flat_maps[1]), before(flat_maps[0]), rtol=1e-3, atol=1e-3)
    assert carried(new, resolution=(32, 48))(z).shape == (2, 3, 32, 48)
    assert carried(new, resolution=(8, 8))(z).shape == (2, 3, 8, 8)
