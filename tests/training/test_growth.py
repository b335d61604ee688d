"""Growing: a smaller model's blocks keep what they have learned."""

from __future__ import annotations

import pytest
import torch

from wspace.errors import WspaceError
from wspace.formats.model_file import ModelFile
from wspace.networks.build import build_discriminator, build_generator
from wspace.networks.presets import preset
from wspace.training.growth import grow


def small_model() -> ModelFile:
    generator, discriminator = preset("compact", resolution=8)
    return ModelFile(
        generator=build_generator(generator),
        discriminator=build_discriminator(discriminator),
        metadata={},
    )


@torch.no_grad()
def test_a_grown_network_makes_and_judges_small_pictures_as_before() -> None:
    model = small_model()
    generator, discriminator = grow(model, *preset("compact", resolution=16))
    z = torch.randn(2, generator.z_dim)
    before = model.generator(z)
    noise = [*model.generator.const_noise, *generator.const_noise[4:]]
    grown = generator.synthesis(generator.mapping(z), noise, lod=1.0)  # 8² pictures, doubled
    torch.testing.assert_close(grown[:, :, ::2, ::2], before, rtol=0, atol=1e-6)
    assert model.discriminator is not None
    judged = discriminator(grown, lod=1.0)
    torch.testing.assert_close(judged, model.discriminator(before), rtol=1e-5, atol=1e-5)


def test_a_model_of_another_preset_cannot_grow() -> None:
    with pytest.raises(WspaceError, match="--preset"):
        grow(small_model(), *preset("medium", resolution=16))
