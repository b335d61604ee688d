"""A model's card: what its file, and the run that it lies in, know of it, as Markdown.

The head is YAML, as model hubs read it. Nothing is made up: what is not known is said to be so, or
left out. Texts of the file are quoted so that they stay text.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wspace.errors import command_line, one_line
from wspace.files import atomic_write_text, check_absent
from wspace.formats.finding import bundled_models, find_model
from wspace.formats.hub import PREFIX, HubName
from wspace.formats.model_file import model_sha256
from wspace.networks.generator import Generator
from wspace.recipe.classes import with_class_names
from wspace.recipe.recipe import Recipe, recipes, sample_recipes
from wspace.recipe.syntax import Layers
from wspace.rendering.render import Progress, render
from wspace.rendering.sheets import classes_sheet, mixing_sheet

__all__ = ["CardPicture", "card_text", "command_of_run", "write_card"]

PSI = 0.7
_GENERATIONS = {
    "adain": "StyleGAN (2019): styles by adaptive instance normalisation",
    "demodulated": "StyleGAN2 (2020): styles by modulated and demodulated convolutions",
    "alias-free": "StyleGAN3 (2021): alias-free",
}
_CHANNELS = {1: "grey", 3: "colour", 4: "colour with alpha"}
# Licences that hubs know by a short name; others are named in full.
_LICENCES = {
    "mit": "mit",
    "mit license": "mit",
    "apache-2.0": "apache-2.0",
    "apache 2.0": "apache-2.0",
    "cc0": "cc0-1.0",
    "cc0 1.0": "cc0-1.0",
    "cc0-1.0": "cc0-1.0",
    "cc by 4.0": "cc-by-4.0",
    "cc-by-4.0": "cc-by-4.0",
    "cc by-sa 4.0": "cc-by-sa-4.0",
    "cc-by-sa-4.0": "cc-by-sa-4.0",
    "bsd-3-clause": "bsd-3-clause",
}
# What a measurement was made with; the other numbers beside it are its figures.
_SETTINGS = (
    ("num", "{} generated pictures"),
    ("pictures", "{} generated pictures"),
    ("psi", "at psi {}"),
    ("first_seed", "from seed {} on"),
    ("real_num", "{} real pictures"),
    ("against", "{} real pictures"),
    ("data", "of {}"),
    ("extractor", "by the features {}"),
    ("features", "by the features {}"),
)
_FIGURES = {
    "fd_quick": "FD (quick)",
    "fd_lite": "FD (lite)",
    "fid": "FID",
    "precision": "precision",
    "recall": "recall",
}
_LONGEST = 2000
_SAMPLES, _MIXED = 16, 4
_SAMPLED_PIXELS, _MIXED_PIXELS = 2**21, 2**20  # of all pictures of a sheet
_CLASS_ROWS, _CLASS_COLUMNS = 16, 6


@dataclass(frozen=True, kw_only=True)
class CardPicture:
    """A picture of the card: its file and what is to be seen."""

    file: str
    about: str


def write_card(
    model: Path | str,
    generator: Generator,
    metadata: Mapping[str, Any],
    out: Path,
    *,
    called: str | None = None,
    progress: Progress | None = None,
) -> list[Path]:
    """Draw the card's pictures, and write it beside them.

    Args:
        model: its name, as people give it.
        generator: the model.
        metadata: what its file says of itself.
        out: NAME.md, not there yet; pictures are called NAME-samples.png and so on.
        called: the name that the card knows it by; None for ``model``.
        progress: called while pictures are drawn.

    Returns:
        What was written, the card first.

    Raises:
        WspaceError: something is there already, or cannot be written.
    """
    names = {kind: out.with_name(f"{out.stem}-{kind}.png") for kind in ("samples", "mixing")}
    for path in (out, *names.values()):
        check_absent(path)
    called = str(model) if called is None else called
    title = name_of(called)
    count = _count(generator, _SAMPLES, _SAMPLED_PIXELS)
    if generator.num_classes:
        rows = _class_rows(generator)
        samples = classes_sheet(generator, rows, title=title, progress=progress)
    else:
        chosen = sample_recipes(range(count), num_classes=0, psi=PSI)
        samples = render(generator, chosen, progress=progress).grid(title=title, note=f"psi {PSI}")
    shown = [CardPicture(file=names["samples"].name, about=f"samples at psi {PSI}")]
    side = max(1, min(_MIXED, int((_MIXED_PIXELS / generator.size.area) ** 0.5)))
    seeds = with_class_names(
        sample_recipes(range(1, 2 * side + 1), num_classes=generator.num_classes, psi=PSI),
        generator.class_names,
    )
    coarse = Layers.of(generator).groups["coarse"]
    mixing = mixing_sheet(generator, seeds[:side], seeds[side:], coarse, progress=progress)
    about = "style mixing: coarse layers from the column, the others from the row"
    shown.append(CardPicture(file=names["mixing"].name, about=about))
    text = card_text(called, generator, metadata, command_of_run(model), shown)
    samples.save(names["samples"])
    mixing.save(names["mixing"])
    atomic_write_text(out, text)
    return [out, *names.values()]


def card_text(
    model: Path | str,
    generator: Generator,
    metadata: Mapping[str, Any],
    command: str | None = None,
    pictures: Sequence[CardPicture] = (),
) -> str:
    """The card.

    Args:
        model: its name, as people give it.
        generator: the model.
        metadata: what its file says of itself.
        command: that started its run; None where that is not known.
        pictures: shown at the top.
    """
    name = name_of(model)
    title = [f"# {_text(name)}", _summary(generator)]
    shown = [f"![{one.about}]({one.file})" for one in pictures]
    parts = [
        _head(name, metadata),
        *title,
        *shown,
        "## The network",
        _table(_network(generator)),
        "## What it learned from",
        _table(_data(metadata)),
        *_training(metadata, command),
        *_figures(metadata),
        "## Limits",
        _limits(generator, metadata),
        "## Use",
        _use(model, generator),
    ]
    return "\n\n".join(parts) + "\n"


def name_of(model: Path | str) -> str:
    """What a model is called on its card: a bundled name, a file's, a folder's, that on a hub."""
    if str(model).startswith(PREFIX):
        return HubName.parse(str(model)).name
    if str(model) in bundled_models():
        return str(model)
    path = Path(model).resolve()
    return path.name.removesuffix(".safetensors")


def command_of_run(model: Path | str) -> str | None:
    """The command that started the run whose folder a model lies in; None where there is none."""
    path = find_model(model).parent / "command.txt"
    try:
        text = path.read_text()[:_LONGEST] if path.is_file() else ""
    except (OSError, UnicodeDecodeError):
        return None
    line = one_line(text.strip(), longest=_LONGEST, stand_in=" ")
    return line if line.startswith("wspace train ") else None


def _head(name: str, metadata: Mapping[str, Any]) -> str:
    """The YAML head; JSON's texts are YAML's."""
    lines = ["library_name: wspace", "pipeline_tag: unconditional-image-generation"]
    lines += ["tags:", "- stylegan", "- gan", "- wspace"]
    licence = _string(metadata, "licence")
    if licence is not None:
        short = _LICENCES.get(licence.lower())
        lines.append(f"license: {short or 'other'}")
        if short is None:
            lines.append(f"license_name: {json.dumps(licence)}")
    lines.append(f"model_name: {json.dumps(name)}")
    return "\n".join(["---", *lines, "---"])


def _summary(generator: Generator) -> str:
    classes = f" of {generator.num_classes} classes" if generator.num_classes else ""
    return (
        f"A generator of {_CHANNELS[generator.image_channels]} pictures{classes}, "
        f"{generator.size} pixels, for wspace, a StyleGAN library."
    )


def _network(generator: Generator) -> dict[str, str]:
    parameters = sum(parameter.numel() for parameter in generator.parameters())
    layers = Layers.of(generator)
    groups = ", ".join(
        f"{name} {group[0]}-{group[-1]}" for name, group in layers.groups.items() if group
    )
    rows = {
        "generation": _GENERATIONS[generator.config.architecture],
        "pictures": f"{generator.size} pixels, {_CHANNELS[generator.image_channels]}",
        "parameters": f"{parameters:,}",
        "z, w": f"{generator.z_dim} and {generator.w_dim} numbers",
        "layers of w": f"{generator.num_ws}: {groups}",
    }
    if generator.num_classes:
        named = ", ".join(map(_text, generator.class_names or ()))
        rows["classes"] = f"{generator.num_classes}: {named or 'without names'}"
    rows["sha256 of the weights"] = f"`{model_sha256(generator)}`"
    return rows


def _data(metadata: Mapping[str, Any]) -> dict[str, str]:
    unknown = "unknown: the model's file does not say"
    rows = {}
    for key, label in (
        ("trained_on", "data set"),
        ("licence", "licence"),
        ("attribution", "attribution"),
    ):
        known = _string(metadata, key)
        rows[label] = unknown if known is None else _text(known)
    if imported := _string(metadata, "imported_from"):
        rows["data set"] = f"that of the imported file {_text(imported)}"
    pictures = metadata.get("pictures")
    if isinstance(pictures, int):
        rows["pictures"] = f"{pictures:,}"
    if fingerprint := _string(metadata, "fingerprint"):
        rows["fingerprint"] = f"`{re.sub('[^0-9a-zA-Z]', '', fingerprint)}`"
    return rows


def _training(metadata: Mapping[str, Any], command: str | None) -> list[str]:
    said = metadata.get("training")
    options = said if isinstance(said, Mapping) else {}
    rows = {}
    kimg = metadata.get("kimg")
    if isinstance(kimg, int | float):
        rows["length"] = f"{round(1000 * kimg):,} pictures seen"
    for key, label in (("preset", "preset"), ("discriminator", "discriminator")):
        if isinstance(options.get(key), str):
            rows[label] = _text(options[key])
    for key, label in (("batch_size", "batch"), ("seed", "seed")):
        if isinstance(options.get(key), int):
            rows[label] = str(options[key])
    if isinstance(options.get("precision"), str):
        rows["precision"] = _text(options["precision"])
    if history := _string(metadata, "history"):
        rows["history"] = _text(history)
    listed = metadata.get("commands")
    commands = [str(one) for one in listed] if isinstance(listed, list) else []
    commands += [command] if command is not None and command not in commands else []
    parts = [_table(rows)] if rows else []
    if commands:
        parts.append(_code("bash", [one_line(one, longest=_LONGEST) for one in commands]))
    return ["## How it learned", *parts] if parts else []


def _figures(metadata: Mapping[str, Any]) -> list[str]:
    """A table of what was measured, and a line of what with."""
    quality = metadata.get("quality")
    if not isinstance(quality, Mapping):
        return ["## Figures", "Nothing was measured, as far as the model's file knows."]
    settings = dict(_SETTINGS)
    numbers = {
        _FIGURES.get(key, str(key).replace("_", " ")): f"{value:.4g}"
        for key, value in quality.items()
        if key not in settings and isinstance(value, int | float) and not isinstance(value, bool)
    }
    made_with = [
        words.format(_text(str(quality[key]))) for key, words in settings.items() if key in quality
    ]
    parts = ["## Figures", _table({_text(key): value for key, value in numbers.items()})]
    if made_with:
        parts.append(f"Measured: {', '.join(made_with)}.")
    advice = "Figures of other features or numbers of pictures cannot be compared with these."
    said = quality.get("warnings")
    warnings = [f"- {_text(str(one))}" for one in said] if isinstance(said, list) else []
    return [*parts, advice, *(["\n".join(warnings)] if warnings else [])]


def _limits(generator: Generator, metadata: Mapping[str, Any]) -> str:
    pictures = metadata.get("pictures")
    of_how_many = f" {pictures:,}" if isinstance(pictures, int) else ""
    lines = [
        f"- It draws pictures of one size, {generator.size} pixels, and takes no words: a seed"
        + (", a class" if generator.num_classes else "")
        + " and styles are all that steers it.",
        f"- It knows what the{of_how_many} pictures show that it learned from, with their gaps and "
        "their bias, and nothing else.",
        f"- psi below 1 trades variety for pictures nearer to the mean: the samples above have "
        f"{PSI}.",
    ]
    if not isinstance(metadata.get("quality"), Mapping):
        lines.append("- How good its pictures are has not been measured.")
    lines.append("- What it draws wrong in particular is not recorded in its file.")
    return "\n".join(lines)


def _use(given: Path | str, generator: Generator) -> str:
    name = name_of(given)
    known = name in bundled_models() or str(given).startswith(PREFIX)
    model = str(given) if known else f"{name}.safetensors"
    extra = ["--classes", "all"] if generator.num_classes else []
    shell = [
        command_line(
            "wspace",
            "generate",
            model,
            "--seeds",
            "0-15",
            *extra,
            "--psi",
            PSI,
            "--grid",
            "sheet.png",
        ),
    ]
    if not generator.num_classes:
        shell.append(
            command_line(
                "wspace",
                "mix",
                model,
                "--rows",
                "1,2",
                "--cols",
                "3,4",
                "--layers",
                "coarse",
                "--psi",
                PSI,
            )
        )
    shell.append(command_line("wspace", "export", model, f"{name}-onnx"))
    class_index = ", class_index=0" if generator.num_classes else ""
    python = [
        "import wspace",
        "",
        f"generator = wspace.load({model!r})",
        f"recipes = wspace.recipes(seeds=range(16), psi={PSI}{class_index})",
        'wspace.render(generator, recipes).grid().save("sheet.png")',
    ]
    return _code("bash", shell) + "\n\n" + _code("python", python)


def _count(generator: Generator, most: int, pixels: int) -> int:
    return max(2, min(most, pixels // generator.size.area))


def _class_rows(generator: Generator) -> list[tuple[Recipe, ...]]:
    rows = min(generator.num_classes, _CLASS_ROWS)
    columns = max(1, min(_CLASS_COLUMNS, _SAMPLED_PIXELS // generator.size.area // rows))
    return [
        with_class_names(
            recipes(seeds=range(columns), class_index=row, psi=PSI), generator.class_names
        )
        for row in range(rows)
    ]


def _string(metadata: Mapping[str, Any], key: str) -> str | None:
    """A line that the file says; None where it says nothing."""
    value = metadata.get(key)
    if not isinstance(value, str):
        return None
    return one_line(value, longest=_LONGEST, stand_in=" ").strip() or None


def _text(words: str) -> str:
    """Words of a stranger in Markdown: no marks, no HTML, one line."""
    line = one_line(words, longest=_LONGEST, stand_in=" ")
    return re.sub(r"([\\`*_\[\]|#])", r"\\\1", html.escape(line, quote=False))


def _table(rows: Mapping[str, str]) -> str:
    return "\n".join(["| | |", "| --- | --- |", *(f"| {k} | {v} |" for k, v in rows.items())])


def _code(language: str, lines: Sequence[str]) -> str:
    fenced = [line.replace("```", "") for line in lines]
    return "\n".join([f"```{language}", *fenced, "```"])
