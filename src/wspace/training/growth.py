"""Going on at a higher resolution with what a smaller model has learned.

Source: the idea of Karras et al. 2018 (ProGAN), Section 2, without the fade.
"""

from __future__ import annotations

from torch import nn

from wspace.errors import WspaceError
from wspace.formats.model_file import ModelFile
from wspace.networks.build import build_discriminator, build_generator
from wspace.networks.config import DiscriminatorConfig, GeneratorConfig, ProjectedConfig
from wspace.networks.generator import Generator

__all__ = ["grow"]


def grow(
    model: ModelFile,
    generator_config: GeneratorConfig,
    discriminator_config: DiscriminatorConfig | ProjectedConfig,
) -> tuple[Generator, nn.Module]:
    """Build larger networks whose small blocks are those of a trained model.

    Blocks are named from 4² up, so that every block of the small model has its place in the large
    one; the blocks that it lacks start fresh.

    Args:
        model: of a lower resolution; the discriminator of a preset is used, too, if it has one.
        generator_config: the large generator, alike in all other things.
        discriminator_config: the large discriminator.

    Returns:
        The large generator and discriminator.

    Raises:
        WspaceError: the model is of another preset, so that its blocks do not fit.
    """
    generator = build_generator(generator_config)
    discriminator = build_discriminator(discriminator_config)
    _fill(generator, model.generator)
    # A projected discriminator's parts are numbered from the image down: none has its place.
    if model.discriminator is not None and isinstance(discriminator_config, DiscriminatorConfig):
        _fill(discriminator, model.discriminator)
    return generator, discriminator


def _fill(large: nn.Module, small: nn.Module) -> None:
    """Copy every tensor of ``small`` to its place in ``large``."""
    places = large.state_dict()
    for name, tensor in small.state_dict().items():
        if name not in places or places[name].shape != tensor.shape:
            raise WspaceError(
                f"the model cannot grow to this resolution: its {name} {tuple(tensor.shape)} has "
                "no place in the new network; give the --preset that the model was trained with."
            )
        places[name].copy_(tensor)
