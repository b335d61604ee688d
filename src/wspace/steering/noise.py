"""Noise inputs of a batch of recipes: mode, seed, map and strength, layer by layer.

Source: Karras et al. 2019 (StyleGAN), Section 3.2.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from wspace.errors import WspaceError
from wspace.networks.generator import Generator
from wspace.networks.noise import Noise
from wspace.recipe.noise_maps import map_from_text
from wspace.recipe.recipe import NoiseMode, NoiseSettings
from wspace.recipe.syntax import check_seeds, spread_per_layer

__all__ = ["NoiseInputs", "check_noise", "seeded_map"]

MAX_KEPT_BYTES = 256 * 2**20

# mode, seed and strength of one layer, and its map as text where the recipe holds it
_Draw = tuple[str, int, float, str]
_NO_NOISE: _Draw = ("none", 0, 0.0, "")


def seeded_map(seed: int, layer: int, height: int, width: int) -> Tensor:
    """The noise map that a seed gives to a layer.

    It comes from NumPy's legacy RandomState, whose numbers are the same in every release, so that
    a picture stays the same picture; torch does not promise that of its generators.

    Args:
        seed: 0 to 2**32 - 1.
        layer: of ws.
        height: of the map.
        width: of the map.

    Returns:
        (1, 1, height, width), N(0, I), float32.

    Raises:
        WspaceError: no such seed or layer.
    """
    check_seeds([seed, layer])
    drawn = np.random.RandomState([seed, layer]).randn(1, 1, height, width)
    return torch.from_numpy(drawn.astype(np.float32))


def check_noise(generator: Generator, settings: NoiseSettings) -> None:
    """Whether a generator can do what noise settings ask.

    Raises:
        WspaceError: noise settings for a network without noise inputs; maps of other sizes than
            the network's, or a layer without one that needs it.
    """
    if generator.const_noise:
        if settings.maps is not None:
            _check_maps(generator, settings.maps, spread_per_layer(settings.mode, generator.num_ws))
        return
    plain = settings == NoiseSettings()
    if not plain and set(spread_per_layer(settings.mode, 1)) != {"none"}:
        raise WspaceError(
            f"noise {_describe(settings)}: this model has no noise inputs (StyleGAN3 has none): "
            "leave the noise options out."
        )


def _check_maps(
    generator: Generator, maps: Sequence[str | None], modes: Sequence[NoiseMode]
) -> None:
    if len(maps) != generator.num_ws:
        raise WspaceError(
            f"recipe: noise has {len(maps)} maps: this model has {generator.num_ws} layers."
        )
    shapes = dict(zip(generator.noise_layers, generator.noise_shapes, strict=True))
    for layer, text in enumerate(maps):
        if text is None and (modes[layer] != "given" or layer not in shapes):
            continue
        height, width = shapes.get(layer, (0, 0))
        values = 0 if text is None else map_from_text(text).size
        if values != height * width:
            raise WspaceError(
                f"recipe: the noise map of layer {layer} has {values} values, this model's has "
                f"{height} x {width}: it was made for another model."
            )


class NoiseInputs:
    """Makes the maps that synthesis takes, drawing each seeded map once while it is in use."""

    def __init__(self, generator: Generator) -> None:
        self._const = generator.const_noise
        self._layers = generator.noise_layers
        self._num_ws = generator.num_ws
        self._kept: OrderedDict[tuple[int, int], Tensor] = OrderedDict()
        self._kept_bytes = 0

    def of(self, settings: Sequence[NoiseSettings], dtype: torch.dtype) -> Noise:
        """The noise of a batch.

        Args:
            settings: one a picture.
            dtype: of the maps.

        Returns:
            What `networks.noise.noise_maps` takes: "const" or "none" where that says it all, else
            one entry a noise layer: None, (1, 1, H, W) where all pictures share it, or
            (N, 1, H, W).
        """
        if not self._const or all(s == NoiseSettings() for s in settings):
            return "const"
        draws = [self._draws(s) for s in settings]
        maps = [
            self._batch_map(number, [row[number] for row in draws], dtype)
            for number in range(len(self._const))
        ]
        return "none" if all(m is None for m in maps) else maps

    def _draws(self, settings: NoiseSettings) -> list[_Draw]:
        """What each noise layer of one picture adds, in a form that compares."""
        modes = spread_per_layer(settings.mode, self._num_ws)
        seeds = spread_per_layer(settings.seed, self._num_ws)
        strengths = spread_per_layer(settings.strength, self._num_ws)
        draws: list[_Draw] = []
        for layer in self._layers:
            if modes[layer] == "none" or strengths[layer] == 0:
                draws.append(_NO_NOISE)
            else:
                mode, texts = modes[layer], settings.maps
                seed = seeds[layer] if mode == "seeded" else 0
                text = (texts[layer] or "") if mode == "given" and texts is not None else ""
                draws.append((mode, seed, strengths[layer], text))
        return draws

    def _batch_map(self, number: int, draws: list[_Draw], dtype: torch.dtype) -> Tensor | None:
        if len(set(draws)) == 1:
            return self._map(number, draws[0], dtype)
        zeros = torch.zeros_like(self._const[number], dtype=dtype)
        maps = {draw: self._map(number, draw, dtype) for draw in set(draws)}
        filled = {draw: zeros if m is None else m for draw, m in maps.items()}
        return torch.cat([filled[draw] for draw in draws])  # (N, 1, H, W)

    def _map(self, number: int, draw: _Draw, dtype: torch.dtype) -> Tensor | None:
        mode, seed, strength, text = draw
        if mode == "none":
            return None
        stored = self._const[number].float()
        if mode == "given":
            given = torch.from_numpy(map_from_text(text)).to(stored.device)
            drawn = given.reshape(stored.shape)
        else:
            drawn = stored if mode == "const" else self._seeded(number, seed)
        return (drawn if strength == 1 else drawn * strength).to(dtype)

    def _seeded(self, number: int, seed: int) -> Tensor:
        if (number, seed) in self._kept:
            self._kept.move_to_end((number, seed))
            return self._kept[number, seed]
        stored = self._const[number]
        height, width = stored.shape[2:]
        drawn = seeded_map(seed, self._layers[number], height, width).to(stored.device)
        self._kept[number, seed] = drawn
        self._kept_bytes += drawn.nbytes
        while self._kept_bytes > MAX_KEPT_BYTES:
            self._kept_bytes -= self._kept.popitem(last=False)[1].nbytes
        return drawn


def _describe(settings: NoiseSettings) -> str:
    return f"mode={settings.mode}, seed={settings.seed}, strength={settings.strength}"[:80]
