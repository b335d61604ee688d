"""Style space: what the layers' affine maps make of w, and what edits add to it.

A **style** is the output of one affine layer: of AdaIN a scale (less one) for each map, then a bias
for each; of a modulated convolution a factor for each map that enters it; of StyleGAN3's input the
turn and shift of its waves. `Generator.affine_layers` counts them.

Source: Wu et al. 2021 (StyleSpace Analysis), Section 3.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

__all__ = ["StyleOffsets", "layer_offsets", "shifted"]

StyleOffsets = Sequence[Tensor] | None


def layer_offsets(style_offsets: StyleOffsets, num_styles: int) -> Sequence[Tensor | None]:
    """What is added to each style.

    Args:
        style_offsets: (N, channels) a style, in the order of `Generator.affine_layers`; None to add
            nothing.
        num_styles: of the network.

    Returns:
        One entry a style.

    Raises:
        ValueError: a wrong number of them, which only a bug brings here.
    """
    if style_offsets is None:
        return [None] * num_styles
    if len(style_offsets) != num_styles:
        raise ValueError(f"{len(style_offsets)} style offsets for {num_styles} styles")
    return style_offsets


def shifted(style: Tensor, offset: Tensor | None) -> Tensor:
    """A style with an offset added, both (N, channels); without one it stays the same tensor."""
    return style if offset is None else style + offset.to(style.dtype)
