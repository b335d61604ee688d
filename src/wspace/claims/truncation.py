"""Claim: truncation trades variety for quality."""

from __future__ import annotations

from dataclasses import replace

from wspace.claims.claim import Claim, Picture, bootstrap, both, decide, mean_of
from wspace.claims.draw import Subject
from wspace.data.dataset import Dataset
from wspace.figures.plots import Series, curves, written
from wspace.metrics.features.datasets import dataset_features
from wspace.metrics.features.generators import generator_features
from wspace.metrics.features.lite import LiteExtractor
from wspace.metrics.features.transparent import for_channels
from wspace.metrics.path_length import PerceptualDistance
from wspace.metrics.precision_recall import memberships

__all__ = ["truncation_claim"]

PSIS = (0.0, 0.25, 0.5, 0.7, 0.85, 1.0)
STRONG = 0.5  # psi that is compared with none


def truncation_claim(subject: Subject, data: Dataset) -> Claim:
    """Whether precision rises and recall falls as psi falls."""
    drawing = subject.drawing
    generator = drawing.generator
    side = PerceptualDistance.of(generator).side
    extractor = for_channels(
        LiteExtractor(generator.w_avg.device, side=side),
        max(generator.image_channels, data.image_channels),
    )
    count = min(drawing.num, len(data))
    real = dataset_features(data, count, extractor=extractor)
    inside = {}
    with subject.show("truncating", "values of psi") as progress:
        for number, psi in enumerate(PSIS, start=1):
            own = replace(drawing, psi=psi)
            fake = generator_features(
                generator,
                count,
                extractor=extractor,
                first_seed=own.first_seed,
                psi=psi,
                labels=own.labels,
            )
            inside[psi] = [one.double().numpy() for one in memberships(real, fake)]
            progress(number, len(PSIS))
    kinds = ("precision", "recall")
    at = {
        kind: [bootstrap(mean_of(inside[psi][k]), count, resamples=300) for psi in PSIS]
        for k, kind in enumerate(kinds)
    }
    gained, lost = (bootstrap(mean_of(inside[STRONG][k] - inside[1.0][k]), count) for k in range(2))
    verdict = both(decide(gained, 0.0), decide(lost, 0.0, above=False))
    figure = curves(
        PSIS,
        [
            Series(
                name=kind,
                values=[one.value for one in at[kind]],
                low=[one.low for one in at[kind]],
                high=[one.high for one in at[kind]],
            )
            for kind in kinds
        ],
        title="Quality against variety",
        across="psi (1 = no truncation)",
        value="share",
    )
    return Claim(
        name="truncation",
        title="Truncation trades variety for quality",
        article="Towards the mean w the average quality of pictures rises, and some variety is "
        "lost (Section 2, Appendix B, Figure 8).",
        measured=f"Precision at psi {STRONG:g}, less precision without truncation; and recall "
        f"likewise: {lost.value:+.3f} ({lost.low:+.3f} to {lost.high:+.3f}).",
        rule="Holds where precision rises and recall falls.",
        verdict=verdict,
        number=gained,
        numbers={
            kind: {
                f"{psi:g}": {"value": one.value, "low": one.low, "high": one.high}
                for psi, one in zip(PSIS, at[kind], strict=True)
            }
            for kind in kinds
        }
        | {
            "recall_lost": {"value": lost.value, "low": lost.low, "high": lost.high},
            "pictures": count,
        },
        pictures=[
            Picture(
                png=written(figure),
                caption=f"Precision and recall by features of {extractor.name}, pictures "
                f"{extractor.rule}; {count} on each side, with 95 % intervals.",
                alt="Curves of precision and recall over psi",
            )
        ],
    )
