"""How a w restyles feature maps in StyleGAN1: adaptive instance normalisation; and pixel norm."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wspace.networks.layers import EqualizedLinear
from wspace.networks.style_space import shifted
from wspace.ops.instance_norm import instance_norm

__all__ = ["AdaIN", "pixel_norm"]


def pixel_norm(x: Tensor, eps: float = 1e-8) -> Tensor:
    """Bring each pixel's vector of channels to mean square 1.

    Source: Karras et al. 2018 (ProGAN), Section 4.2.

    Args:
        x: (N, C) or (N, C, H, W).
        eps: added to the mean square.

    Returns:
        The shape of ``x``.
    """
    return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + eps)


class AdaIN(nn.Module):
    """Adaptive instance normalisation: each map takes the scale and bias its style asks for.

    Source: Karras et al. 2019 (StyleGAN), Section 2, Eq. 1.
    """

    def __init__(self, channels: int, w_dim: int, *, normalize: bool = True) -> None:
        super().__init__()
        self.affine = EqualizedLinear(w_dim, 2 * channels)
        self.normalize = normalize

    def forward(self, x: Tensor, w: Tensor, offset: Tensor | None = None) -> Tensor:
        """Normalise each map of ``x`` over its pixels, then restyle it.

        Args:
            x: (N, C, H, W), activations, H * W > 1.
            w: (N, w_dim), this layer's slice of ws.
            offset: see `style_space.shifted`.

        Returns:
            (N, C, H, W).
        """
        styles = shifted(self.affine(w.to(self.affine.weight.dtype)), offset)
        scale, bias = styles[:, :, None, None].chunk(2, dim=1)  # each (N, C, 1, 1)
        if self.normalize:
            x = instance_norm(x)
        # 1 + scale: Appendix C starts the bias of y_s at one and every other bias at zero.
        return torch.addcmul(bias.to(x.dtype), x, (1 + scale).to(x.dtype))
