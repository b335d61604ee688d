"""A convolution that never learns."""

from __future__ import annotations

from torch import Tensor, nn

from wspace.ops import choose
from wspace.ops.convolution import convolve

__all__ = ["FrozenConvolution"]


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

    def forward(self, x: Tensor) -> Tensor:
        """(N, I, H, W) to (N, O, H', W'), differentiable any number of times."""
        return convolve(
            x,
            self._weight_for(x),
            self.bias,
            stride=(self.stride[0], self.stride[1]),
            padding=(int(self.padding[0]), int(self.padding[1])),
            groups=self.groups,
        )

    def _weight_for(self, x: Tensor) -> Tensor:
        """The weight; under autocast its rounded copy, which is kept."""
        dtype = choose.rounded_dtype(x)
        if dtype is None:
            return self.weight
        kept = self._rounded
        if kept is None or kept.dtype != dtype or kept.device != self.weight.device:
            self._rounded = kept = self.weight.to(dtype)
        return kept
