"""Edits: steps along directions in W, in some layers of ws; and in style space, channel by channel.

Sources: Shen et al. 2020 (InterFaceGAN), Section 3.2: w + strength · direction; Wu et al. 2021
(StyleSpace Analysis), Section 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor

from wspace.errors import WspaceError, shown
from wspace.networks.generator import Generator
from wspace.recipe.recipe import Edit

__all__ = ["check_edits", "check_touches", "edit_ws", "offsets_of_edits", "styles_of"]


def check_edits(generator: Generator, edits: Sequence[Edit]) -> None:
    """Whether edits fit a generator.

    Raises:
        WspaceError: a direction of another width, or a layer or channel that it does not have.
    """
    for edit in edits:
        name = f" {edit.name!r}" if edit.name else ""
        if edit.direction is not None and len(edit.direction) != generator.w_dim:
            raise WspaceError(
                f"recipe: the direction{name} has {len(edit.direction)} numbers, w of this model "
                f"{generator.w_dim}: it was found in another model."
            )
        if edit.layers is not None and max(edit.layers) >= generator.num_ws:
            raise WspaceError(
                f"recipe: the edit{name} names layer {max(edit.layers)}: this model has 0 to "
                f"{generator.num_ws - 1}."
            )
        if edit.channels is not None:
            _check_channels(generator, edit, name)


def _check_channels(generator: Generator, edit: Edit, name: str) -> None:
    widths = _widths(generator)
    for style, channel, _ in edit.channels or ():
        if style >= len(widths) or channel >= widths[style]:
            has = f"{widths[style]} channels there" if style < len(widths) else f"{len(widths)}"
            raise WspaceError(
                f"recipe: the edit{name} names channel {channel} of style {style}: this model has "
                f"{has}; it was found in another model."
            )


def check_touches(generator: Generator, edits: Sequence[Edit]) -> None:
    """Whether each edit changes something, as a person asks for it; in mixtures some may not.

    Raises:
        WspaceError: an edit whose channels all lie in other layers than those that take the step.
    """
    check_edits(generator, edits)
    for edit in edits:
        own = {generator.affine_layers[style][0] for style, _, _ in edit.channels or ()}
        if edit.layers is not None and own and not own & set(edit.layers):
            layers, own_layers = (",".join(map(str, sorted(s))) for s in (edit.layers, own))
            raise WspaceError(
                f"edit {shown(edit.name)} changes channels of layers {own_layers}, and is to be "
                f"taken in layers {layers}: that does nothing."
            )


def edit_ws(ws: Tensor, edits: Sequence[Sequence[Edit]]) -> Tensor:
    """Take the steps of each picture that lie in W.

    Args:
        ws: (N, num_ws, w_dim), truncated.
        edits: N times any number.

    Returns:
        (N, num_ws, w_dim).
    """
    if not any(edit.direction for own in edits for edit in own):
        return ws
    edited = ws.clone()
    for picture, own in zip(edited, edits, strict=True):
        for edit in own:
            if edit.direction is None:
                continue
            step = torch.tensor(edit.direction, device=ws.device) * edit.strength  # (w_dim,)
            if edit.layers is None:
                picture += step
            else:
                picture[list(edit.layers)] += step
    return edited


def offsets_of_edits(
    generator: Generator, edits: Sequence[Sequence[Edit]]
) -> tuple[Tensor, ...] | None:
    """What the steps of each picture that lie in style space add to the styles.

    Args:
        generator: the model; the edits fit it.
        edits: N times any number.

    Returns:
        (N, channels) a style, see `networks.style_space.layer_offsets`; None where there are no
        such steps.
    """
    if not any(edit.channels for own in edits for edit in own):
        return None
    widths = _widths(generator)
    first = [0, *accumulate(widths)]
    device = generator.w_avg.device
    offsets = torch.zeros(len(edits), first[-1], device=device)
    for picture, own in zip(offsets, edits, strict=True):
        for edit in own:
            taken = [
                (first[style] + channel, amount)
                for style, channel, amount in edit.channels or ()
                if edit.layers is None or generator.affine_layers[style][0] in edit.layers
            ]
            if taken:
                places, amounts = zip(*taken, strict=True)
                step = torch.tensor(amounts, device=device) * edit.strength
                picture[torch.tensor(places, device=device)] += step
    return tuple(torch.split(offsets, widths, dim=1))


def styles_of(generator: Generator, ws: Tensor) -> tuple[Tensor, ...]:
    """The styles that ws make.

    Args:
        generator: the model.
        ws: (N, num_ws, w_dim).

    Returns:
        (N, channels) a style, in the order of `Generator.affine_layers`.
    """
    return tuple(affine(ws[:, layer]) for layer, affine in generator.affine_layers)


def _widths(generator: Generator) -> list[int]:
    return [len(affine.bias) for _, affine in generator.affine_layers]
