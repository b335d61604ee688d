"""Truncation: w pulled towards their mean, or another centre, by psi.

Source: Karras et al. 2019 (StyleGAN), Appendix B.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from wspace.errors import WspaceError

__all__ = ["psi_curve", "truncate"]


def psi_curve(psi: float | Sequence[float], cutoff: int | None, num_ws: int) -> tuple[float, ...]:
    """The psi of each layer: one for all or one a layer, and 1 from the cutoff on.

    Raises:
        WspaceError: psi is not finite or not one a layer, or the cutoff is negative.
    """
    curve = (psi,) * num_ws if isinstance(psi, float | int) else tuple(psi)
    if len(curve) != num_ws:
        raise WspaceError(f"psi has {len(curve)} values for {num_ws} layers: give one a layer.")
    if not all(map(math.isfinite, curve)):
        raise WspaceError(f"psi={psi} is not finite: give a number such as 0.7.")
    if cutoff is not None and cutoff < 0:
        raise WspaceError(f"cutoff={cutoff} is no layer: give 0 to {num_ws}.")
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

    Raises:
        WspaceError: as `psi_curve`.
    """
    if isinstance(psi, float | int) and psi == 1:
        return ws
    strength = torch.as_tensor(psi, dtype=ws.dtype, device=ws.device)
    if cutoff is not None or strength.ndim < 2:
        curve = psi_curve(strength.tolist(), cutoff, ws.shape[1])
        if cutoff is not None:
            strength = torch.tensor(curve, dtype=ws.dtype, device=ws.device)
    elif not strength.isfinite().all():
        raise WspaceError("psi is not finite everywhere: give numbers such as 0.7.")
    if strength.ndim == 1:
        strength = strength[:, None]  # (num_ws, 1)
    # lerp: unlike w_avg + psi * (w - w_avg), exact at psi = 1
    return torch.lerp(w_avg.to(ws.dtype).expand_as(ws), ws, strength)
