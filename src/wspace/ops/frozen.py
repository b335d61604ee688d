"""A convolution that never learns."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wspace.ops import choose
from wspace.ops.convolution import convolve

__all__ = ["FrozenConvolution"]

CLIPPED = (0.0, 6.0)  # what ReLU6 leaves


class FrozenConvolution(nn.Module):
    """A trained convolution that never changes again: its weight and bias are buffers.

    Args:
        convolution: not transposed nor dilated, padded with zeros.
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.out_channels, self.stride = convolution.out_channels, convolution.stride
        bias = convolution.bias
        self.register_buffer("weight", convolution.weight.detach(), persistent=False)
        self.register_buffer("bias", None if bias is None else bias.detach(), persistent=False)
        self.padding, self.groups = convolution.padding, convolution.groups
        self._rounded: Tensor | None = None

    def forward(self, x: Tensor, *, clip: bool = False, beside: Tensor | None = None) -> Tensor:
        """(N, I, H, W) to (N, O, H', W'), differentiable any number of times.

        Args:
            x: (N, I, H, W).
            clip: whether ReLU6 follows.
            beside: (N, O, H', W'), maps to add to the convolution's; not together with ``clip``.
        """
        assert not (clip and beside is not None)
        if choose.finishes_while_convolving(x):
            return self._by_onednn(x, clip, beside)
        y = convolve(
            x,
            self._weight_for(x),
            self.bias,
            stride=(self.stride[0], self.stride[1]),
            padding=(int(self.padding[0]), int(self.padding[1])),
            groups=self.groups,
        )
        if clip:
            return F.relu6(y, inplace=True)
        return y if beside is None else y + beside

    def _by_onednn(self, x: Tensor, clip: bool, beside: Tensor | None) -> Tensor:
        """The same without a pass for what follows the convolution."""
        sides = [int(n) for n in self.padding], list(self.stride), [1, 1]
        convolution = torch.ops.mkldnn._convolution_pointwise
        if beside is None:
            then, limits = ("hardtanh", list(CLIPPED)) if clip else ("none", [])
            y: Tensor = convolution(
                x, self.weight, self.bias, *sides, self.groups, then, limits, ""
            )
        else:
            y = convolution.binary(
                x, beside, self.weight, self.bias, *sides, self.groups, "add", 1.0, None, [], None
            )
        return y

    def _weight_for(self, x: Tensor) -> Tensor:
        """The weight; under autocast its rounded copy, which is kept."""
        dtype = choose.rounded_dtype(x)
        if dtype is None:
            return self.weight
        kept = self._rounded
        if kept is None or kept.dtype != dtype or kept.device != self.weight.device:
            self._rounded = kept = self.weight.to(dtype)
        return kept
