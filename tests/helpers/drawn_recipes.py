"""Hypothesis strategies for recipes across all features."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from wspace.recipe.noise_maps import map_to_text
from wspace.recipe.recipe import Edit, ModelIdentity, NoiseSettings, Recipe, Source

NUM_WS, W_DIM = 6, 8  # of conftest's tiny_generator
WIDTH = 8  # of its narrowest styles

_seeds = st.integers(0, 2**32 - 1)
_vectors = st.lists(st.floats(-100, 100, width=32), min_size=W_DIM, max_size=W_DIM).map(tuple)


def _per_layer(values: st.SearchStrategy) -> st.SearchStrategy:
    return values | st.lists(values, min_size=NUM_WS, max_size=NUM_WS).map(tuple)


_sources = st.builds(Source, seed=_seeds, centre=st.none() | _vectors) | st.builds(
    Source, w=_vectors, centre=st.none() | _vectors
)
SHAPES = ((4, 4), (4, 4), (8, 8), (8, 8), (16, 16), (16, 16))  # of its noise maps


def _given(seed: int, modes: tuple[str, ...], strength: object) -> NoiseSettings:
    """Noise with a map in every layer that asks for one."""
    random = np.random.RandomState(seed)
    drawn = [map_to_text(random.randn(*shape)) for shape in SHAPES]
    texts = [text if mode == "given" else None for text, mode in zip(drawn, modes, strict=True)]
    return NoiseSettings(mode=modes, strength=strength, maps=tuple(texts))  # type: ignore[arg-type]


_noise = st.builds(
    NoiseSettings,
    mode=_per_layer(st.sampled_from(["const", "seeded", "none"])),
    seed=_per_layer(_seeds),
    strength=_per_layer(st.floats(0, 100)),
) | st.builds(
    _given,
    _seeds,
    st.tuples(st.just("given"), *[st.sampled_from(["given", "const", "none"])] * (NUM_WS - 1)),
    _per_layer(st.floats(0, 100)),
)
_strengths, _names = st.floats(-100, 100), st.text(max_size=20)
_channels = st.dictionaries(
    st.tuples(st.integers(0, NUM_WS - 1), st.integers(0, WIDTH - 1)),
    st.floats(-100, 100, width=32),
    min_size=1,
    max_size=4,
).map(lambda amounts: tuple((*place, amount) for place, amount in amounts.items()))
_edits = st.builds(
    Edit,
    direction=_vectors,
    strength=_strengths,
    layers=st.none() | st.lists(st.integers(0, NUM_WS - 1), min_size=1, unique=True).map(tuple),
    name=_names,
) | st.builds(Edit, channels=_channels, strength=_strengths, name=_names)
models = st.builds(
    ModelIdentity,
    name=st.text("abc-._ é", max_size=20).map(lambda name: f"a{name}"),
    sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
)


@st.composite
def recipes(draw: st.DrawFn, model: st.SearchStrategy | None = None) -> Recipe:
    """Any recipe that `tiny_generator` can render, unless ``model`` names others."""
    sources = tuple(draw(st.lists(_sources, min_size=1, max_size=3)))
    layer_sources = tuple(
        draw(st.lists(st.integers(0, len(sources) - 1), min_size=NUM_WS, max_size=NUM_WS))
    )
    return Recipe(
        sources=sources,
        layer_sources=layer_sources if len(sources) > 1 or draw(st.booleans()) else None,
        psi=draw(_per_layer(st.floats(-1, 1.5))),
        cutoff=draw(st.none() | st.integers(0, NUM_WS)),
        edits=tuple(draw(st.lists(_edits, max_size=2))),
        noise=draw(_noise),
        precision=draw(st.sampled_from(["fp32", "bf16"])),
        model=None if model is None else draw(st.none() | model),
    )
