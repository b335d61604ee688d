"""Where a picture changes with its noise."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from wspace.errors import WspaceError
from wspace.figures.deviation import deviation_map, grey_tile
from wspace.networks.generator import Generator
from wspace.recipe.recipe import NoiseMode, NoiseSettings, Recipe
from wspace.recipe.syntax import spread_per_layer
from wspace.rendering.render import Progress, render

__all__ = ["noise_deviation", "under_noise_seeds"]

MAX_REALISATIONS = 10_000


def noise_deviation(
    generator: Generator, recipe: Recipe, count: int, *, progress: Progress | None = None
) -> tuple[npt.NDArray[np.uint8], float]:
    """How much each pixel of a picture changes with the seed of its noise.

    Source: Karras et al. 2019 (StyleGAN), Figure 4.

    Args:
        generator: the model, with noise inputs.
        recipe: layers that it gives no noise get none; the others get noise of seeds 0, 1, ...
        count: seeds that the deviation is over, 2 to `MAX_REALISATIONS`.
        progress: see `render`.

    Returns:
        (H, W, 3), black where nothing changes, and the deviation that white means, in steps of
        1/255.

    Raises:
        WspaceError: a model without noise inputs, or a count outside its range; otherwise as
            `render`.
    """
    if not generator.const_noise:
        raise WspaceError("this model has no noise inputs (StyleGAN3 has none): nothing changes.")
    modes = spread_per_layer(recipe.noise.mode, generator.num_ws)
    varied: tuple[NoiseMode, ...] = tuple("none" if mode == "none" else "seeded" for mode in modes)
    pixels = render(generator, under_noise_seeds(recipe, varied, count), progress=progress).pixels
    deviation = deviation_map(pixels)
    white = float(deviation.max())
    return grey_tile(deviation, white), white


def under_noise_seeds(
    recipe: Recipe, mode: NoiseMode | tuple[NoiseMode, ...], count: int
) -> list[Recipe]:
    """The recipe under noise seeds 0 to ``count`` - 1.

    Raises:
        WspaceError: a count outside 2 to `MAX_REALISATIONS`.
    """
    if not 2 <= count <= MAX_REALISATIONS:
        raise WspaceError(f"realisations={count} is outside 2 to {MAX_REALISATIONS}.")
    strength = recipe.noise.strength
    return [
        recipe.replace(noise=NoiseSettings(mode=mode, seed=seed, strength=strength))
        for seed in range(count)
    ]
