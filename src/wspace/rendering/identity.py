"""Which model a generator is, worked out once and again only when its weights change."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from wspace.formats.model_file import model_sha256
from wspace.networks.generator import Generator
from wspace.recipe.recipe import ModelIdentity

__all__ = ["WeightsState", "identity_of", "weights_state"]

WeightsState = tuple[tuple[int, int], ...]

_known: WeakKeyDictionary[Generator, tuple[WeightsState, str]] = WeakKeyDictionary()


def weights_state(generator: Generator) -> WeightsState:
    """Changes whenever a weight or buffer is replaced or written to; costs no reading of them."""
    tensors = [*generator.parameters(), *generator.buffers()]
    return tuple((tensor.data_ptr(), tensor._version) for tensor in tensors)


def identity_of(generator: Generator) -> ModelIdentity:
    """The name that a generator was loaded under, and the fingerprint of its weights."""
    state = weights_state(generator)
    known = _known.get(generator)
    if known is None or known[0] != state:
        known = (state, model_sha256(generator))
        _known[generator] = known
    return ModelIdentity(name=generator.name, sha256=known[1])
