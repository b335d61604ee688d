"""Pictures by the million: drawn into tars as WebDataset lays them out, by one process or many.

Each tar holds the pictures of so many seeds in a row and is written whole or not at all, so that
drawing goes on where it was stopped, and the same bytes come out however many processes draw.

Source: https://github.com/webdataset/webdataset, README, "The WebDataset Format".
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wspace.errors import WspaceError, shown
from wspace.files import (
    atomic_path,
    atomic_write_text,
    check_folder,
    read_limited,
    remove_leftovers,
)
from wspace.group import Group
from wspace.networks.generator import Generator
from wspace.recipe.recipe import Recipe
from wspace.rendering.identity import identity_of
from wspace.rendering.pictures import Pictures
from wspace.rendering.render import Progress, check_recipes
from wspace.rendering.series import render_each
from wspace.rendering.synthesis_cache import RenderPath
from wspace.steering.latents import check_source

__all__ = ["PER_SHARD", "DrawnShards", "draw_shards"]

PER_SHARD = 1000  # pictures, where nothing else is said
DESCRIPTION = "dataset.json"  # beside the tars; lists them, so that a lost one is missed
MAX_DESCRIPTION_BYTES = 64 * 2**20


@dataclass(frozen=True, kw_only=True)
class DrawnShards:
    """What was asked for.

    Attributes:
        paths: of all tars.
        drawn: how many of them this time, by this process.
    """

    paths: tuple[Path, ...]
    drawn: int


def draw_shards(
    generator: Generator,
    seeds: Sequence[int],
    recipes_of: Callable[[Sequence[int]], Iterable[Recipe]],
    folder: Path,
    *,
    group: Group,
    per_shard: int = PER_SHARD,
    batch_size: int | None = None,
    path: RenderPath = "folded",
    progress: Progress | None = None,
) -> DrawnShards:
    """Draw pictures into tars; those that are there already are left as they are.

    Args:
        generator: the model.
        seeds: of all pictures, each once.
        recipes_of: makes the recipes of some of them, in their order.
        folder: made where it is missing.
        group: of processes; each draws every world_size-th tar.
        per_shard: pictures in a tar, >= 1.
        batch_size: see `render`.
        path: see `render_path.choose_path`.
        progress: called with (pictures done, pictures in all), of all processes, about.

    Raises:
        WspaceError: the model does not draw these recipes; the folder holds other pictures, or
            cannot be written.
    """
    if len(set(seeds)) < len(seeds):
        raise WspaceError("shards take each seed once, and some are given twice: leave them out.")
    parts = [seeds[start : start + per_shard] for start in range(0, len(seeds), per_shard)]
    paths = tuple(folder / f"shard-{number:06d}.tar" for number in range(len(parts)))
    (first,) = recipes_of(seeds[:1])
    check_recipes(generator, [first])  # before the folder says what it is to hold
    for source in first.sources:
        check_source(generator, source)
    drawing = {"seeds": _ranges(seeds), "per_shard": per_shard, "first": first.to_dict()}
    drawing["model"] = identity_of(generator).sha256
    group.from_first(lambda: _prepare(folder, paths, drawing), "the folder of shards")
    there = group.share([path.is_file() for path in paths], "what is drawn already")
    left = [number for number, found in enumerate(there) if not found]
    done = len(seeds) - sum(len(parts[number]) for number in left)
    own = group.own(left)
    for number in own:
        before = done

        def tell(drawn: int, _: int, before: int = before) -> None:
            if progress is not None:
                progress(min(before + drawn * group.world_size, len(seeds)), len(seeds))

        part = parts[number]
        pictures = render_each(
            generator,
            recipes_of(part),
            len(part),
            batch_size=batch_size,
            path=path,
            progress=tell,
        )
        _write(paths[number], part, pictures)
        done += len(part) * group.world_size
    group.barrier("all shards", limited=False)
    return DrawnShards(paths=paths, drawn=len(own))


def _prepare(folder: Path, paths: Sequence[Path], drawing: dict[str, Any]) -> None:
    """Write what the folder is to hold, or see that it is the same; remove what is half-written."""
    check_folder(folder)
    place = folder / DESCRIPTION
    described = {"drawn": drawing, "shards": [path.name for path in paths]}
    if not place.exists():
        if folder.is_dir() and any(folder.iterdir()):
            raise WspaceError(f"{folder} holds other things: give a new folder for the shards.")
        atomic_write_text(place, json.dumps(described) + "\n")
        return
    try:
        found = json.loads(read_limited(place, MAX_DESCRIPTION_BYTES))
        before = found["drawn"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise WspaceError(f"{folder} holds other pictures: give a new folder for them.") from None
    for name, value in drawing.items():
        if not isinstance(before, dict) or before.get(name) != value:
            raise WspaceError(
                f"{folder} holds pictures with other {name} than {shown(value)}: give a new folder "
                "for these."
            )
    remove_leftovers(folder)


def _write(path: Path, seeds: Sequence[int], drawn: Iterable[Pictures]) -> None:
    """Write a tar: of each picture its PNG, the class, if any, and the seed."""
    left = iter(seeds)
    with (
        atomic_path(path) as temporary,
        tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for pictures in drawn:
            for index, recipe in enumerate(pictures.recipes):
                seed = next(left)
                files = {"png": pictures.png(index)}
                if recipe.sources[0].class_index is not None:
                    files["cls"] = str(recipe.sources[0].class_index).encode()
                files["json"] = json.dumps({"seed": seed}, separators=(",", ":")).encode()
                for kind, content in files.items():
                    info = tarfile.TarInfo(f"{seed:08d}.{kind}")  # of no time and no owner
                    info.size = len(content)
                    archive.addfile(info, io.BytesIO(content))


def _ranges(seeds: Sequence[int]) -> list[list[int]]:
    """First and last of each run of seeds that follow one another."""
    found: list[list[int]] = []
    for seed in seeds:
        if found and seed == found[-1][1] + 1:
            found[-1][1] = seed
        else:
            found.append([seed, seed])
    return found
