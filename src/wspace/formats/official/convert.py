"""From an official file to networks of wspace that compute the same."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from wspace.errors import WspaceError, shown
from wspace.formats.official.file import OfficialFile, read_official
from wspace.formats.official.network import OfficialNetwork
from wspace.formats.official.stylegan1 import (
    convert_stylegan1_discriminator,
    convert_stylegan1_generator,
)
from wspace.formats.official.stylegan2 import (
    convert_stylegan2_discriminator,
    convert_stylegan2_generator,
)
from wspace.formats.official.stylegan2_tensorflow import (
    convert_stylegan2_tf_discriminator,
    convert_stylegan2_tf_generator,
)
from wspace.formats.official.stylegan3 import (
    check_stylegan3_filters,
    convert_stylegan3_generator,
)
from wspace.networks.build import build_discriminator, build_generator
from wspace.networks.config import DiscriminatorConfig, GeneratorConfig
from wspace.networks.generator import Generator

__all__ = [
    "ImportedModel",
    "convert_discriminator",
    "convert_generator",
    "import_official",
    "name_classes",
]

State = dict[str, Tensor]
MAX_NAMES_BYTES = 2**24


@dataclass(frozen=True, kw_only=True)
class ImportedModel:
    """What `import_official` makes.

    Attributes:
        generator: in eval mode, without gradients.
        discriminator: likewise, or None when it was not asked for.
        generation: 1, 2 or 3.
        metadata: where it comes from, for the model file.
    """

    generator: Generator
    discriminator: nn.Module | None
    generation: Literal[1, 2, 3]
    metadata: dict[str, Any]


def import_official(
    path: Path | str,
    *,
    network: Literal["G_ema", "G"] = "G_ema",
    with_discriminator: bool = False,
) -> ImportedModel:
    """Read an official pickle as data and make wspace's networks of it.

    Args:
        path: see `file.read_official`.
        network: the averaged generator, to sample from, or the one under training.
        with_discriminator: bring the discriminator along, for fine-tuning.

    Raises:
        WspaceError: the file is not an official one, is damaged or hostile, has no such network,
            or one with options that wspace's networks do not have.
    """
    file = read_official(path)
    official = file.network(network)
    generator = convert_generator(official)
    discriminator = convert_discriminator(file.network("D")) if with_discriminator else None
    return ImportedModel(
        generator=generator,
        discriminator=discriminator,
        generation=official.generation,
        metadata=_metadata(file, official),
    )


def name_classes(generator: Generator, path: Path) -> None:
    """Give a generator's classes names.

    Args:
        generator: changed in place.
        path: a text file with a line for each class.

    Raises:
        WspaceError: it cannot be read, has lines for other classes, or a name twice.
    """
    try:
        if path.stat().st_size > MAX_NAMES_BYTES:
            raise WspaceError(f"{path} is larger than {MAX_NAMES_BYTES} bytes: it is no names.")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise WspaceError(f"cannot read {path}: {error.strerror}: check the path.") from None
    except UnicodeDecodeError:
        raise WspaceError(f"{path} is no text in UTF-8: save it as such.") from None
    names = tuple(line.strip() for line in lines if line.strip())
    try:
        generator.config = dataclasses.replace(generator.config, class_names=names)
    except WspaceError as error:
        raise WspaceError(f"{path}: {error}") from None


def convert_generator(network: OfficialNetwork) -> Generator:
    """The wspace generator that computes what an official one does; raises as `import_official`."""
    if network.name == "D" or "synthesis" not in _parts(network):
        raise WspaceError(f"{network.arguments.owner} is no generator: not imported.")
    if network.tensorflow:
        convert = (
            convert_stylegan1_generator
            if network.generation == 1
            else convert_stylegan2_tf_generator
        )
    elif network.generation == 3:
        convert = convert_stylegan3_generator
    else:
        convert = convert_stylegan2_generator
    config, state = convert(network)
    generator = _build_with_state(config, state, network)
    assert isinstance(generator, Generator)
    if network.generation == 3:
        check_stylegan3_filters(network, generator)
    return generator


def convert_discriminator(network: OfficialNetwork) -> nn.Module:
    """The wspace discriminator that computes what an official one does.

    Raises as `import_official`.
    """
    if "synthesis" in _parts(network):
        raise WspaceError(f"{network.arguments.owner} is no discriminator: not imported.")
    if network.generation == 1:
        convert = convert_stylegan1_discriminator
    elif network.tensorflow:
        convert = convert_stylegan2_tf_discriminator
    else:
        convert = convert_stylegan2_discriminator
    config, state = convert(network)
    return _build_with_state(config, state, network)


def _parts(network: OfficialNetwork) -> set[str]:
    return {name.split("/" if network.tensorflow else ".")[0] for name in network.tensors}


def _build_with_state(
    config: GeneratorConfig | DiscriminatorConfig, state: State, network: OfficialNetwork
) -> nn.Module:
    """The network with the tensors of the file, all shapes checked before memory is taken."""
    owner = network.arguments.owner
    if config.image_channels == 4:
        raise WspaceError(
            f"{owner} has pictures of 4 channels, which no official training makes: no file says "
            "whether the fourth is alpha, and the colours multiplied by it; not imported."
        )
    try:
        with torch.device("meta"):
            expected = _build(config).state_dict()
    except (ArithmeticError, RuntimeError, TypeError) as error:
        raise WspaceError(f"{owner} has options that make no network: {error}.") from None
    for name, tensor in expected.items():
        if name not in state:
            raise WspaceError(f"{owner} holds nothing for {name}: the file is damaged.")
        if state[name].shape != tensor.shape:
            raise WspaceError(
                f"{owner}: {name} has the shape {tuple(state[name].shape)}, not "
                f"{tuple(tensor.shape)}: an option of it is not among those wspace's networks have."
            )
    if extra := sorted(set(state) - set(expected)):
        raise WspaceError(
            f"{owner} holds a tensor {shown(extra[0])} that wspace's networks have no place for: "
            "it was not made by the official code."
        )
    with torch.random.fork_rng(devices=[]):
        built = _build(config)
    built.load_state_dict(state)
    return built.eval().requires_grad_(False)


def _build(config: GeneratorConfig | DiscriminatorConfig) -> nn.Module:
    if isinstance(config, GeneratorConfig):
        return build_generator(config)
    return build_discriminator(config)


def _metadata(file: OfficialFile, network: OfficialNetwork) -> dict[str, Any]:
    """Where a model comes from. Weights keep their maker's terms, which no file states."""
    return {
        "imported_from": file.path.name,
        "imported_network": network.name,
        "generation": f"StyleGAN{network.generation}",
        "licence": "that of the imported file",
    }
