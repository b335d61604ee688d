"""``wspace measure``: how good and how varied a model's pictures are."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wspace.cli.progress import progress_bar
from wspace.errors import WspaceError
from wspace.files import check_file
from wspace.metrics.table import METRICS, measure, parse_metrics
from wspace.recipe.recipe import recipes
from wspace.recipe.syntax import seed_range

if TYPE_CHECKING:
    from torch import Tensor

    from wspace.data.dataset import Dataset
    from wspace.metrics.features.extractor import Extractor
    from wspace.networks.generator import Generator

__all__ = ["measure_command"]

SHEET_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
SHEET_COLUMNS = 4  # training pictures beside each generated one


@click.command("measure")
@click.argument("model")
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--metrics",
    "metrics_text",
    default="fd,pr",
    show_default=True,
    metavar="NAMES",
    help="; ".join(f"{name}: {metric.about}" for name, metric in METRICS.items()) + ".",
)
@click.option(
    "--num", type=click.IntRange(min=2), default=5000, show_default=True, help="Pictures to make."
)
@click.option("--real-num", type=click.IntRange(min=2), help="Pictures of DATA.  [default: all]")
@click.option(
    "--first-seed",
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Picture i is made from seed FIRST + i.",
)
@click.option("--psi", type=float, default=1.0, show_default=True, help="1 = no truncation.")
@click.option(
    "--neighbours",
    "sheet",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a sheet of generated pictures beside the nearest training pictures.",
)
@click.option(
    "--train",
    type=click.Path(path_type=Path),
    help="What the model was trained on, for --neighbours; DATA then shows how near unseen "
    "pictures are.  [default: DATA]",
)
@click.option("--batch-size", type=click.IntRange(min=1), help="Pictures at once.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--no-cache", is_flag=True, help="Neither read nor keep features of datasets.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def measure_command(
    model: str,
    data: Path,
    metrics_text: str,
    num: int,
    real_num: int | None,
    first_seed: int,
    psi: float,
    sheet: Path | None,
    train: Path | None,
    batch_size: int | None,
    device: str,
    no_cache: bool,
    as_json: bool,
) -> None:
    """Measure the pictures that MODEL makes against those of DATA.

    DATA should be data that the model was not trained on. FD (lite) is the Frechet distance of
    EfficientNet-Lite0 features: 0 = the same; not to be compared with FID. Precision is the share
    of generated pictures that look real, recall the share of real ones that the model can make
    (Kynkaanniemi et al. 2019). Features of datasets are kept in ~/.cache/wspace, or in
    $WSPACE_CACHE.
    """
    from wspace.data.dataset import Dataset
    from wspace.formats.model_file import load
    from wspace.machine import choose_device
    from wspace.metrics.features.datasets import cache_folder
    from wspace.metrics.features.generators import generator_features
    from wspace.metrics.features.lite import LiteExtractor

    metrics = parse_metrics(metrics_text)
    _check_sheet_options(sheet, train)
    recipes(seeds=seed_range(first_seed, num)[:1], psi=psi)  # wrong ones are said before any work
    chosen = choose_device(device)
    generator = load(model, device=chosen)
    cache = None if no_cache else cache_folder()
    with Dataset.open(data) as dataset, Dataset.open(train or data) as train_data:
        for one in (dataset, train_data):
            _require_resolution(one, generator, model)
        for line in dict.fromkeys((*dataset.remarks, *train_data.remarks)):
            click.echo(line, err=True)
        extractor = LiteExtractor(chosen, batch_size)
        real = _dataset_features(dataset, real_num, extractor, cache)
        labels = dataset.labels if generator.num_classes else None
        how: dict[str, Any] = {"first_seed": first_seed, "psi": psi, "labels": labels}
        with progress_bar(f"measuring {model}", "pictures") as progress:
            fake = generator_features(
                generator, num, extractor=extractor, batch_size=batch_size, progress=progress, **how
            )
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found: dict[str, Any] = dict(measure(real, fake, metrics))
        if sheet is not None:
            known = _dataset_features(train_data, None, extractor, cache)
            unseen = None if train is None else real
            found["neighbours"] = _neighbours(
                sheet, generator, train_data, known, fake, unseen, how
            )
    report = {
        "model": model,
        "data": str(data),
        "num": num,
        "real_num": len(real),
        "first_seed": first_seed,
        "psi": psi,
        "extractor": extractor.id,
        **found,
        "warnings": [str(one.message) for one in caught],
    }
    for line in report["warnings"]:
        click.echo(f"warning: {line}", err=True)
    if as_json:
        click.echo(json.dumps(report, indent=2))
    else:
        _print_report(report)


def _check_sheet_options(sheet: Path | None, train: Path | None) -> None:
    """Refuse now what would only be noticed after minutes of work."""
    if sheet is None and train is not None:
        raise WspaceError(f"--train {train} is only read with --neighbours: give that too.")
    if sheet is not None and sheet.suffix.lower() not in SHEET_SUFFIXES:
        raise WspaceError(
            f"--neighbours {sheet} names no kind of picture: end it with one of "
            f"{', '.join(SHEET_SUFFIXES)}."
        )
    if sheet is not None:
        check_file(sheet)


def _require_resolution(dataset: Dataset, generator: Generator, model: str) -> None:
    if dataset.resolution != generator.resolution:
        raise WspaceError(
            f"{model} makes pictures of {generator.resolution} pixels, {dataset.path} has "
            f"{dataset.resolution}, so sharpness would count as quality: give data of "
            f"{generator.resolution} pixels (`wspace data build`)."
        )


def _dataset_features(
    dataset: Dataset, num: int | None, extractor: Extractor, cache: Path | None
) -> Tensor:
    from wspace.metrics.features.datasets import dataset_features

    with progress_bar(f"measuring {dataset.path}", "pictures") as progress:
        return dataset_features(dataset, num, extractor=extractor, cache=cache, progress=progress)


def _neighbours(
    sheet: Path,
    generator: Generator,
    train_data: Dataset,
    train: Tensor,
    fake: Tensor,
    unseen: Tensor | None,
    how: dict[str, Any],
) -> dict[str, Any]:
    """Write the sheet; return what the distances say."""
    from wspace.files import atomic_path
    from wspace.metrics.neighbours import find_neighbours, generator_sheet, summary
    from wspace.recipe.png import write_figure

    neighbours = find_neighbours(fake, train, k=SHEET_COLUMNS)
    image = generator_sheet(generator, train_data, neighbours, **how)
    if sheet.suffix.lower() == ".png":
        write_figure(sheet, image)
    else:
        with atomic_path(sheet) as temporary:
            image.save(temporary)
    found: dict[str, Any] = {
        "sheet": str(sheet),
        "train": str(train_data.path),
        "generated_to_train": summary(neighbours).to_dict(),
    }
    if unseen is not None:
        found["unseen_to_train"] = summary(find_neighbours(unseen, train)).to_dict()
    return found


def _print_report(report: dict[str, Any]) -> None:
    click.echo(
        f"{report['model']}: {report['num']} pictures from seed {report['first_seed']} on, psi "
        f"{report['psi']:g}, against {report['real_num']} of {report['data']}"
    )
    titles = {key: title for metric in METRICS.values() for key, title in metric.titles.items()}
    for key, title in titles.items():
        if key in report:
            click.echo(f"{title:10} {report[key]:.3f}")
    if "neighbours" not in report:
        return
    neighbours = report["neighbours"]
    click.echo(f"nearest pictures of {neighbours['train']}: {neighbours['sheet']}")
    for name, key in (("generated", "generated_to_train"), ("unseen", "unseen_to_train")):
        if key in neighbours:
            values = neighbours[key]
            click.echo(
                f"{name:10} at a distance of {values['median']:.2f} (median), "
                f"{values['first_percentile']:.2f} (1 %), {values['closest']:.2f} (closest)"
            )
