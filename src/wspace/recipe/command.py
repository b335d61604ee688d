"""A recipe as the command, or as the Python code, that makes its picture.

What options of `wspace generate` or `wspace mix` can say, the command says; all else lies in a file
of the recipe that the command reads.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wspace.errors import WspaceError, command_line
from wspace.recipe.classes import Classes
from wspace.recipe.mixing import assign_recipe
from wspace.recipe.recipe import Edit, NoiseMode, NoiseSettings, Recipe, Source
from wspace.recipe.request import Request
from wspace.recipe.starts import Start, parse_assignment
from wspace.recipe.syntax import Layers, format_seeds, spread_per_layer

__all__ = ["RECIPE_FILE", "PictureCommand", "command_of", "python_of"]

RECIPE_FILE = "recipe.json"
_LITERAL = 80  # characters of a recipe's JSON in a line of Python


@dataclass(frozen=True, kw_only=True)
class PictureCommand:
    """A command that makes a picture.

    Attributes:
        line: as a shell takes it.
        file: the JSON that it reads from `RECIPE_FILE`; None where it says all itself.
    """

    line: str
    file: str | None = None


def command_of(
    recipe: Recipe,
    model: str,
    layers: Layers,
    *,
    directions: Mapping[str, Edit],
    classes: Classes,
) -> PictureCommand:
    """The command that makes a recipe's picture, bit for bit on this machine.

    Args:
        recipe: of the picture.
        model: as commands name it.
        layers: of that model.
        directions: its own, by name, strength 1.
        classes: that it has.
    """
    try:
        request, assigned = _request(recipe, layers, directions, classes)
        if _same(_requested(request, assigned, layers, directions, classes), recipe, layers):
            return PictureCommand(line=_line(request, assigned, model))
    except WspaceError:
        pass  # options cannot say it
    plain = recipe.replace(model=None)
    line = command_line("wspace", "generate", model, "--recipe", RECIPE_FILE)
    return PictureCommand(line=line, file=plain.to_json() + "\n")


def python_of(recipe: Recipe, model: str, *, directions: Mapping[str, Edit]) -> str:
    """Python code that makes a recipe's picture, complete and ready to run.

    Args:
        recipe: of the picture.
        model: as `model_file.load` takes it.
        directions: of that model, by name, strength 1.
    """
    plain = recipe.replace(model=None)
    imports = ["import wspace"]
    lines = [f"generator = wspace.load({_quoted(model)})"]
    edits = [_code_of_edit(edit, directions) for edit in plain.edits]
    arguments = _arguments(plain, [edit for edit in edits if edit is not None])
    if None in edits or arguments is None:
        lines += ["recipe = wspace.Recipe.from_json(", *_literals(plain.to_json()), ")"]
    else:
        if edits:
            imports.append("from wspace.formats.directions import directions_path, read_directions")
            lines.append(
                f"directions = read_directions(directions_path({_quoted(model)}), generator)"
            )
        names = [n for n in ("NoiseSettings", "Source") if any(f"{n}(" in a for a in arguments)]
        imports.append(f"from wspace.recipe.recipe import {', '.join(names)}")
        lines += ["recipe = wspace.Recipe(", *(f"    {one}," for one in arguments), ")"]
    lines += ["pictures = wspace.render(generator, [recipe])", 'print(*pictures.save("out"))']
    return "\n".join([*imports, "", *lines]) + "\n"


@dataclass(frozen=True)
class _Asked:
    """A `Request`, and the seed that one picture has."""

    request: Request
    seed: int


def _request(
    recipe: Recipe, layers: Layers, directions: Mapping[str, Edit], classes: Classes
) -> tuple[_Asked, str | None]:
    """What options would say, and the text for ``--assign`` where sources are several.

    It may say something else than the recipe, which the caller finds out.
    """
    sources = _source_of_each_layer(recipe, layers)
    noise = recipe.noise
    one = len(set(sources)) == 1
    request = Request(
        psi=_per_layer(recipe.psi, _number),
        cutoff=recipe.cutoff,
        class_index=_class(sources[0], classes) if one else None,
        edit=",".join(_edit(edit, layers, directions) for edit in recipe.edits),
        noise=_per_layer(noise.mode, str),
        noise_seed=_per_layer(noise.seed, str),
        noise_strength=_per_layer(noise.strength, _number),
        precision=recipe.precision,
    )
    asked = _Asked(request, _seed(sources[0]))
    return asked, None if one else _per_layer(tuple(_assigned(s, classes) for s in sources), str)


def _requested(
    asked: _Asked,
    assigned: str | None,
    layers: Layers,
    directions: Mapping[str, Edit],
    classes: Classes,
) -> Recipe:
    """The recipe that the command would make."""
    starts: Sequence[Start] = [asked.seed]
    if assigned is not None:
        starts = parse_assignment(assigned, layers, what="")
    seeds = [one for one in starts if not isinstance(one, Path)]  # there are no files among them
    made = asked.request.recipes(seeds, layers, directions, classes=classes)
    if assigned is None:
        return made[0]
    return assign_recipe(made[0], [one.sources[0] for one in made])


def _line(asked: _Asked, assigned: str | None, model: str) -> str:
    words: list[object] = ["wspace"]
    if assigned is None:
        words += ["generate", model, "--seeds", asked.seed]
    else:
        words += ["mix", model, "--assign", assigned]
    names = {"class_index": "class"}
    for field in dataclasses.fields(Request):
        value = getattr(asked.request, field.name)
        if value != field.default:
            words += [f"--{names.get(field.name, field.name).replace('_', '-')}", value]
    return command_line(*words)


def _same(made: Recipe, recipe: Recipe, layers: Layers) -> bool:
    """Whether two recipes make the same picture, however they say it."""
    return _said_out(made, layers) == _said_out(recipe, layers)


def _said_out(recipe: Recipe, layers: Layers) -> tuple[Recipe, list[object]]:
    """The recipe with a value for each layer and nothing that is not read, and its edits."""
    everywhere = tuple(range(layers.num_ws))
    noise = recipe.noise
    modes: tuple[NoiseMode, ...] = spread_per_layer(noise.mode, layers.num_ws)
    seeds = spread_per_layer(noise.seed, layers.num_ws)
    read = [seed if mode == "seeded" else 0 for mode, seed in zip(modes, seeds, strict=True)]
    alike = assign_recipe(recipe, _source_of_each_layer(recipe, layers)).replace(
        model=None,
        psi=spread_per_layer(recipe.psi, layers.num_ws),
        edits=(),
        noise=dataclasses.replace(
            noise,
            mode=modes,
            seed=tuple(read),
            strength=spread_per_layer(noise.strength, layers.num_ws),
        ),
    )
    edits = [(one.fingerprint, one.strength, one.layers or everywhere) for one in recipe.edits]
    return alike, list(edits)


def _source_of_each_layer(recipe: Recipe, layers: Layers) -> list[Source]:
    taken = recipe.layer_sources or (0,) * layers.num_ws
    if len(taken) != layers.num_ws:
        raise WspaceError(f"recipe: layer_sources has {len(taken)} values for {layers.num_ws}.")
    return [recipe.sources[i] for i in taken]


def _seed(source: Source) -> int:
    if source.seed is None:
        raise WspaceError("a w is no seed: options cannot say it.")
    return source.seed


def _class(source: Source, classes: Classes) -> str | None:
    """The class as people write it."""
    if source.class_index is None:
        return None
    label = classes.label(source.class_index)
    plain = classes.names is not None and not set(label) & set(":,@")
    return label if plain else str(source.class_index)


def _assigned(source: Source, classes: Classes) -> str:
    of = _class(source, classes)
    return str(_seed(source)) if of is None else f"{_seed(source)}:{of}"


def _edit(edit: Edit, layers: Layers, directions: Mapping[str, Edit]) -> str:
    """Such as ``hair=-2@0-3``."""
    name = _name(edit, directions)
    if name is None:
        raise WspaceError("a direction without a name: options cannot say it.")
    text = f"{name}={_number(edit.strength)}"
    if edit.layers == directions[name].layers:
        return text
    return f"{text}@{_spans(edit.layers or tuple(range(layers.num_ws)))}"


def _name(edit: Edit, directions: Mapping[str, Edit]) -> str | None:
    """What the model calls a direction; None where it has none like it."""
    known = directions.get(edit.name)
    return edit.name if known is not None and known.fingerprint == edit.fingerprint else None


def _number(value: float) -> str:
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def _per_layer(value: Any, text: Callable[[Any], str]) -> str:
    """Such as ``0.7,1@8-9``: the value of most layers first."""
    if not isinstance(value, tuple):
        return text(value)
    base, _ = Counter(value).most_common(1)[0]
    others = [one for one in dict.fromkeys(value) if one != base]
    parts = [
        f"{text(one)}@{_spans([i for i, own in enumerate(value) if own == one])}" for one in others
    ]
    return ",".join([text(base), *parts])


def _spans(layers: Sequence[int]) -> str:
    """Such as ``0-3,6``."""
    return format_seeds(layers)  # written alike


def _code_of_edit(edit: Edit, directions: Mapping[str, Edit]) -> str | None:
    name = _name(edit, directions)
    if name is None:
        return None
    changes = [f"strength={edit.strength!r}"]
    if edit.layers != directions[name].layers:
        changes.append(f"layers={edit.layers!r}")
    return f"directions[{_quoted(name)}].edit.replace({', '.join(changes)})"


def _arguments(recipe: Recipe, edits: Sequence[str]) -> list[str] | None:
    """The arguments of ``Recipe`` as code; None where it holds more than they can say."""
    if any(source.w is not None or source.centre is not None for source in recipe.sources):
        return None
    noise = recipe.noise
    said = Recipe(
        sources=recipe.sources,
        layer_sources=recipe.layer_sources,
        psi=recipe.psi,
        cutoff=recipe.cutoff,
        edits=recipe.edits,
        noise=NoiseSettings(mode=noise.mode, seed=noise.seed, strength=noise.strength),
        precision=recipe.precision,
    )
    if said != recipe:
        return None
    sources = "".join(f"{_code_of_source(source)}, " for source in recipe.sources)
    found = [f"sources=({sources.rstrip() if len(recipe.sources) == 1 else sources[:-2]})"]
    for name, usual in (("layer_sources", None), ("psi", 1.0), ("cutoff", None)):
        if getattr(recipe, name) != usual:
            found.append(f"{name}={getattr(recipe, name)!r}")
    if edits:
        found.append(f"edits=({', '.join(edits)}{',' if len(edits) == 1 else ''})")
    changed = [
        f"{field.name}={getattr(noise, field.name)!r}"
        for field in dataclasses.fields(noise)
        if getattr(noise, field.name) != field.default
    ]
    if changed:
        found.append(f"noise=NoiseSettings({', '.join(changed)})")
    if recipe.precision != "fp32":
        found.append(f"precision={_quoted(recipe.precision)}")
    return found


def _code_of_source(source: Source) -> str:
    of = "" if source.class_index is None else f", class_index={source.class_index}"
    return f"Source(seed={source.seed}{of})"


def _quoted(text: str) -> str:
    """A text as Python code has it, in double quotes where it holds none."""
    code = repr(text)
    return code if '"' in text else f'"{code[1:-1]}"'


def _literals(text: str) -> list[str]:
    parts = [text[i : i + _LITERAL] for i in range(0, len(text), _LITERAL)]
    return [f"    {part!r}" for part in parts]
