"""What a picture says of its origin: which model made it, and what its last bit depends on."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from weakref import WeakKeyDictionary

import torch

from wspace.formats.model_file import model_sha256
from wspace.machine import cpu_capability
from wspace.networks.generator import Generator
from wspace.recipe.classes import with_class_names
from wspace.recipe.document import RenderedBy
from wspace.recipe.recipe import ModelIdentity, Recipe
from wspace.rendering.synthesis_cache import RenderPath, WeightsState, weights_state

__all__ = ["ARITHMETIC", "identity_of", "rendered_by", "signed"]

# The version of wspace's arithmetic. A change that moves the last bits of some network's pictures
# raises it, so that earlier pictures are not promised to come back to the bit.
ARITHMETIC = 2

_known: WeakKeyDictionary[Generator, tuple[WeightsState, str]] = WeakKeyDictionary()


def identity_of(generator: Generator) -> ModelIdentity:
    """The name that a generator was loaded under, and the fingerprint of its weights.

    The fingerprint is worked out once, and again only when the weights change.
    """
    state = weights_state(generator)
    known = _known.get(generator)
    if known is None or known[0] != state:
        known = (state, model_sha256(generator))
        _known[generator] = known
    return ModelIdentity(name=generator.name, sha256=known[1])


def signed(generator: Generator, recipes: Iterable[Recipe]) -> tuple[Recipe, ...]:
    """Recipes that name the model, and their classes where those have names."""
    model = identity_of(generator)
    of_model = (recipe.replace(model=model) for recipe in recipes)
    return with_class_names(of_model, generator.class_names)


def rendered_by(
    generator: Generator, *, batch_size: int, path: RenderPath = "folded"
) -> RenderedBy:
    """What the last bit of a picture depends on, here and now."""
    device = generator.w_avg.device
    name = f" {torch.cuda.get_device_name(device)}" if device.type == "cuda" else ""
    return RenderedBy(
        torch=str(torch.__version__),
        device=device.type + name,
        cpu=f"{platform.machine()} {cpu_capability()}",
        threads=torch.get_num_threads(),
        batch_size=batch_size,
        path=path,
        arithmetic=ARITHMETIC,
    )
