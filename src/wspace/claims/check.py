"""All claims on one model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from wspace.claims.adain import adain_claim
from wspace.claims.claim import Claim
from wspace.claims.draw import Subject
from wspace.claims.entanglement import path_claim, separability_claim
from wspace.claims.layers import layers_claim
from wspace.claims.noise import detail_claim, frequency_claim
from wspace.claims.series import read_series, series_claims
from wspace.claims.truncation import truncation_claim
from wspace.data.dataset import Dataset
from wspace.figures.plots import require_plots
from wspace.metrics.comparison import require_same_size
from wspace.metrics.features.generators import Drawing
from wspace.metrics.judge import judging_of
from wspace.metrics.quiet import Show, quiet

__all__ = ["Checked", "check_claims"]

FEWER = 4  # pictures of claims that draw each picture many times: this part of all


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What came of it.

    Attributes:
        claims: one section each.
        judge: the accuracy of the judge on each kind that it sees.
        unclear: the kinds that it does not.
    """

    claims: Sequence[Claim]
    judge: dict[str, float]
    unclear: tuple[str, ...]


def check_claims(
    drawing: Drawing,
    data: Dataset,
    *,
    labelled: Dataset | None = None,
    series: Path | None = None,
    cache: Path | None = None,
    show: Show = quiet,
) -> Checked:
    """Put the article's claims to the test.

    Args:
        drawing: the model; ``num`` pictures for separability, a quarter for what draws each
            picture many times over.
        data: labelled pictures, of the model's kind.
        labelled: others that the judge learns from; None: one half of ``data``.
        series: what `benchmarks/claims.py` measured, for claims that need several models.
        cache: where judges are kept.
        show: displays the work.

    Raises:
        WspaceError: no labels, other sizes, no matplotlib, or a series that cannot be read.
    """
    require_plots()
    require_same_size(drawing, data)
    models = None if series is None else read_series(series)
    device = drawing.generator.w_avg.device
    judging = judging_of(data, labelled, cache=cache, device=device, show=show)
    subject = Subject(drawing=drawing, judging=judging, show=show)
    few = replace(subject, drawing=replace(drawing, num=max(2, drawing.num // FEWER)))
    steps: Sequence[Callable[[], Claim]] = (
        lambda: separability_claim(subject),
        lambda: path_claim(few),
        lambda: layers_claim(few),
        lambda: adain_claim(few),
        lambda: detail_claim(few),
        lambda: frequency_claim(few),
        lambda: truncation_claim(few, data),
    )
    claims = [step() for step in steps]
    if models is not None:
        claims += series_claims(models)
    return Checked(
        claims=claims,
        judge={kind: judging.accuracy[kind] for kind in judging.clear},
        unclear=tuple(kind for kind in judging.judge.values if kind not in judging.clear),
    )
