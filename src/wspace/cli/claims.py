"""``wspace claims``: what the StyleGAN article claims, put to the test on a model."""

from __future__ import annotations

import contextlib
from pathlib import Path

import click

from wspace.cli.data_place import fetched_path, say
from wspace.cli.progress import progress_bar
from wspace.files import check_file
from wspace.recipe.recipe import recipes
from wspace.recipe.syntax import seed_range

__all__ = ["claims_command"]


@click.command("claims")
@click.argument("model")
@click.argument("data")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("claims"),
    show_default=True,
    help="OUT.html and OUT.json are written.",
)
@click.option(
    "--num",
    type=click.IntRange(min=40),
    default=4000,
    show_default=True,
    help="Pictures to make for separability; a quarter of them for the other claims.",
)
@click.option(
    "--labelled",
    help="Labelled data that the judge of attributes learns from.  [default: one half of DATA]",
)
@click.option(
    "--series",
    type=click.Path(path_type=Path),
    help="What benchmarks/claims.py wrote of models of several mapping depths and mixing "
    "probabilities, for the claims on those.",
)
@click.option(
    "--first-seed",
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Picture i is made from seed FIRST + i.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--no-cache", is_flag=True, help="Neither read nor keep judges.")
def claims_command(
    model: str,
    data: str,
    out: Path,
    num: int,
    labelled: str | None,
    series: Path | None,
    first_seed: int,
    device: str,
    no_cache: bool,
) -> None:
    """Put the claims of the StyleGAN article to the test on MODEL, with labelled pictures DATA.

    Each claim ends in a number with a 95 % interval and a verdict: holds, does not hold, or cannot
    tell. Attributes are told by a judge that learns from the labels. docs/claims.md says how
    each is tested.
    """
    from wspace.claims.check import check_claims
    from wspace.claims.report import write_report
    from wspace.cli.common import load_generator
    from wspace.data.dataset import Dataset
    from wspace.metrics.features.datasets import cache_folder
    from wspace.metrics.features.generators import Drawing
    from wspace.rendering.identity import identity_of

    recipes(seeds=seed_range(first_seed, num)[:1])  # wrong ones are said before any work
    for ending in ("html", "json"):
        check_file(out.with_name(f"{out.name}.{ending}"))
    cache = None if no_cache else cache_folder()
    with contextlib.ExitStack() as stack:
        place = fetched_path(data)
        dataset = stack.enter_context(Dataset.open(place, say=say))
        other = None
        if labelled is not None:
            other = stack.enter_context(Dataset.open(fetched_path(labelled), say=say))
        for line in dict.fromkeys((*dataset.remarks, *(other.remarks if other else ()))):
            click.echo(line, err=True)
        generator = load_generator(model, device)
        drawing = Drawing(
            generator=generator,
            num=num,
            first_seed=first_seed,
            labels=dataset.labels if generator.num_classes else None,
        )
        checked = check_claims(
            drawing, dataset, labelled=other, series=series, cache=cache, show=progress_bar
        )
    about = {
        "model": generator.name or model,
        "model_sha256": identity_of(generator).sha256,
        "data": place.name,
        "num": num,
        "first_seed": first_seed,
    }
    for claim in checked.claims:
        number = claim.number
        value = (
            "no number"
            if number is None
            else f"{number.value:.3g} ({number.low:.3g} to {number.high:.3g})"
        )
        click.echo(f"{claim.verdict:13} {claim.title}: {value}")
    for path in write_report(out, about, checked):
        click.echo(path)
