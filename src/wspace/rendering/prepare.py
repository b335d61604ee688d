"""A synthesis network made ready to draw: what follows from its weights is worked out once."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from wspace.networks.layers import EqualizedConv2d
from wspace.networks.noise import Noise
from wspace.networks.style_space import StyleOffsets, layer_offsets
from wspace.networks.stylegan1.synthesis import AdaINLayer, AdaINSynthesis
from wspace.networks.stylegan2.synthesis import DemodulatedLayer, DemodulatedSynthesis
from wspace.ops import choose
from wspace.ops.winograd import transform_weight

__all__ = ["PictureByPicture", "fold"]

_Network = TypeVar("_Network", bound=nn.Module)


def fold(synthesis: nn.Module, dtype: torch.dtype = torch.float32) -> nn.Module:
    """A copy that draws the same images, faster; it cannot be trained or saved.

    What stays as it is, both share: change no weight of ``synthesis`` while the copy is in use.
    Equalised scales go into the weights; kernels for upsampling, transformed weights (see
    `winograd`) and demodulation's sums of squares are kept.

    Args:
        synthesis: of any generation, in eval mode, its weights on their device and of their type.
        dtype: of the copy's maps and convolutions. What is worked out is rounded to it only then,
            and AdaIN's affine layers, whose rounding would move whole maps, stay as they are.

    Returns:
        The copy, or ``synthesis`` itself where nothing can be worked out before (StyleGAN3).
    """
    if isinstance(synthesis, AdaINSynthesis):
        return _folded_adain(synthesis, dtype)
    if dtype != torch.float32:
        synthesis = copy.deepcopy(synthesis).to(dtype)
    if isinstance(synthesis, DemodulatedSynthesis):
        return PictureByPicture(_folded_demodulated(synthesis))
    return synthesis


class PictureByPicture(nn.Module):
    """Draws a batch together as long as its maps are small, then one picture after the other.

    A picture that is drawn by itself from some block on stays in cache, and has its kernels
    modulated instead of its maps; see `choose.modulates_kernels`.
    """

    def __init__(self, synthesis: DemodulatedSynthesis) -> None:
        super().__init__()
        self.synthesis = synthesis

    def forward(
        self, ws: Tensor, noise: Noise = "const", *, style_offsets: StyleOffsets = None
    ) -> Tensor:
        """Make images, as `DemodulatedSynthesis.forward`."""
        x, ws, maps = self.synthesis.start(ws, noise)
        offsets = layer_offsets(style_offsets, self.synthesis.num_styles)
        return self._from_block(0, x, None, ws, maps, offsets)

    def _from_block(
        self,
        first: int,
        x: Tensor,
        image: Tensor | None,
        ws: Tensor,
        noise: Sequence[Tensor | None],
        offsets: Sequence[Tensor | None],
    ) -> Tensor:
        """Run the blocks from that number on, whose inputs are given; to the image."""
        for k, block in list(enumerate(self.synthesis.blocks))[first:]:
            layer = block.first_layer
            if len(x) > 1 and layer.convolution.modulates_kernels(x, layer.weight):
                pictures = []
                for n in range(len(x)):
                    one = slice(n, n + 1)
                    own = [m if m is None or len(m) == 1 else m[one] for m in noise]
                    so_far = None if image is None else image[one]
                    shifts = [offset if offset is None else offset[one] for offset in offsets]
                    pictures.append(self._from_block(k, x[one], so_far, ws[one], own, shifts))
                return torch.cat(pictures)
            x, image = self.synthesis.run_block(k, x, image, ws, noise, offsets)
        assert image is not None  # the last block has a torgb
        return image


@torch.no_grad()
def _folded_adain(synthesis: AdaINSynthesis, dtype: torch.dtype) -> nn.Module:
    rounds = dtype != torch.float32
    folded = copy.deepcopy(synthesis) if rounds else _copy_sharing_weights(synthesis)
    for layer in folded.layers:
        assert isinstance(layer, AdaINLayer)
        if layer.conv is None:
            continue
        _fold_scale(layer.conv)
        weight = layer.conv.weight
        if layer.blur is not None:
            layer.blur.prepare(weight, dtype)
        elif not rounds and choose.winograd_takes_weight(weight):
            layer.conv.transformed = transform_weight(weight)
    for to_rgb in folded.to_rgb:
        assert isinstance(to_rgb, EqualizedConv2d)
        _fold_scale(to_rgb)
    if rounds:
        folded.to(dtype)
        for layer, exact in zip(folded.layers, synthesis.layers, strict=True):
            layer.style = exact.style
    return folded


@torch.no_grad()
def _folded_demodulated(synthesis: DemodulatedSynthesis) -> DemodulatedSynthesis:
    folded = _copy_sharing_weights(synthesis)
    for layer in folded.modules():
        if isinstance(layer, DemodulatedLayer):
            layer.convolution.prepare(layer.weight)
    return folded


def _copy_sharing_weights(network: _Network) -> _Network:
    tensors: list[Tensor] = [*network.parameters(), *network.buffers()]
    return copy.deepcopy(network, {id(tensor): tensor for tensor in tensors})


def _fold_scale(convolution: EqualizedConv2d) -> None:
    scaled = convolution.scaled_weight.detach()
    convolution.weight = nn.Parameter(scaled, requires_grad=False)
    convolution.weight_scale = 1.0
