"""Perceptual path length: how much pictures change along a short step through latent space.

``ppl (lite)`` is that of EfficientNet-Lite0: the official measure sees with LPIPS on VGG16, whose
weights no package has. The two are of other scales and must not be compared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from wspace.images import BACKGROUNDS, rgb_of
from wspace.metrics.features.generators import Drawing
from wspace.networks.pretrained.efficientnet import EfficientNetLite
from wspace.rendering.synthesis_cache import prepared_synthesis
from wspace.steering.interpolation import slerp
from wspace.steering.latents import latents, map_latents

if TYPE_CHECKING:
    from wspace.metrics.comparison import Comparison
    from wspace.networks.generator import Generator

__all__ = [
    "PerceptualDistance",
    "Space",
    "Where",
    "generator_path_lengths",
    "measure",
    "path_lengths",
    "trimmed_mean",
]

Space = Literal["z", "w"]
Where = Literal["full", "end"]  # a step begins anywhere on the path, or at its start

EPS = 1e-4  # of a path, the length of a step
PAIRS = 16  # that are drawn at once, with the same noise
ENDS_APART = 1_000_000  # the seeds of a path's two ends
SMALLEST_SIDE, LARGEST_SIDE = 64, 224  # that pictures are seen at


def measure(comparison: Comparison) -> dict[str, float]:
    """``ppl_z_full``, ``ppl_w_full``, ``ppl_z_end`` and ``ppl_w_end``."""
    drawing = comparison.drawing
    assert drawing is not None
    distance = PerceptualDistance.of(drawing.generator)
    found = {}
    wheres: tuple[Where, ...] = ("full", "end")
    spaces: tuple[Space, ...] = ("z", "w")
    for where in wheres:
        for space in spaces:
            with comparison.show(f"walking in {space}, {where}", "pairs") as progress:
                values = generator_path_lengths(drawing, distance, space, where, progress)
            found[f"ppl_{space}_{where}"] = trimmed_mean(values)
    return found


class PerceptualDistance:
    """How different pictures look to EfficientNet-Lite0: LPIPS without learned weights.

    Maps of four sizes are taken, each place's channels scaled to length 1; the squared differences
    are added over channels, averaged over places and added over the four.

    Source: Zhang et al. 2018 (LPIPS), Eq. 1, with weights of one.

    Args:
        side: pictures are scaled to this, a multiple of 32.
        device: where it computes.

    Raises:
        WspaceError: the network's packages are missing or altered.
    """

    def __init__(self, side: int, device: torch.device | str = "cpu") -> None:
        self.side = side
        self._network = EfficientNetLite("lite0").to(device)

    @classmethod
    def of(cls, generator: Generator) -> PerceptualDistance:
        """For a generator's pictures, seen at 64² to 224² as they are large."""
        side = max(generator.size)
        side = min(max(32 * round(side / 32), SMALLEST_SIDE), LARGEST_SIDE)
        return cls(side, generator.w_avg.device)

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Distances (N,) of images (N, 1, 3 or 4, H, W), nominally in [-1, 1], not clipped.

        With alpha, the mean of those of what is seen on black and on white.
        """
        images = torch.cat([a, b]).float()
        backgrounds = BACKGROUNDS if images.shape[1] == 4 else (1.0,)
        seen = [self._distances(rgb_of(images, background)) for background in backgrounds]
        return torch.stack(seen).mean(dim=0)

    def _distances(self, rgb: Tensor) -> Tensor:
        """Of the first half of (2N, 3, H, W) from the second."""
        maps = self._network.pyramid(self._resized(rgb))
        total = torch.zeros(len(rgb) // 2, device=rgb.device)
        for one in maps:
            first, second = F.normalize(one.float(), dim=1).chunk(2)
            total = total + (first - second).square().sum(dim=1).mean(dim=(1, 2))
        return total

    def _resized(self, rgb: Tensor) -> Tensor:
        return F.interpolate(
            rgb, size=self.side, mode="bicubic", antialias=True, align_corners=False
        )


def path_lengths(
    draw: Callable[[Tensor], Tensor],
    distance: Callable[[Tensor, Tensor], Tensor],
    start: Tensor,
    end: Tensor,
    t: Tensor,
    space: Space,
    eps: float = EPS,
) -> Tensor:
    """The distance between pictures a short step apart, over the square of the step.

    Source: Karras et al. 2019 (StyleGAN), Section 4.1, Eq. 2 and 3.

    Args:
        draw: points (2N, D) to images; all in one call, so that both of a pair share their noise.
        distance: of images (N, C, H, W), (N,), growing with the square of a small change.
        start: (N, D), where paths begin.
        end: (N, D), where they end.
        t: (N,), where on the path the step begins, 0 to 1.
        space: "z" turns from one direction to the other, both scaled to length 1; "w" goes
            straight.
        eps: length of the step, as a part of the path.

    Returns:
        (N,).
    """
    if space == "z":
        start, end = F.normalize(start, dim=1), F.normalize(end, dim=1)
        points = [slerp(start, end, at) for at in (t, t + eps)]
    else:
        points = [torch.lerp(start, end, at[:, None]) for at in (t, t + eps)]
    first, second = draw(torch.cat(points)).chunk(2)
    return distance(first, second) / eps**2


def trimmed_mean(values: Tensor) -> float:
    """The mean of ``values`` (N,) without those below the 1st or above the 99th percentile.

    The percentiles are values that occur, the lower and the higher neighbour.
    """
    values = values.double()
    low = torch.quantile(values, 0.01, interpolation="lower")
    high = torch.quantile(values, 0.99, interpolation="higher")
    return float(values[(values >= low) & (values <= high)].mean())


@torch.inference_mode()
def generator_path_lengths(
    drawing: Drawing,
    distance: Callable[[Tensor, Tensor], Tensor],
    space: Space,
    where: Where,
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """`path_lengths` of a generator: without truncation, whole pictures, both ends of one class.

    Args:
        drawing: the model; ``num`` pairs are drawn, the first ends from ``first_seed`` on.
        distance: see there.
        space: see there.
        where: "full": steps begin anywhere on a path; "end": at its start.
        progress: called with (pairs done, pairs in all).

    Returns:
        (num,), on the CPU.
    """
    generator = drawing.generator
    device = generator.w_avg.device
    synthesis = prepared_synthesis(generator, "fp32", "folded")
    random = torch.Generator().manual_seed(drawing.first_seed)
    found = []
    for begin in range(0, drawing.num, PAIRS):
        seeds = range(begin, min(begin + PAIRS, drawing.num))
        starts = [(drawing.first_seed + k) % 2**32 for k in seeds]
        ends = [(seed + ENDS_APART) % 2**32 for seed in starts]
        classes = [k or 0 for k in drawing.classes(starts)]
        start, end = latents(generator, starts), latents(generator, ends)
        if space == "w":
            start, end = (map_latents(generator, z, classes) for z in (start, end))
        at = torch.rand(len(starts), generator=random) if where == "full" else torch.zeros(1)
        noise = [
            torch.randn(1, 1, *shape, generator=random).to(device)
            for shape in generator.noise_shapes
        ]

        def draw(
            points: Tensor, classes: list[int] = classes, noise: list[Tensor] = noise
        ) -> Tensor:
            w = map_latents(generator, points, classes * 2) if space == "z" else points
            ws = w[:, None].expand(-1, generator.num_ws, -1)
            return synthesis(ws, noise or "const")

        t = at.expand(len(starts)).to(device)
        found.append(path_lengths(draw, distance, start, end, t, space).cpu())
        if progress is not None:
            progress(begin + len(starts), drawing.num)
    return torch.cat(found)
