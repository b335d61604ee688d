"""Truncation: w pulled towards their mean, or another centre, by psi.

Source: Karras et al. 2019 (StyleGAN), Appendix B.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["psi_curve", "truncate"]


def psi_curve(psi: float | Sequence[float], cutoff: int | None, num_ws: int) -> tuple[float, ...]:
    """The psi of each layer: one for all or one a layer, and 1 from the cutoff on."""
    curve = (psi,) * num_ws if isinstance(psi, float | int) else tuple(psi)
    return curve if cutoff is None else curve[:cutoff] + (1.0,) * (num_ws - cutoff)


def truncate(
    ws: Tensor, w_avg: Tensor, psi: float | Tensor = 1.0, cutoff: int | None = None
) -> Tensor:
    """Pull ws towards a centre.

    Args:
        ws: (N, num_ws, w_dim).
        w_avg: the centre: (w_dim,), or anything that broadcasts with ws.
        psi: 1 = off, 0 = the centre; one number, or (num_ws,) with one a layer; without a cutoff
            anything that broadcasts with ws, too.
        cutoff: layers from it on keep their w; None truncates all.

    Returns:
        (N, num_ws, w_dim).
    """
    if isinstance(psi, float | int) and psi == 1:
        return ws
    strength = torch.as_tensor(psi, dtype=ws.dtype, device=ws.device)
    if cutoff is not None:
        curve = psi_curve(strength.tolist(), cutoff, ws.shape[1])
        strength = torch.tensor(curve, dtype=ws.dtype, device=ws.device)
    if strength.ndim == 1:
        strength = strength[:, None]  # (num_ws, 1)
    # lerp: unlike w_avg + psi * (w - w_avg), exact at psi = 1
    return torch.lerp(w_avg.to(ws.dtype).expand_as(ws), ws, strength)
