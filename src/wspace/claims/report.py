"""The report on a model's claims: a page that needs nothing else, and the same as JSON."""

from __future__ import annotations

import base64
import html
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from wspace.claims.check import Checked
from wspace.claims.claim import Claim, Interval, Picture
from wspace.figures.page import page
from wspace.files import atomic_write_text

__all__ = ["as_json", "as_page", "write_report"]

READABLE = 0.58  # of its width: smaller, a figure's numbers cannot be read; then it scrolls
_SIGNS = {"holds": "✓", "does not hold": "✗", "cannot tell": "?"}
_CONTEXT = (
    "What the article measured stands beside each claim as context: it is of photographs of faces "
    "at 1024², with other networks to see them, and its numbers cannot be compared with these. "
    "A claim is tested on this model and this data alone."
)


def write_report(out: Path, about: Mapping[str, Any], checked: Checked) -> tuple[Path, Path]:
    """Write OUT.html and OUT.json.

    Args:
        out: without its ending.
        about: the model, the data and the counts, as plain data.
        checked: what was found.

    Returns:
        The two files.

    Raises:
        WspaceError: a file cannot be written.
    """
    paths = (out.with_name(f"{out.name}.html"), out.with_name(f"{out.name}.json"))
    atomic_write_text(paths[0], as_page(about, checked))
    atomic_write_text(paths[1], json.dumps(as_json(about, checked), indent=2) + "\n")
    return paths


def as_json(about: Mapping[str, Any], checked: Checked) -> dict[str, Any]:
    """The report as plain data, without the figures."""
    return {
        **about,
        "judge": {"accuracy": dict(checked.judge), "unclear": list(checked.unclear)},
        "claims": [_finite(claim.to_dict()) for claim in checked.claims],
    }


def as_page(about: Mapping[str, Any], checked: Checked) -> str:
    """The report as HTML."""
    title = f"Claims, tested on {about['model']}"
    return page(
        title,
        [
            f"<header><h1>{html.escape(title)}</h1>{_about(about)}</header>",
            f'<p class="quiet">{html.escape(_CONTEXT)}</p>',
            _summary(checked.claims),
            *(_section(claim) for claim in checked.claims),
            _judge(checked),
        ],
    )


def _about(about: Mapping[str, Any]) -> str:
    told = "; ".join(f"{key.replace('_', ' ')}: {value}" for key, value in about.items())
    return f'<p class="quiet" style="overflow-wrap:anywhere">{html.escape(told)}</p>'


def _summary(claims: Sequence[Claim]) -> str:
    rows = "".join(
        f'<tr><td><a href="#{claim.name}">{html.escape(claim.title)}</a></td>'
        f'<td style="overflow-wrap:normal">{_number(claim.number)}</td>'
        f'<td style="white-space:nowrap"><b>{_verdict(claim)}</b></td></tr>'
        for claim in claims
    )
    head = (
        '<tr><th>claim</th><th style="overflow-wrap:normal">number (95 % interval)</th>'
        "<th>verdict</th></tr>"
    )
    return f"<table>{head}{rows}</table>"


def _section(claim: Claim) -> str:
    remarks = "".join(f'<p class="quiet">{html.escape(line)}</p>' for line in claim.remarks)
    figures = "".join(_figure(picture) for picture in claim.pictures)
    grid = f'<div class="grid">{figures}</div>' if figures else ""
    return (
        f'<section id="{claim.name}"><h2>{html.escape(claim.title)}</h2>'
        f"<p><b>{_verdict(claim)}</b>: {_number(claim.number)}. {html.escape(claim.measured)} "
        f"{html.escape(claim.rule)}</p>{grid}"
        f'<p class="quiet">The article: {html.escape(claim.article)}</p>{remarks}</section>'
    )


def _figure(picture: Picture) -> str:
    data = base64.b64encode(picture.png).decode()
    with Image.open(io.BytesIO(picture.png), formats=("PNG",)) as image:
        narrowest = round(READABLE * image.width)
    return (
        f'<figure class="card wide"><div class="scroll" tabindex="0"><img '
        f'style="min-width:{narrowest}px" '
        f'alt="{html.escape(picture.alt)}" src="data:image/png;base64,{data}"></div>'
        f"<figcaption>{html.escape(picture.caption)}</figcaption></figure>"
    )


def _judge(checked: Checked) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(kind)}</td><td>{accuracy:.1%}</td></tr>"
        for kind, accuracy in checked.judge.items()
    )
    unclear = (
        f"<p>It does not tell: {html.escape(', '.join(checked.unclear))}.</p>"
        if checked.unclear
        else ""
    )
    return (
        "<section><h2>The judge</h2><p>Attributes are told by a small classifier that learned them "
        "from labelled pictures. How often it is right on pictures that it did not learn from:</p>"
        f"<table><tr><th>attribute</th><th>right</th></tr>{rows}</table>{unclear}</section>"
    )


def _verdict(claim: Claim) -> str:
    return f"{_SIGNS[claim.verdict]} {claim.verdict}"


def _number(number: Interval | None) -> str:
    if number is None:
        return "no number"
    text = f"{number.value:.3g} ({number.low:.3g} to {number.high:.3g})"
    return text.replace("-", "\N{MINUS SIGN}")  # after which no line breaks


def _finite(value: Any) -> Any:
    """JSON knows no NaN."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
