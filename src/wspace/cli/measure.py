"""``wspace measure``: how good and how varied pictures are, of a model or of any program."""

from __future__ import annotations

import contextlib
import json
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import click
from click.core import ParameterSource

from wspace.cli.data_place import fetched_path, say
from wspace.cli.progress import progress_bar
from wspace.errors import WspaceError
from wspace.files import check_file
from wspace.group import current
from wspace.metrics.features.named import EXTRACTORS, check_extractor
from wspace.metrics.table import METRICS, check_metrics, measure, parse_metrics, titles
from wspace.recipe.recipe import recipes
from wspace.recipe.syntax import seed_range

if TYPE_CHECKING:
    from wspace.data.dataset import Dataset
    from wspace.metrics.comparison import Comparison
    from wspace.metrics.features.extractor import Extractor
    from wspace.metrics.features.generators import Drawing
    from wspace.metrics.judge import Judging

__all__ = ["measure_command"]

Channels = Literal[1, 3, 4]

SHEET_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
SHEET_COLUMNS = 4  # training pictures beside each generated one
DRAWN = 5000  # pictures of a model, where --num is not given
PLOTTED = ("attributes", "mixing")  # metrics that --plots shows
OF_MODELS = ("first_seed", "psi")  # options that say nothing of pictures


@click.command("measure")
@click.argument("model", metavar="MODEL|PICTURES")
@click.argument("data")
@click.option(
    "--metrics",
    "metrics_text",
    default="fd,pr",
    show_default=True,
    metavar="NAMES",
    help="; ".join(f"{name}: {metric.about}" for name, metric in METRICS.items()) + ".",
)
@click.option(
    "--num",
    type=click.IntRange(min=2),
    help=f"Pictures to make.  [default: {DRAWN}; of PICTURES all]",
)
@click.option("--real-num", type=click.IntRange(min=2), help="Pictures of DATA.  [default: all]")
@click.option(
    "--extractor",
    "extractor_name",
    type=click.Choice(list(EXTRACTORS)),
    default="lite",
    show_default=True,
    help="The network whose features are compared.",
)
@click.option(
    "--weights",
    type=click.Path(path_type=Path),
    help="; ".join(f"{name}: {needed}" for name, needed in EXTRACTORS.items() if needed) + ".",
)
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
    help="What the model was trained on, for --neighbours; DATA then shows how near unseen "
    "pictures are.  [default: DATA]",
)
@click.option(
    "--labelled",
    help="Labelled data that the judge of attributes learns from.  [default: one half of DATA, and "
    "the other half is compared]",
)
@click.option(
    "--plots",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write plots of attributes and mixing into this folder.",
)
@click.option("--batch-size", type=click.IntRange(min=1), help="Pictures at once.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--no-cache", is_flag=True, help="Neither read nor keep features of datasets.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def measure_command(
    model: str,
    data: str,
    metrics_text: str,
    num: int | None,
    real_num: int | None,
    extractor_name: str,
    weights: Path | None,
    first_seed: int,
    psi: float,
    sheet: Path | None,
    train: str | None,
    labelled: str | None,
    plots: Path | None,
    batch_size: int | None,
    device: str,
    no_cache: bool,
    as_json: bool,
) -> None:
    """Measure the pictures that MODEL makes, or a folder, zip or tar of PICTURES, against DATA.

    DATA should be data that the model was not trained on; it is seen in the model's channels, grey
    or with alpha. Figures carry the network that they were seen with: FD (lite) is the Frechet
    distance of EfficientNet-Lite0 features, 0 = the same, and not to be compared with FID, which is
    that of Inception's. docs/measuring.md says what each metric tells and when it misleads.
    Features of datasets are kept in ~/.cache/wspace, or in $WSPACE_CACHE. Processes that torchrun
    starts share the pictures among them.
    """
    from wspace.data.dataset import Dataset
    from wspace.data.remote.addresses import is_address, shown_address
    from wspace.machine import choose_device
    from wspace.metrics.comparison import compare
    from wspace.metrics.features.datasets import cache_folder
    from wspace.metrics.features.named import open_extractor

    group = current()
    names = parse_metrics(metrics_text)
    pictures = is_address(model) or _holds_pictures(model)
    check_metrics(names, has_model=not pictures, subject=shown_address(model))
    check_extractor(extractor_name, weights)
    _check_sheet_options(sheet, train)
    _check_judge_options(names, labelled, plots)
    if not pictures:  # wrong ones are said before any work
        recipes(seeds=seed_range(first_seed, num or DRAWN)[:1], psi=psi)
    _check_options_of_models(shown_address(model), pictures)
    chosen = choose_device(device)
    cache = None if no_cache else cache_folder()
    channels = None if pictures else _channels_of(model)
    keep = sheet is not None or not all(METRICS[name].statistics for name in names)
    place = fetched_path(data)
    with (
        Dataset.open(place, image_channels=channels, say=say) as dataset,
        _open_fake(
            model, pictures, dataset, num=num, first_seed=first_seed, psi=psi,
            batch_size=batch_size, device=str(chosen),
        ) as fake,
        warnings.catch_warnings(record=True) as caught,
    ):  # fmt: skip
        warnings.simplefilter("always")
        _say_remarks(dataset, fake)
        extractor = open_extractor(extractor_name, weights, chosen, batch_size)
        comparison = compare(
            fake,
            dataset,
            extractor=extractor,
            real_num=real_num,
            fake_num=num,
            keep=keep,
            judging=_judging(names, dataset, labelled, cache, str(chosen)),
            cache=cache,
            show=progress_bar,
            group=group,
        )
        if not group.is_first:
            return  # the first one works out the figures
        found = measure(comparison, names)
        if sheet is not None:
            channels = cast(Channels, dataset.image_channels)
            with Dataset.open(
                place if train is None else fetched_path(train), image_channels=channels, say=say
            ) as train_data:
                if train is not None:
                    _say_remarks(train_data)
                found["neighbours"] = _neighbours(
                    sheet, fake, comparison, dataset, train_data, train is not None, cache
                )
    if plots is not None:
        found["plots"] = _plots(plots, found, extractor.name)
    made = {} if pictures else {"first_seed": first_seed, "psi": psi}
    report = {
        "model": shown_address(model),
        "data": str(place),
        "num": len(comparison.fake),
        "real_num": len(comparison.real),
        **made,
        "extractor": comparison.extractor.id,
        "resize": comparison.extractor.rule,
        **found,
        "warnings": list(dict.fromkeys(str(one.message) for one in caught)),
    }
    for line in report["warnings"]:
        click.echo(f"warning: {line}", err=True)
    if as_json:
        click.echo(json.dumps(report, indent=2))
    else:
        _print_report(report, names, comparison.extractor)


def _holds_pictures(model: str) -> bool:
    """Whether MODEL is a folder, zip or tar of pictures; a run folder is a model."""
    from wspace.data.stores.opening import holds_many

    path = Path(model)
    if path.is_dir():
        return not (path / "model.safetensors").is_file()
    return path.is_file() and (zipfile.is_zipfile(path) or holds_many(path))


def _channels_of(model: str) -> Channels:
    """The channels of a model's pictures, which DATA is seen in."""
    from wspace.formats.model_file import read_metadata
    from wspace.networks.config import GeneratorConfig

    config = GeneratorConfig.from_dict(read_metadata(model)["generator"])
    return cast(Channels, config.image_channels)


def _say_remarks(*sides: Dataset | Drawing) -> None:
    """What was noticed in data, once each."""
    lines = [line for side in sides for line in getattr(side, "remarks", ())]
    for line in dict.fromkeys(lines):
        click.echo(line, err=True)


def _check_options_of_models(model: str, pictures: bool) -> None:
    """Refuse what would have no effect."""
    context = click.get_current_context()
    for name in OF_MODELS:
        if pictures and context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            raise WspaceError(
                f"--{name.replace('_', '-')} is for models: {model} holds pictures; leave it out."
            )


def _check_sheet_options(sheet: Path | None, train: str | None) -> None:
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


def _check_judge_options(names: tuple[str, ...], labelled: str | None, plots: Path | None) -> None:
    """Refuse what would have no effect, and plots that cannot be made."""
    if labelled is not None and not any(METRICS[name].judge for name in names):
        judged = ", ".join(name for name, metric in METRICS.items() if metric.judge)
        raise WspaceError(f"--labelled {labelled} is read for {judged}: ask for one of them.")
    if plots is None:
        return
    if not set(PLOTTED) & set(names):
        raise WspaceError(f"--plots {plots} shows {' and '.join(PLOTTED)}: ask for one of them.")
    from wspace.figures.plots import require_plots

    require_plots()


def _judging(
    names: tuple[str, ...], data: Dataset, labelled: str | None, cache: Path | None, device: str
) -> Judging | None:
    """The judge, where a metric needs one."""
    if not any(METRICS[name].judge for name in names):
        return None
    from wspace.data.dataset import Dataset
    from wspace.metrics.judge import judging_of

    with contextlib.ExitStack() as stack:
        other = (
            None
            if labelled is None
            else stack.enter_context(Dataset.open(fetched_path(labelled), say=say))
        )
        return judging_of(data, other, cache=cache, device=device, show=progress_bar)


@contextlib.contextmanager
def _open_fake(
    model: str,
    pictures: bool,
    dataset: Dataset,
    *,
    num: int | None,
    first_seed: int,
    psi: float,
    batch_size: int | None,
    device: str,
) -> Iterator[Drawing | Dataset]:
    """What is measured."""
    if pictures:
        from wspace.data.dataset import Dataset

        with Dataset.open(
            fetched_path(model),
            image_channels=4 if dataset.image_channels == 4 else None,
            say=say,
        ) as opened:
            yield opened
        return
    from wspace.cli.common import load_generator
    from wspace.metrics.features.generators import Drawing

    generator = load_generator(model, device)
    labels = None
    if generator.num_classes and dataset.classes is not None:
        labels = dataset.classes.as_known(generator.num_classes, generator.class_names)
    yield Drawing(
        generator=generator,
        num=num or DRAWN,
        first_seed=first_seed,
        psi=psi,
        labels=labels,
        batch_size=batch_size,
    )


def _neighbours(
    sheet: Path,
    fake: Drawing | Dataset,
    comparison: Comparison,
    data: Dataset,
    train_data: Dataset,
    unseen: bool,
    cache: Path | None,
) -> dict[str, Any]:
    """Write the sheet; return what the distances say."""
    from wspace.files import atomic_path
    from wspace.metrics.comparison import require_same_size
    from wspace.metrics.features.datasets import dataset_features
    from wspace.metrics.neighbours import find_neighbours, sheet_of, summary
    from wspace.recipe.png import write_figure

    require_same_size(fake, train_data)
    with progress_bar(f"looking at {train_data.path}", "pictures") as progress:
        train = dataset_features(
            train_data, extractor=comparison.extractor, cache=cache, progress=progress
        )
    neighbours = find_neighbours(comparison.fake.features, train, k=SHEET_COLUMNS)
    image = sheet_of(fake, len(comparison.fake), train_data, neighbours)
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
    if unseen:
        distances = find_neighbours(comparison.real.features, train)
        found["unseen_to_train"] = summary(distances).to_dict()
    return found


def _plots(folder: Path, found: Mapping[str, Any], extractor: str) -> list[str]:
    """Write what can be shown of the figures; return the files."""
    from wspace.files import atomic_write_bytes
    from wspace.metrics.plots import plots_of

    written = []
    for name, content in plots_of(found, extractor).items():
        atomic_write_bytes(folder / name, content)
        written.append(str(folder / name))
    return written


def _print_report(report: Mapping[str, Any], names: tuple[str, ...], extractor: Extractor) -> None:
    made = f" from seed {report['first_seed']} on, psi {report['psi']:g}" if "psi" in report else ""
    click.echo(
        f"{report['model']}: {report['num']} pictures{made}, against {report['real_num']} of "
        f"{report['data']}"
    )
    click.echo(f"{extractor.name}: {extractor.dim} features, pictures {extractor.rule}")
    shown = titles(names, extractor.name)
    width = max(len(title) for title in shown.values())
    for key, title in shown.items():
        if key in report:  # a network of few layers does not mix from four sources
            click.echo(f"{title:{width}} {report[key]:.4g}")
    _print_attributes(report)
    for path in report.get("plots", ()):
        click.echo(f"plot: {path}")
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


def _print_attributes(report: Mapping[str, Any]) -> None:
    """A line for each attribute that a judge sees."""
    for name, one in report.get("attributes", {}).items():
        click.echo(
            f"  {name}: off by {one['off']:.3f} (by chance {one['chance']:.3f}); the judge is "
            f"{one['sure_generated']:.0%} sure, of real pictures {one['sure_real']:.0%}"
        )
    for name, one in report.get("separability", {}).items():
        click.echo(
            f"  {name}: {one['entropy']:.2f} bits, of which {one['z']:.2f} are left in z, "
            f"{one['w']:.2f} in w"
        )
    judge = report.get("judge", {})
    if judge.get("unclear"):
        click.echo(f"  not told apart by the judge: {', '.join(judge['unclear'])}")
