"""Drawing a model's pictures as images, from any w and noise: what the tests of claims share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from wspace.images import to_uint8
from wspace.metrics.features.generators import Drawing
from wspace.metrics.judge import Judged, Judging
from wspace.metrics.quiet import Show, quiet
from wspace.recipe.recipe import NoiseSettings
from wspace.rendering.synthesis_cache import prepared_synthesis
from wspace.steering.latents import latents, map_latents
from wspace.steering.noise import NoiseInputs

__all__ = ["Subject"]

BATCH = 16
OTHERS_APART = 2_000_000  # the seeds of other pictures' w, and of other noise


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What claims are tested on.

    Attributes:
        drawing: the model, and how many pictures.
        judging: tells their attributes.
        show: displays what takes long.
    """

    drawing: Drawing
    judging: Judging
    show: Show = quiet

    @torch.inference_mode()
    def w(self, *, others: bool = False) -> Tensor:
        """(num, w_dim), not truncated; ``others`` is a second set, of the same classes."""
        drawing = self.drawing
        seeds = range(drawing.first_seed, drawing.first_seed + drawing.num)
        classes = [k or 0 for k in drawing.classes(seeds)]
        if others:
            seeds = range(seeds.start + OTHERS_APART, seeds.stop + OTHERS_APART)
        z = latents(drawing.generator, [seed % 2**32 for seed in seeds])
        return map_latents(drawing.generator, z, classes)

    def ws(self, w: Tensor) -> Tensor:
        """(N, w_dim) to (N, num_ws, w_dim)."""
        return w[:, None].expand(-1, self.drawing.generator.num_ws, -1)

    def noise(self, count: int, *, renewed: Sequence[int] = ()) -> list[NoiseSettings]:
        """The noise of the first ``count`` pictures, anew in the layers ``renewed``."""
        generator = self.drawing.generator
        if not generator.const_noise:
            return [NoiseSettings()] * count
        first = self.drawing.first_seed
        return [
            NoiseSettings(
                mode="seeded",
                seed=tuple(
                    (seed + OTHERS_APART) % 2**32 if layer in renewed else seed
                    for layer in range(generator.num_ws)
                ),
            )
            for seed in range(first, first + count)
        ]

    @torch.inference_mode()
    def images(self, ws: Tensor, noise: Sequence[NoiseSettings]) -> Iterator[Tensor]:
        """Images of ws (N, num_ws, w_dim), (n, C, H, W), nominally in [-1, 1], batch by batch."""
        generator = self.drawing.generator
        synthesis = prepared_synthesis(generator, "fp32", "folded")
        inputs = NoiseInputs(generator)
        for start in range(0, len(ws), BATCH):
            maps = inputs.of(noise[start : start + BATCH], torch.float32)
            with torch.inference_mode():
                yield synthesis(ws[start : start + BATCH], maps)

    def judged(self, ws: Tensor, noise: Sequence[NoiseSettings]) -> Judged:
        """What the judge sees in those pictures."""
        look: Callable[[Tensor], Judged] = self.judging.judge.look
        return Judged.of([look(to_uint8(x).movedim(3, 1)) for x in self.images(ws, noise)])
