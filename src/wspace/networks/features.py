"""What a synthesis network's layers make on the way to the image."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from wspace.networks.noise import Noise
from wspace.networks.style_space import StyleOffsets
from wspace.sizes import Size

__all__ = ["FeatureMaps", "SynthesisWithMaps"]


@dataclass(frozen=True, kw_only=True)
class FeatureMaps:
    """Maps that a part of a synthesis network makes.

    Attributes:
        layer: the last layer of ws that they depend on.
        size: height and width of what lies under the image.
        margin: how many more there are on each side.
        module: what makes them; of a tuple that it gives they are the first.
    """

    layer: int
    size: Size
    margin: int = 0
    module: nn.Module


class SynthesisWithMaps(nn.Module):
    """A synthesis network that gives its maps after some layer beside the image.

    It shares the weights of the given one, which is left as it is; its own never learn. Nothing
    after those maps is recorded for gradients: they come from the maps alone.

    Args:
        synthesis: of any generation.
        layer: of ws; one of those that its ``feature_maps`` name.
    """

    def __init__(self, synthesis: nn.Module, layer: int) -> None:
        super().__init__()
        shared: dict[int, Any] = {id(buffer): buffer for buffer in synthesis.buffers()}
        for parameter in synthesis.parameters():
            shared[id(parameter)] = nn.Parameter(parameter.detach(), requires_grad=False)
        self.synthesis = copy.deepcopy(synthesis, shared).eval()
        places: tuple[FeatureMaps, ...] = self.synthesis.feature_maps  # type: ignore[assignment]
        self.place = next(place for place in places if place.layer == layer)
        self.place.module.register_forward_hook(self._keep)
        self._maps: Tensor | None = None

    def _keep(self, _module: nn.Module, _given: Any, made: Any) -> None:
        self._maps = made[0] if isinstance(made, tuple) else made
        torch.set_grad_enabled(False)  # until `forward` ends

    def forward(
        self, ws: Tensor, noise: Noise = "const", *, style_offsets: StyleOffsets = None
    ) -> tuple[Tensor, Tensor]:
        """Make images.

        Args:
            ws: (N, num_ws, w_dim).
            noise: see `noise.noise_maps`.
            style_offsets: see `style_space.layer_offsets`.

        Returns:
            (N, image_channels, height, width), float32, without gradients; and the maps,
            (N, C, H, W), H and W those of the place and its margins.
        """
        with torch.set_grad_enabled(torch.is_grad_enabled()):  # set again as it was, in the end
            images = self.synthesis(ws, noise, style_offsets=style_offsets)
        maps, self._maps = self._maps, None
        assert maps is not None  # the hook has run
        return images.detach(), maps  # StyleGAN2's blocks make maps and image together
