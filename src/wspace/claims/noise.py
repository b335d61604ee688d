"""Claims on noise: it touches chance detail alone, in each layer of the scale of that layer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from wspace.claims.claim import Claim, Picture, bootstrap, decide, mean_of, untold
from wspace.claims.draw import Subject
from wspace.figures.plots import Series, bars, curves, written
from wspace.images import rgb_of

__all__ = ["detail_claim", "frequency_claim", "mean_frequency", "rank_correlation", "spectrum"]

NEAR_NONE = 0.05  # of an attribute's decisions, that may change under new noise
ARTICLE = (
    "Noise changes how hairs, freckles and pores are placed, and leaves identity and pose as they "
    "are; coarse noise curls hair at large, fine noise brings fine detail (Figures 4 and 5)."
)


def detail_claim(subject: Subject) -> Claim:
    """Whether attributes stay under new noise."""
    drawing, judging = subject.drawing, subject.judging
    claim = Claim(
        name="noise-detail",
        title="Noise touches chance detail, not attributes",
        article=ARTICLE,
        measured="Share of decisions on attributes that change when all noise is drawn anew.",
        rule=f"Holds where the number is below {NEAR_NONE:.0%}.",
        verdict="cannot tell",
    )
    if not drawing.generator.const_noise:
        return untold(claim, "This model has no noise inputs.")
    ws = subject.ws(subject.w())
    layers = range(drawing.generator.num_ws)
    before = subject.judged(ws, subject.noise(drawing.num))
    after = subject.judged(ws, subject.noise(drawing.num, renewed=layers))
    flips = np.stack(
        [
            (judging.decisions(before, kind) != judging.decisions(after, kind)).numpy()
            for kind in judging.clear
        ],
        axis=1,
    )
    number = bootstrap(mean_of(flips), len(flips))
    each = [bootstrap(mean_of(one), len(flips), resamples=200) for one in flips.T]
    figure = bars(
        judging.clear,
        [
            Series(
                name="",
                values=[one.value for one in each],
                low=[one.low for one in each],
                high=[one.high for one in each],
            )
        ],
        title="Decisions that change under new noise",
        value="share of pictures",
        reference=NEAR_NONE,
    )
    return replace(
        claim,
        verdict=decide(number, NEAR_NONE, above=False),
        number=number,
        numbers={
            "flips": dict(zip(judging.clear, (one.value for one in each), strict=True)),
            "pictures": len(flips),
        },
        pictures=[
            Picture(
                png=written(figure),
                caption="With 95 % intervals; the dashed line is where the claim stops to hold.",
                alt="Bars of the share of changed decisions for each attribute",
            )
        ],
    )


def spectrum(changes: Tensor) -> Tensor:
    """Energy by spatial frequency, in bins of one cycle over the shorter side.

    Args:
        changes: (N, C, H, W).

    Returns:
        (N, bins): bin k holds what has k - 1/2 to k + 1/2 cycles; the last also what is beyond.
    """
    height, width = changes.shape[2:]
    energy = torch.fft.fft2(changes.double()).abs().square().mean(dim=1)  # (N, H, W)
    side = min(height, width)
    y = torch.fft.fftfreq(height)[:, None] * side
    x = torch.fft.fftfreq(width)[None] * side
    bins = (y.square() + x.square()).sqrt().round().long().clamp(max=side // 2)  # (H, W)
    found = torch.zeros(len(changes), side // 2 + 1, dtype=torch.float64)
    return found.index_add(1, bins.flatten(), energy.flatten(1).cpu())


def mean_frequency(spectra: Tensor) -> Tensor:
    """The mean frequency of each energy, in cycles over a picture.

    Args:
        spectra: (..., bins), >= 0, not all 0.

    Returns:
        (...).
    """
    cycles = torch.arange(spectra.shape[-1], dtype=spectra.dtype)
    return (spectra * cycles).sum(dim=-1) / spectra.sum(dim=-1)


def rank_correlation(values: Iterable[float]) -> float:
    """How steadily values rise along their list: 1 = each above the last, -1 = each below.

    Source: Kendall 1938, tau against the positions.
    """
    listed = np.asarray(list(values))
    signs = [np.sign(b - a) for i, a in enumerate(listed) for b in listed[i + 1 :]]
    return float(np.mean(signs))


def frequency_claim(subject: Subject) -> Claim:
    """Whether the noise of later layers changes finer things."""
    drawing = subject.drawing
    generator = drawing.generator
    claim = Claim(
        name="noise-frequency",
        title="Coarse noise changes coarse things, fine noise fine ones",
        article=ARTICLE,
        measured="Rank correlation of a layer's place with the mean spatial frequency of what its "
        "noise changes: 1 = each layer changes finer things than the one before.",
        rule="Holds where the number is above 0.",
        verdict="cannot tell",
    )
    if not generator.const_noise:
        return untold(claim, "This model has no noise inputs.")
    ws = subject.ws(subject.w())
    kept, spectra = [], []
    silent = []
    base = torch.cat([rgb_of(x).cpu() for x in subject.images(ws, subject.noise(drawing.num))])
    with subject.show("drawing noise anew", "layers") as progress:
        for done, layer in enumerate(generator.noise_layers, start=1):
            noise = subject.noise(drawing.num, renewed=[layer])
            after = torch.cat([rgb_of(x).cpu() for x in subject.images(ws, noise)])
            energy = spectrum(after - base)
            if float(energy.sum()) > 1e-9:
                kept.append(layer)
                spectra.append(energy)
            else:
                silent.append(layer)
            progress(done, len(generator.noise_layers))
    if len(kept) < 2:
        return untold(claim, "Fewer than two layers add noise that changes anything.")
    together = torch.stack(spectra)  # (layers, N, bins)

    def steady(rows: npt.NDArray[np.int64]) -> float:
        means = mean_frequency(together[:, torch.from_numpy(rows)].sum(dim=1))
        return rank_correlation(means.tolist())

    number = bootstrap(steady, drawing.num, resamples=300)
    shares = together.sum(dim=1) / together.sum(dim=(1, 2))[:, None]  # (layers, bins)
    shown = sorted({0, len(kept) // 3, 2 * len(kept) // 3, len(kept) - 1})
    figure = curves(
        list(range(shares.shape[1])),
        [Series(name=f"layer {kept[k]}", values=shares[k].tolist()) for k in shown],
        title="What new noise in a layer changes",
        across="cycles over a picture",
        value="share of energy",
    )
    means = mean_frequency(together.sum(dim=1)).tolist()
    remarks = [f"Noise of the layers {', '.join(map(str, silent))} changes nothing."]
    return replace(
        claim,
        verdict=decide(number, 0.0),
        number=number,
        numbers={
            "mean_frequency": {str(layer): mean for layer, mean in zip(kept, means, strict=True)},
            "energy": {
                str(layer): float(one.mean())
                for layer, one in zip(kept, together.sum(dim=2), strict=True)
            },
            "pictures": drawing.num,
        },
        pictures=[
            Picture(
                png=written(figure),
                caption="Energy of the change by spatial frequency, for some layers.",
                alt="Curves of energy over frequency, one a layer",
            )
        ],
        remarks=remarks if silent else (),
    )
