"""The mapping network: z (and a class) to w, and the running mean of w."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wspace.networks.config import MappingConfig
from wspace.networks.layers import EqualizedLinear, activate
from wspace.networks.styles import pixel_norm
from wspace.networks.truncation import truncate

__all__ = ["MappingNetwork"]


class MappingNetwork(nn.Module):
    """Fully connected layers that untangle the latent space.

    Source: Karras et al. 2019 (StyleGAN), Section 2, Figure 1b; classes as the official
    releases feed them: StyleGAN1 joins a trained row per class to z before z is normalised,
    StyleGAN2 and 3 an embedding that is normalised by itself.
    """

    w_avg: Tensor
    class_w_avg: Tensor | None  # (num_classes, w_dim); zeros where no image of a class was made

    def __init__(
        self,
        config: MappingConfig,
        *,
        z_dim: int,
        num_classes: int,
        w_dim: int,
        num_ws: int | None,  # None in a discriminator, which keeps no running mean either
    ) -> None:
        super().__init__()
        self.config = config
        self.z_dim, self.num_classes, self.w_dim, self.num_ws = z_dim, num_classes, w_dim, num_ws
        features = z_dim
        if num_classes > 0 and config.class_input == "concat":
            self.class_rows = nn.Parameter(torch.randn(num_classes, z_dim))
            features = 2 * z_dim
        elif num_classes > 0:
            embed_dim = config.embed_dim or w_dim
            self.embed = EqualizedLinear(num_classes, embed_dim)
            features = z_dim + embed_dim
        hidden = config.hidden_dim or w_dim
        widths = [features] + [hidden] * (config.num_layers - 1) + [w_dim]
        for i in range(config.num_layers):
            layer = EqualizedLinear(
                widths[i],
                widths[i + 1],
                weight_gain=config.weight_gain,
                lr_multiplier=config.lr_multiplier,
            )
            setattr(self, f"fc{i}", layer)
        if num_ws is not None:
            self.register_buffer("w_avg", torch.zeros(w_dim))
        means = num_ws is not None and num_classes > 0 and config.class_means
        self.register_buffer("class_w_avg", torch.zeros(num_classes, w_dim) if means else None)

    def forward(
        self,
        z: Tensor | None,
        c: Tensor | None = None,
        psi: float | Tensor = 1.0,
        cutoff: int | None = None,
    ) -> Tensor:
        """Map latents to one w per synthesis layer.

        Args:
            z: (N, z_dim), N(0, I); None where z_dim is 0.
            c: (N, num_classes), one-hot classes; needed exactly where the network has classes.
            psi: truncation, see `truncation.truncate`.
            cutoff: truncation, see `truncation.truncate`.

        Returns:
            (N, num_ws, w_dim), float32.

        Raises:
            ValueError: a class is missing or given in vain, which callers check before.
        """
        assert self.num_ws is not None  # a discriminator asks for `w`
        w = self.w(z, c)
        ws = w[:, None].expand(-1, self.num_ws, -1)
        return truncate(ws, self.w_avg, psi, cutoff)

    def w(self, z: Tensor | None, c: Tensor | None = None) -> Tensor:
        """(N, z_dim) and (N, num_classes) to (N, w_dim), not truncated; raises as `forward`."""
        if (c is None) != (self.num_classes == 0):
            raise ValueError(f"c is {'missing' if c is None else 'given'}: see num_classes")
        x = self._input(z, c)
        for i in range(self.config.num_layers):
            x = getattr(self, f"fc{i}")(x)
            x = activate(x, self.config.activation, gain=self.config.activation_gain)
        return x

    def _input(self, z: Tensor | None, c: Tensor | None) -> Tensor:
        parts = [] if z is None else [z.float()]
        normalize = pixel_norm if self.config.normalize_z else nn.Identity()
        if c is not None and self.config.class_input == "concat":
            parts.append(c.float() @ self.class_rows)
            return normalize(torch.cat(parts, dim=1))
        parts = [normalize(part) for part in parts]
        if c is not None:
            parts.append(pixel_norm(self.embed(c.float())))
        return torch.cat(parts, dim=1)

    @torch.no_grad()
    def update_w_avg(self, w: Tensor, c: Tensor | None = None) -> None:
        """Move the running mean of w a step towards the mean of this batch.

        Where classes have means of their own, each moves as far as it would in a batch that has as
        many of every class, for each of it that is here; the first ones are its mean at once.

        Source: Karras et al. 2019's release, with rate 1 - w_avg_beta.

        Args:
            w: (N, w_dim), not mixed, not truncated.
            c: (N, num_classes), one-hot classes of ``w``; where the network has classes.
        """
        beta = self.config.w_avg_beta
        if beta is None:
            return
        w = w.detach().float()
        self.w_avg.copy_(w.mean(dim=0).lerp(self.w_avg, beta))
        if self.class_w_avg is not None and c is not None:
            counts = c.float().sum(dim=0)[:, None]  # (num_classes, 1)
            means = c.float().T @ w / counts.clamp(min=1)  # (num_classes, w_dim)
            stays = beta ** (counts * self.num_classes / len(w))
            stays[(counts > 0) & ~self.class_w_avg.any(dim=1, keepdim=True)] = 0
            self.class_w_avg.copy_(means.lerp(self.class_w_avg, stays))
