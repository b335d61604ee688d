"""Layers that every generation shares: equalised rates, activations, minibatch deviation."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wspace.ops.convolution import convolve

__all__ = [
    "ACTIVATIONS",
    "EqualizedConv2d",
    "EqualizedLinear",
    "activate",
    "gain_around",
    "minibatch_stddev",
]

# name -> (function of (x, alpha), default alpha, default gain)
ACTIVATIONS: dict[str, tuple[Callable[[Tensor, float], Tensor], float, float]] = {
    "linear": (lambda x, _: x, 0.0, 1.0),
    "relu": (lambda x, _: F.relu(x), 0.0, math.sqrt(2)),
    "lrelu": (F.leaky_relu, 0.2, math.sqrt(2)),
    "tanh": (lambda x, _: torch.tanh(x), 0.0, 1.0),
    "sigmoid": (lambda x, _: torch.sigmoid(x), 0.0, 1.0),
    "elu": (lambda x, _: F.elu(x), 0.0, 1.0),
    "selu": (lambda x, _: F.selu(x), 0.0, 1.0),
    "softplus": (lambda x, _: F.softplus(x), 0.0, 1.0),
    "swish": (lambda x, _: x * torch.sigmoid(x), 0.0, math.sqrt(2)),
}
_HOMOGENEOUS = ("linear", "relu", "lrelu")  # a positive factor may as well come before them


def activate(
    x: Tensor,
    name: str = "lrelu",
    *,
    gain: float | None = None,
    clamp: float | None = None,
    overwrite: bool = False,
) -> Tensor:
    """Apply an activation by name, then its gain, then a clamp.

    Source: Karras et al. 2020 (StyleGAN2), Appendix B; the gain keeps the variance.

    Args:
        x: any shape, with its bias already added.
        name: a key of `ACTIVATIONS`.
        gain: factor after the activation; None takes the activation's own.
        clamp: bound on the absolute value after the gain, > 0; None for no bound.
        overwrite: whether ``x`` may be overwritten, because nobody else needs it.

    Returns:
        The shape of ``x``.
    """
    function, alpha, default_gain = ACTIVATIONS[name]
    gain = default_gain if gain is None else gain
    x = F.leaky_relu_(x, alpha) if overwrite and name == "lrelu" else function(x, alpha)
    overwrite = overwrite and not x.requires_grad  # a gradient needs what leaky ReLU made
    if gain != 1:
        x = x.mul_(gain) if overwrite else x * gain
    if clamp is None:
        return x
    return x.clamp_(-clamp, clamp) if overwrite else x.clamp(-clamp, clamp)


def gain_around(name: str, gain: float = 1.0) -> tuple[float, float]:
    """Where an activation's gain goes: a factor before it, and one after it for `activate`.

    All of it goes before an activation that is homogeneous, into weights or styles that are scaled
    anyway: that saves a pass over the maps.

    Args:
        name: a key of `ACTIVATIONS`.
        gain: factor on top of the activation's own.

    Returns:
        The two factors; each other factor or addend before the activation takes the first, too.
    """
    gain = gain * ACTIVATIONS[name][2]
    return (gain, 1.0) if name in _HOMOGENEOUS else (1.0, gain)


class EqualizedLinear(nn.Module):
    """Fully connected layer with an equalised learning rate.

    The stored weight is N(0, 1 / lr_multiplier²); the one used is stored · gain / √in ·
    lr_multiplier, so that Adam's steps mean the same in every layer.

    Source: Karras et al. 2018 (ProGAN), Section 4.1.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias_init: float = 0.0,
        weight_gain: float = 1.0,
        lr_multiplier: float = 1.0,
    ) -> None:
        super().__init__()
        weight = torch.randn(out_features, in_features)
        self.weight = nn.Parameter(weight if lr_multiplier == 1 else weight / lr_multiplier)
        self.bias = nn.Parameter(torch.full((out_features,), bias_init / lr_multiplier))
        self.weight_scale = weight_gain * lr_multiplier / math.sqrt(in_features)
        self.bias_scale = lr_multiplier

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_features) to (N, out_features)."""
        bias = self.bias if self.bias_scale == 1 else self.bias * self.bias_scale
        # scaling x is cheaper than scaling the weight
        return F.linear(x * self.weight_scale, self.weight, bias)


class EqualizedConv2d(nn.Module):
    """Convolution weight with an equalised learning rate and an optional bias.

    A layer that resamples convolves by itself, with `scaled_weight`.

    Attributes:
        transformed: what `convolve` takes under that name; None but for drawing.

    Source: Karras et al. 2018 (ProGAN), Section 4.1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        bias: bool = True,
        weight_gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.weight_scale = weight_gain / math.sqrt(in_channels * kernel_size**2)
        self.transformed: Tensor | None = None

    @property
    def scaled_weight(self) -> Tensor:
        """(out_channels, in_channels, k, k), the weight that is convolved with."""
        return self.weight if self.weight_scale == 1 else self.weight * self.weight_scale

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """Correlate with zero padding.

        Args:
            x: (N, in_channels, H, W).
            bias: (out_channels,), of the layer that this is a part of; None adds its own, if any.

        Returns:
            (N, out_channels, H, W).
        """
        weight, bias = self.scaled_weight, self.bias if bias is None else bias
        if weight.shape[2] == 1:
            return convolve(x, weight, bias)
        return convolve(x, weight, bias, padding=1, transformed=self.transformed)


def minibatch_stddev(x: Tensor, group_size: int | None, num_channels: int = 1) -> Tensor:
    """Append to the maps how much the images of a group differ.

    Image n is in group n mod (N / group size).

    Source: Karras et al. 2018 (ProGAN), Section 3; groups as in Karras et al. 2019 (StyleGAN).

    Args:
        x: (N, C, H, W); N divides by the group size, or is smaller than it.
        group_size: images a group, >= 1; None for the whole batch.
        num_channels: statistics a group, a divisor of C; 0 appends nothing.

    Returns:
        (N, C + num_channels, H, W).
    """
    if num_channels == 0:
        return x
    n, c, h, w = x.shape
    group = n if group_size is None else min(group_size, n)
    grouped = x.float().reshape(group, n // group, num_channels, c // num_channels, h, w)
    centred = grouped - grouped.mean(dim=0, keepdim=True)
    deviation = (centred.square().mean(dim=0) + 1e-8).sqrt()
    statistic = deviation.mean(dim=(2, 3, 4))  # (N / group, num_channels)
    maps = statistic.repeat(group, 1)[:, :, None, None].expand(-1, -1, h, w)
    return torch.cat([x, maps.to(x.dtype)], dim=1)
