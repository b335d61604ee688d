"""Networks with the papers' shapes, 1024 pixels: import and one picture in under 4 GB."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import official_writer as writer
import pytest
import torch

from wspace.networks.build import build_discriminator, build_generator
from wspace.networks.config import (
    AliasFreeConfig,
    DemodulatedConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    MappingConfig,
    channels_per_block,
)
from wspace.networks.presets import preset

GIGABYTE = 1 << 30
MAPPING = {"weight_gain": 1.0, "activation_gain": 2**0.5, "class_input": "embed"}
CHANNELS = channels_per_block(1024, 32768, 512)


def write_stylegan1(path: Path) -> Path:
    generator_config, discriminator_config = preset("paper", resolution=1024)
    variables = writer.stylegan1_to_tensorflow(build_generator(generator_config).state_dict())
    critic = build_discriminator(discriminator_config).state_dict()
    return writer.write_tensorflow(
        path,
        (variables, variables),
        writer.stylegan1_critic_to_tensorflow(critic),
        functions=("G_style", "D_basic"),
        generator_kwargs={"resolution": 1024, "num_channels": 3, "label_size": 0},
        discriminator_kwargs={"resolution": 1024, "num_channels": 3, "label_size": 0},
    )


def write_stylegan2(path: Path) -> Path:
    generator = writer.stylegan2_generator(stylegan2_state(), conv_clamp=256)
    return writer.write_pytorch(path, G=generator, D=stylegan2_critic(), G_ema=generator)


def write_stylegan2_tf(path: Path) -> Path:
    variables = writer.stylegan2_to_tensorflow(
        {k: v for k, v in stylegan2_state().items() if "resample_filter" not in k}
    )
    return writer.write_tensorflow(
        path,
        (variables, variables),
        {},
        functions=("G_main", "D_stylegan2"),
        generator_kwargs={"resolution": 1024},
        discriminator_kwargs={},
        version=4,
    )


def write_stylegan3(path: Path, **options: Any) -> Path:
    generator = build_generator(
        GeneratorConfig(
            architecture="alias-free",
            resolution=1024,
            mapping=MappingConfig(num_layers=2, **MAPPING),
            synthesis=AliasFreeConfig(**options),
        )
    )
    record = writer.stylegan3_generator(generator, **options)
    return writer.write_pytorch(path, G=record, D=stylegan2_critic(), G_ema=record)


def write_stylegan3_r(path: Path) -> Path:
    return write_stylegan3(
        path, conv_kernel=1, channel_base=65536, channel_max=1024, use_radial_filters=True
    )


def stylegan2_state() -> dict[str, torch.Tensor]:
    generator = build_generator(
        GeneratorConfig(
            architecture="demodulated",
            resolution=1024,
            mapping=MappingConfig(**MAPPING),
            synthesis=DemodulatedConfig(channels=CHANNELS, conv_clamp=256),
        )
    )
    kernel = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])) / 64
    filters = {f"synthesis.b{2**k}.resample_filter": kernel for k in range(2, 11)}
    return {**generator.state_dict(), **filters}


def stylegan2_critic() -> Any:
    critic = build_discriminator(
        DiscriminatorConfig(
            architecture="demodulated",
            resolution=1024,
            channels=CHANNELS,
            block_architecture="resnet",
            resample_filter=(1.0, 3.0, 3.0, 1.0),
        )
    )
    kernel = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])) / 64
    filters = {f"b{2**k}.resample_filter": kernel for k in range(3, 11)}
    return writer.stylegan2_discriminator({**critic.state_dict(), **filters}, conv_clamp=256)


def stylegan3_parameters(channels: list[int], kernel: int) -> int:
    """Parameters of a StyleGAN3 generator with the channels of the paper's two configurations."""
    total = 2 * (512 * 512 + 512) + channels[0] ** 2 + 4 * 512 + 4
    before = channels[0]
    for i, after in enumerate(channels):
        taps = 1 if i == len(channels) - 1 else kernel**2
        total += after * before * taps + after + before * 512 + before
        before = after
    return total


T_CHANNELS = [512] * 7 + [323, 203, 128, 81, 51, 32, 32, 3]
R_CHANNELS = [1024] * 7 + [645, 406, 256, 161, 102, 64, 64, 3]

PROGRAM = """
import resource, sys
from wspace.cli.main import main
from wspace.formats.model_file import load
from wspace.recipe.recipe import recipes
from wspace.rendering.render import render
try:
    main(["import", sys.argv[1], sys.argv[2], "--no-sheet", *sys.argv[3:]])
except SystemExit as done:
    assert done.code == 0, done.code
imported = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
pictures = render(load(sys.argv[2]), recipes(seeds=[0]))
assert pictures.pixels.shape == (1, 1024, 1024, 3), pictures.pixels.shape
assert pictures.pixels.std() > 1
print(imported * 1024, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from Linux's accounts")
@pytest.mark.parametrize(
    ("write", "parameters", "has_discriminator"),
    [
        (write_stylegan1, 26_219_627, True),  # as the official README prints
        (write_stylegan2, 30_370_060, True),
        (write_stylegan2_tf, 30_370_060, False),
        (write_stylegan3, stylegan3_parameters(T_CHANNELS, 3), True),
        (write_stylegan3_r, stylegan3_parameters(R_CHANNELS, 1), True),
    ],
)
def test_a_full_size_file_imports_and_renders_in_under_4_gigabytes(
    write: Any, parameters: int, has_discriminator: bool, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    source = write(tmp_path / "official.pkl")
    out = tmp_path / "model.safetensors"
    arguments = ["--with-discriminator"] if has_discriminator else []
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, source, out, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert f"{parameters:,} parameters" in done.stdout
    imported, rendered = map(int, done.stdout.split()[-2:])
    print(f"{write.__name__}: {imported / 1e9:.2f} GB imported, {rendered / 1e9:.2f} GB rendered")
    assert max(imported, rendered) < 4 * GIGABYTE
