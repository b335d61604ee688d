"""Claim: AdaIN gives control by scale: it undoes a map's statistics, and the style sets them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wspace.claims.claim import Claim, Picture, bootstrap, decide, mean_of, untold
from wspace.claims.draw import BATCH, Subject
from wspace.figures.plots import Series, bars, written
from wspace.networks.styles import AdaIN
from wspace.ops.instance_norm import instance_norm
from wspace.steering.noise import NoiseInputs

__all__ = ["adain_claim", "off_by", "statistics_of_maps"]

NEAR = 0.01  # of a deviation
MOST = 64  # pictures


def statistics_of_maps(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each map over its pixels: (N, C, H, W) to (N, C) each, float64."""
    x = x.double().flatten(2)
    mean = x.mean(dim=2)
    return mean, (x - mean[:, :, None]).square().mean(dim=2).sqrt()


def off_by(x: Tensor, styled: Tensor, scale: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """How far maps are from what AdaIN promises.

    Args:
        x: (N, C, H, W), maps before it.
        styled: (N, C, H, W), after it.
        scale: (N, C), what the style multiplies a map by.
        bias: (N, C), what it adds.

    Returns:
        For each picture, (N,): the mean over maps of the distance of normalised maps from mean 0
        and deviation 1, added; the same of styled maps from the style's, over the scale; and the
        share of maps that are flat, which no scale gives a deviation: they are left out.
    """
    flat = statistics_of_maps(x)[1] < 1e-3
    mean, deviation = statistics_of_maps(instance_norm(x))
    normalised = mean.abs() + (deviation - 1).abs()
    mean, deviation = statistics_of_maps(styled)
    size = scale.double().abs().clamp(min=1e-3)
    told = ((mean - bias.double()).abs() + (deviation - scale.double().abs()).abs()) / size
    counted = (~flat).double()
    count = counted.sum(dim=1).clamp(min=1)
    return (
        (normalised * counted).sum(dim=1) / count,
        (told * counted).sum(dim=1) / count,
        flat.double().mean(dim=1),
    )


def adain_claim(subject: Subject) -> Claim:
    """Whether the maps of the model are what AdaIN says."""
    generator = subject.drawing.generator
    claim = Claim(
        name="adain",
        title="After normalisation each map has mean 0 and deviation 1, and the style sets both",
        article="Each map is normalised separately, then scaled and biased by its style, so that a "
        "style controls one convolution before the next overrides it (Section 2, Equation 1).",
        measured="How far maps are from the mean and deviation that they should have after "
        "normalisation and after the style, in deviations; the mean over maps and layers.",
        rule=f"Holds where the number is below {NEAR}.",
        verdict="cannot tell",
    )
    layers = [module for module in generator.synthesis.modules() if isinstance(module, AdaIN)]
    if not layers or not all(layer.normalize for layer in layers):
        return untold(claim, "This model restyles maps in another way than AdaIN.")
    normalised, told, flat = _measured(subject, layers)  # (layers, N) each
    number = bootstrap(mean_of((normalised + told).mean(axis=0)), normalised.shape[1])
    figure = bars(
        [str(k) for k in range(len(layers))],
        [
            Series(name="after normalisation", values=normalised.mean(axis=1).tolist()),
            Series(name="after the style", values=told.mean(axis=1).tolist()),
        ],
        title="How far maps are from what they should be",
        value="deviations",
    )
    return replace(
        claim,
        verdict=decide(number, NEAR, above=False),
        number=number,
        numbers={
            "normalised": normalised.mean(axis=1).tolist(),
            "styled": told.mean(axis=1).tolist(),
            "flat_maps": flat.mean(axis=1).tolist(),
            "pictures": int(normalised.shape[1]),
        },
        pictures=[
            Picture(
                png=written(figure),
                caption="Distances from mean 0 and deviation 1, and from the style's, by layer.",
                alt="Bars for each layer",
            )
        ],
        remarks=[
            "Maps without any variation, which no scale can give one, are left out: "
            f"{float(flat.mean()):.1%} of all."
        ],
    )


def _measured(subject: Subject, layers: list[AdaIN]) -> tuple[Any, Any, Any]:
    """What `off_by` says of each layer and picture, (layers, N) each."""
    generator = subject.drawing.generator
    count = min(MOST, subject.drawing.num)
    ws = subject.ws(subject.w()[:count])
    found: list[list[tuple[Tensor, ...]]] = [[] for _ in layers]

    def hook(number: int) -> Any:
        def seen(module: Any, given: tuple[Tensor, ...], styled: Tensor) -> None:
            x, w, *_ = given  # and the offsets of an edit, of which there are none here
            scale, bias = module.affine(w).chunk(2, dim=1)
            found[number].append(off_by(x, styled, 1 + scale, bias))

        return seen

    handles = [layer.register_forward_hook(hook(k)) for k, layer in enumerate(layers)]
    noise = NoiseInputs(generator)
    try:
        with torch.inference_mode():
            for start in range(0, count, BATCH):
                settings = subject.noise(count)[start : start + BATCH]
                # The network itself, not the folded one: its maps are what is claimed of.
                generator.synthesis(ws[start : start + BATCH], noise.of(settings, torch.float32))
    finally:
        for handle in handles:
            handle.remove()
    parts = [
        [torch.cat([batch[k] for batch in layer]).cpu().numpy() for layer in found]
        for k in range(3)
    ]
    normalised, told, flat = (np.stack(part) for part in parts)
    return normalised, told, flat
