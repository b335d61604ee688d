"""Recipes to sheets: the figures of the StyleGAN paper, and any other layout of recipes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from wspace.errors import WspaceError
from wspace.figures.deviation import deviation_map, grey_tile
from wspace.figures.frame import Theme, Tile, readable_scale
from wspace.figures.sheet import Sheet, check_sheet
from wspace.networks.generator import Generator
from wspace.recipe.classes import Classes, with_class_names
from wspace.recipe.describe import describe, seed_label
from wspace.recipe.document import Cell, SheetLayout
from wspace.recipe.mixing import mix_recipes
from wspace.recipe.recipe import Edit, NoiseMode, NoiseSettings, Recipe
from wspace.recipe.syntax import Layers
from wspace.rendering.deviation import under_noise_seeds
from wspace.rendering.render import Progress, render
from wspace.rendering.synthesis_cache import RenderPath

__all__ = [
    "classes_sheet",
    "describe_recipe",
    "describe_recipes",
    "directions_sheet",
    "mixing_sheet",
    "noise_deviation_sheet",
    "noise_layers_sheet",
    "psi_sheet",
    "render_sheet",
]

SHOWN_REALISATIONS = 4  # pictures beside the deviation map


def render_sheet(
    generator: Generator,
    layout: SheetLayout,
    cells: Sequence[Cell],
    *,
    batch_size: int | None = None,
    exact_batch: bool = False,
    path: RenderPath = "folded",
    progress: Progress | None = None,
) -> Sheet:
    """Render all that a sheet shows, each distinct recipe once.

    Args:
        generator: the model.
        layout: of the sheet.
        cells: row by row.
        batch_size: see `render`.
        exact_batch: see `render`.
        path: see `render`.
        progress: see `render`.

    Raises:
        WspaceError: labels that do not fit the cells; otherwise as `render`.
    """
    shape = (*generator.size, generator.image_channels)
    check_sheet(layout, cells, shape)
    numbers: dict[Recipe, int] = {}
    for cell in cells:
        for recipe in cell.recipes:
            numbers.setdefault(recipe, len(numbers))
    pictures = render(
        generator,
        list(numbers),
        batch_size=batch_size,
        exact_batch=exact_batch,
        path=path,
        progress=progress,
    )
    rows = [[numbers[recipe] for recipe in cell.recipes] for cell in cells]
    deviations = {
        i: deviation_map(pictures.pixels[own])
        for i, (cell, own) in enumerate(zip(cells, rows, strict=True))
        if cell.show == "deviation"
    }
    white = max((float(deviation.max()) for deviation in deviations.values()), default=0.0)
    tiles: list[Tile | None] = []
    for i, own in enumerate(rows):
        if i in deviations:
            tiles.append(grey_tile(deviations[i], white))
        else:
            tiles.append(pictures.pixels[own[0]] if own else None)
    return Sheet(
        layout=layout,
        cells=tuple(
            Cell(show=cell.show, recipes=tuple(pictures.recipes[k] for k in own))
            for cell, own in zip(cells, rows, strict=True)
        ),
        tiles=tuple(tiles),
        white=white,
        rendered_by=pictures.rendered_by,
    )


def mixing_sheet(
    generator: Generator,
    rows: Sequence[Recipe],
    columns: Sequence[Recipe],
    layers: Sequence[int],
    *,
    theme: Theme = "light",
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> Sheet:
    """The paper's grid: each picture has some layers of its column, the rest of its row.

    Source: Karras et al. 2019 (StyleGAN), Figure 3.

    Args:
        generator: the model.
        rows: shown in the first column.
        columns: shown in the first row.
        layers: of ws, that come from the column.
        theme: "light" or "dark".
        batch_size: see `render`.
        progress: see `render`.

    Raises:
        WspaceError: as `render`.
    """
    SheetLayout(columns=1).check_fits((len(rows) + 1) * (len(columns) + 1))
    rows, columns = (with_class_names(some, generator.class_names) for some in (rows, columns))
    cells = [Cell(show="empty"), *(Cell(recipes=(column,)) for column in columns)]
    for row in rows:
        cells.append(Cell(recipes=(row,)))
        for column in columns:
            mixed = mix_recipes(row, column, layers, generator.num_ws)
            cells.append(Cell(recipes=(mixed,)))
    named = Layers.of(generator).name(tuple(layers))
    layout = SheetLayout(
        columns=len(columns) + 1,
        title="Style mixing",
        note=_note(generator, f"{named} from the column, the rest from the row", rows[0]),
        column_labels=("", *map(seed_label, columns)),
        row_labels=("", *map(seed_label, rows)),
        header_row=True,
        header_column=True,
        scale=readable_scale(min(generator.size)),
        theme=theme,
    )
    return render_sheet(generator, layout, cells, batch_size=batch_size, progress=progress)


def psi_sheet(
    generator: Generator,
    recipes: Sequence[Recipe],
    values: Sequence[float],
    *,
    theme: Theme = "light",
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> Sheet:
    """Each picture in a row of its own, at several psi.

    Source: Karras et al. 2019 (StyleGAN), Figure 8.

    Args:
        generator: the model.
        recipes: a row each; their psi is replaced.
        values: a column each.
        theme: "light" or "dark".
        batch_size: see `render`.
        progress: see `render`.

    Raises:
        WspaceError: a psi outside its range; otherwise as `render`.
    """
    if not values:
        raise WspaceError("a psi sheet needs values: give such as -1,0,0.5,1.")
    SheetLayout(columns=1).check_fits(len(recipes) * len(values))
    recipes = with_class_names(recipes, generator.class_names)
    cells = [
        Cell(recipes=(recipe.replace(psi=float(psi)),)) for recipe in recipes for psi in values
    ]
    centred = any(source.centre is not None for r in recipes for source in r.sources)
    zero = "the nearest centre" if centred else "the mean picture"
    cutoff = recipes[0].cutoff
    known = f"psi 1 = off, 0 = {zero}" + ("" if cutoff is None else f", cutoff {cutoff}")
    layout = SheetLayout(
        columns=len(values),
        title="Truncation",
        note=_note(generator, known, None),
        column_labels=tuple(f"psi {psi:g}" for psi in values),
        row_labels=tuple(map(seed_label, recipes)),
        scale=readable_scale(min(generator.size)),
        theme=theme,
    )
    return render_sheet(generator, layout, cells, batch_size=batch_size, progress=progress)


def directions_sheet(
    generator: Generator,
    recipe: Recipe,
    directions: Sequence[Edit],
    strengths: Sequence[float],
    *,
    theme: Theme = "light",
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> Sheet:
    """One picture, a row for each direction and a column for each strength along it.

    Source: Shen et al. 2020 (InterFaceGAN), Figure 4.

    Args:
        generator: the model.
        recipe: of the picture; its own edits stay.
        directions: a row each, at strength 1.
        strengths: a column each; they multiply the directions' own.
        theme: "light" or "dark".
        batch_size: see `render`.
        progress: see `render`.

    Raises:
        WspaceError: no directions or strengths, or one outside its range; otherwise as `render`.
    """
    if not directions or not strengths:
        raise WspaceError("a sheet of directions needs some, and strengths such as -2,-1,0,1,2.")
    cells = [
        Cell(recipes=(recipe.replace(edits=(*recipe.edits, step)) if strength else recipe,))
        for direction in directions
        for strength in strengths
        for step in [direction.replace(strength=direction.strength * strength)]
    ]
    layout = SheetLayout(
        columns=len(strengths),
        title=f"Directions: {_label(generator, recipe)}",
        note=_note(generator, "one row a direction", recipe),
        column_labels=tuple(f"{strength:g}" for strength in strengths),
        row_labels=tuple(direction.name or "unnamed" for direction in directions),
        scale=readable_scale(min(generator.size)),
        theme=theme,
    )
    return render_sheet(generator, layout, cells, batch_size=batch_size, progress=progress)


def classes_sheet(
    generator: Generator,
    rows: Sequence[Sequence[Recipe]],
    *,
    title: str = "",
    theme: Theme = "light",
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> Sheet:
    """Each class in a row of its own, under the same seeds.

    Args:
        generator: the model, with classes.
        rows: the recipes of each class, alike in each row but for it, one source each.
        title: above all.
        theme: "light" or "dark".
        batch_size: see `render`.
        progress: see `render`.

    Raises:
        WspaceError: rows of several lengths, or no rows; otherwise as `render`.
    """
    lengths = {len(row) for row in rows}
    if len(lengths) != 1 or 0 in lengths:
        raise WspaceError(f"rows have {sorted(lengths)} recipes: give each class as many.")
    SheetLayout(columns=1).check_fits(len(rows) * len(rows[0]))
    classes = Classes.of(generator)
    layout = SheetLayout(
        columns=len(rows[0]),
        title=title,
        note=describe_recipe(generator, rows[0][0]),
        column_labels=tuple(f"seed {recipe.sources[0].seed}" for recipe in rows[0]),
        row_labels=tuple(classes.label(row[0].sources[0].class_index or 0) for row in rows),
        scale=readable_scale(min(generator.size)),
        theme=theme,
    )
    cells = [Cell(recipes=(recipe,)) for row in rows for recipe in row]
    return render_sheet(generator, layout, cells, batch_size=batch_size, progress=progress)


def noise_deviation_sheet(
    generator: Generator,
    recipe: Recipe,
    *,
    realisations: int,
    theme: Theme = "light",
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> Sheet:
    """One picture under many noise realisations, and where they differ.

    Source: Karras et al. 2019 (StyleGAN), Figure 4.

    Args:
        generator: the model, with noise inputs.
        recipe: its noise strengths are kept; mode and seed are replaced.
        realisations: noise seeds 0, 1, ... that the deviation is over, >= 2.
        theme: "light" or "dark".
        batch_size: see `render`.
        progress: see `render`.

    Raises:
        WspaceError: fewer than two realisations; otherwise as `render`.
    """
    drawn = under_noise_seeds(recipe, "seeded", realisations)
    shown = drawn[:SHOWN_REALISATIONS]
    without = recipe.replace(noise=NoiseSettings(mode="none"))
    cells = [Cell(recipes=(without,)), *(Cell(recipes=(r,)) for r in shown)]
    cells.append(Cell(show="deviation", recipes=tuple(drawn)))
    layout = SheetLayout(
        columns=len(cells),
        title=f"Stochastic variation: {_label(generator, recipe)}",
        captions=(
            "no noise",
            *(f"noise seed {i}" for i in range(len(shown))),
            f"deviation over {realisations}",
        ),
        scale=readable_scale(min(generator.size)),
        theme=theme,
    )
    sheet = render_sheet(generator, layout, cells, batch_size=batch_size, progress=progress)
    return _with_white(generator, sheet, "one w, different noise", recipe)


def noise_layers_sheet(
    generator: Generator,
    recipe: Recipe,
    *,
    realisations: int,
    theme: Theme = "light",
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> Sheet:
    """Noise in all, no, coarse, middle and fine layers side by side, and what each varies.

    Source: Karras et al. 2019 (StyleGAN), Figure 5.

    Args:
        generator: the model, with noise inputs.
        recipe: its noise strengths are kept; mode and seed are replaced.
        realisations: noise seeds 0, 1, ... that the deviations are over, >= 2.
        theme: "light" or "dark".
        batch_size: see `render`.
        progress: see `render`.

    Raises:
        WspaceError: fewer than two realisations; otherwise as `render`.
    """
    layers = Layers.of(generator)
    everywhere = range(generator.num_ws)
    places = {"noise in all layers": everywhere, "no noise": range(0)}
    places |= {layers.name(tuple(group)): group for group in layers.groups.values() if group}
    pictures: list[Cell] = []
    deviations: list[Cell] = []
    for where in places.values():
        modes: tuple[NoiseMode, ...] = tuple(
            "seeded" if layer in where else "none" for layer in everywhere
        )
        drawn = under_noise_seeds(recipe, modes, realisations)
        pictures.append(Cell(recipes=(drawn[0],)))
        deviations.append(Cell(show="deviation", recipes=tuple(drawn)))
    layout = SheetLayout(
        columns=len(places),
        title=f"Noise by layer: {_label(generator, recipe)}",
        column_labels=tuple(places),
        row_labels=("noise seed 0", f"deviation over {realisations}"),
        scale=readable_scale(min(generator.size)),
        theme=theme,
    )
    sheet = render_sheet(
        generator, layout, pictures + deviations, batch_size=batch_size, progress=progress
    )
    return _with_white(generator, sheet, "one w, noise in some layers", recipe)


def describe_recipe(generator: Generator, recipe: Recipe) -> str:
    """All but the sources, in words: such as "psi 0.7, cutoff 8; model avatars"."""
    return _note(generator, "", recipe)


def describe_recipes(generator: Generator, recipes: Sequence[Recipe]) -> str:
    """As `describe_recipe`, where only their sources differ; otherwise empty."""
    settings = {(r.psi, r.cutoff, r.edits, r.noise, r.precision) for r in recipes}
    return describe_recipe(generator, recipes[0]) if len(settings) == 1 else ""


def _label(generator: Generator, recipe: Recipe) -> str:
    """The seed and class of one picture."""
    return seed_label(*with_class_names([recipe], generator.class_names))


def _note(generator: Generator, text: str, recipe: Recipe | None) -> str:
    parts = [text]
    if recipe is not None:
        parts.append(describe(recipe))
    if generator.name:
        parts.append(f"model {generator.name.removesuffix('.safetensors')}")
    return "; ".join(part for part in parts if part)


def _with_white(generator: Generator, sheet: Sheet, text: str, recipe: Recipe) -> Sheet:
    """The sheet with a note that says what white means in its deviation maps."""
    note = _note(generator, f"{text}; white is a deviation of {sheet.white:.1f} / 255", recipe)
    return dataclasses.replace(sheet, layout=dataclasses.replace(sheet.layout, note=note))
