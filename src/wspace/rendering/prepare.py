"""A synthesis network made ready to draw: what follows from its weights is worked out once."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

from wspace.networks.layers import EqualizedConv2d
from wspace.networks.stylegan1.synthesis import AdaINLayer, AdaINSynthesis
from wspace.networks.styles import weight_energy
from wspace.ops.resample import upsample_fir_kernels
from wspace.ops.winograd import transform_pays, transform_weight

__all__ = ["fold"]

_Network = TypeVar("_Network", bound=nn.Module)


def fold(synthesis: nn.Module, dtype: torch.dtype = torch.float32) -> nn.Module:
    """A copy that draws the same images, faster; it cannot be trained or saved.

    What stays as it is, both share: change no weight of ``synthesis`` while the copy is in use.
    Equalised scales go into the weights, upsampling kernels, transformed weights (see `winograd`)
    and demodulation's sums of squares are kept.

    Args:
        synthesis: of any generation, in eval mode, its weights on their device and of their type.
        dtype: of the copy's maps and convolutions. What is worked out is rounded to it only then,
            and AdaIN's affine layers, whose rounding would move whole maps, stay as they are.

    Returns:
        The copy, or ``synthesis`` itself where nothing can be worked out before (StyleGAN3).
    """
    if isinstance(synthesis, AdaINSynthesis):
        return _folded_adain(synthesis, dtype)
    from wspace.networks.stylegan2.synthesis import DemodulatedSynthesis

    if dtype != torch.float32:
        synthesis = copy.deepcopy(synthesis).to(dtype)
    if isinstance(synthesis, DemodulatedSynthesis):
        return _folded_demodulated(synthesis)
    return synthesis


@torch.no_grad()
def _folded_adain(synthesis: AdaINSynthesis, dtype: torch.dtype) -> nn.Module:
    halved = dtype != torch.float32
    folded = copy.deepcopy(synthesis) if halved else _copy_sharing_weights(synthesis)
    for layer in folded.layers:
        assert isinstance(layer, AdaINLayer)
        if layer.conv is None:
            continue
        _fold_scale(layer.conv)
        weight = layer.conv.weight
        if layer.blur is not None:
            layer.kernels = _laid_out(layer.blur.upsample_kernels(weight, dtype))
        elif not halved and transform_pays(weight):
            layer.conv.transformed = transform_weight(weight)
    for to_rgb in folded.to_rgb:
        assert isinstance(to_rgb, EqualizedConv2d)
        _fold_scale(to_rgb)
    if halved:
        folded.to(dtype)
        for layer, exact in zip(folded.layers, synthesis.layers, strict=True):
            layer.style = exact.style
    return folded


@torch.no_grad()
def _folded_demodulated(synthesis: nn.Module) -> nn.Module:
    from wspace.networks.stylegan2.synthesis import DemodulatedLayer

    folded = _copy_sharing_weights(synthesis)
    for layer in folded.modules():
        if isinstance(layer, DemodulatedLayer):
            layer.energy = weight_energy(layer.weight)
            if layer.upsample:
                layer.kernels = _laid_out(upsample_fir_kernels(layer.weight, layer.weight.dtype))
            elif transform_pays(layer.weight):
                layer.transformed = transform_weight(layer.weight)
    return folded


def _laid_out(kernels: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Kernels in the layout that convolutions want."""
    return tuple(kernel.contiguous(memory_format=torch.channels_last) for kernel in kernels)


def _copy_sharing_weights(network: _Network) -> _Network:
    tensors: list[Tensor] = [*network.parameters(), *network.buffers()]
    return copy.deepcopy(network, {id(tensor): tensor for tensor in tensors})


def _fold_scale(convolution: EqualizedConv2d) -> None:
    scaled = convolution.scaled_weight.detach()
    convolution.weight = nn.Parameter(scaled, requires_grad=False)
    convolution.weight_scale = 1.0
