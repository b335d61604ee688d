"""Random recipes of everything that recipes can say, drawn and made again to the bit.

    python benchmarks/editing.py recipes                100 recipes of the bundled models
    python benchmarks/editing.py recipes --num 20 --seed 1

Each recipe starts from seeds (truncated: one psi, a curve over the layers, a cutoff), from pictures
that were inverted into W+ with noise maps of their own, or from dragged ones; it may be mixed of
several, takes up to three steps (the model's directions in W, and random channels in style space),
has noise of any kind and is drawn in fp32 or bf16. It is written as a PNG, and what `wspace
reproduce --verify` does is done to that file. Anything but the same bytes is counted, and named.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from wspace.dragging.drag import DragConfig, drag
from wspace.errors import WspaceError
from wspace.formats.directions import directions_path, read_directions
from wspace.formats.model_file import load
from wspace.inversion.invert import InversionConfig, invert
from wspace.networks.generator import Generator
from wspace.recipe.mixing import mix_recipes
from wspace.recipe.png import read_document
from wspace.recipe.recipe import Edit, NoiseSettings, Recipe, Source
from wspace.rendering.render import render
from wspace.rendering.reproduce import compare, find_recipe_model, remake

__all__ = ["main", "random_recipes"]

MODELS = ("avatars", "clothes")
INVERTED = 3  # pictures of each model that are inverted; one more is dragged
STEPS = 4  # of inversion and of dragging: how good they are is not asked here


def random_recipes(model: str, count: int, seed: int) -> list[tuple[Recipe, tuple[str, ...]]]:
    """Recipes of a model, each with words for what is in it.

    Args:
        model: a bundled name, a file or a run folder.
        count: how many.
        seed: of all that is drawn.

    Raises:
        WspaceError: no such model.
    """
    generator = load(model)
    random = np.random.RandomState(seed)
    known = [one.edit for one in read_directions(directions_path(model), generator).values()]
    found = _found_pictures(generator, random)
    made = []
    for _ in range(count):
        recipe, words = _start(generator, random, found)
        if random.rand() < 0.4:
            other, more = _start(generator, random, found)
            layers = np.flatnonzero(random.rand(generator.num_ws) < 0.5).tolist()
            recipe = mix_recipes(recipe, other, layers, generator.num_ws)
            words |= more | {"mixed"}
        edits = tuple(_edit(generator, random, known) for _ in range(random.randint(4)))
        words |= {"edit in W" if edit.channels is None else "edit in style space" for edit in edits}
        if recipe.noise == NoiseSettings() and random.rand() < 0.7:
            recipe = recipe.replace(noise=_noise(generator, random))
        words |= {f"noise {mode}" for mode in np.atleast_1d(recipe.noise.mode)}
        if random.rand() < 0.2:
            recipe = recipe.replace(precision="bf16")
            words.add("bf16")
        made.append((recipe.replace(edits=(*recipe.edits, *edits)), tuple(sorted(words))))
    return made


def _found_pictures(
    generator: Generator, random: np.random.RandomState
) -> list[tuple[Recipe, str]]:
    """Recipes that inversion and dragging leave."""
    classes = generator.num_classes
    drawn = [
        Recipe(
            sources=(
                Source(
                    seed=int(random.randint(2**31)), class_index=k % classes if classes else None
                ),
            )
        )
        for k in range(INVERTED + 1)
    ]
    pixels = torch.from_numpy(render(generator, drawn[:INVERTED]).pixels)
    config = InversionConfig(steps=STEPS, noise=bool(generator.const_noise))
    inverted = invert(generator, pixels, config)
    height, width = generator.size
    moves = [((width / 2, height / 2), (width / 2 + 3, height / 2))]
    *_, last = drag(generator, drawn[INVERTED], moves, config=DragConfig(steps=STEPS))
    return [*((one.recipe, "inverted") for one in inverted), (last.recipe, "dragged")]


def _start(
    generator: Generator, random: np.random.RandomState, found: Sequence[tuple[Recipe, str]]
) -> tuple[Recipe, set[str]]:
    if random.rand() < 0.5:
        recipe, word = found[random.randint(len(found))]
        return recipe, {word}
    classes, num_ws = generator.num_classes, generator.num_ws
    class_index = int(random.randint(classes)) if classes else None
    source = Source(seed=int(random.randint(2**31)), class_index=class_index)
    psi: float | tuple[float, ...] = float(random.uniform(0.3, 1.0))
    if random.rand() < 0.3:
        psi = tuple(random.uniform(0.3, 1.0, num_ws).tolist())
    cutoff = int(random.randint(num_ws + 1)) if random.rand() < 0.3 else None
    return Recipe(sources=(source,), psi=psi, cutoff=cutoff), {"seed"}


def _edit(generator: Generator, random: np.random.RandomState, known: Sequence[Edit]) -> Edit:
    strength = float(random.uniform(-2, 2))
    if known and random.rand() < 0.5:
        return known[random.randint(len(known))].replace(strength=strength)
    style = int(random.randint(len(generator.affine_layers)))
    width = len(generator.affine_layers[style][1].bias)
    places = random.choice(width, min(width, 5), replace=False).tolist()
    amounts = random.uniform(-1, 1, len(places)).tolist()
    channels = tuple((style, channel, a) for channel, a in zip(places, amounts, strict=True))
    return Edit(channels=channels, strength=strength)


def _noise(generator: Generator, random: np.random.RandomState) -> NoiseSettings:
    num_ws = generator.num_ws
    if not generator.const_noise:
        return NoiseSettings()
    modes = tuple(random.choice(["const", "seeded", "none"], num_ws).tolist())
    return NoiseSettings(
        mode=modes if random.rand() < 0.5 else modes[0],
        seed=int(random.randint(2**31)),
        strength=float(random.uniform(0, 2)),
    )


def check(recipes: Sequence[Recipe], model: str, folder: Path) -> list[int]:
    """Draw recipes, write them as PNGs, make each again from its file; which are not the same.

    Raises:
        WspaceError: as `remake`.
    """
    generator = load(model)
    wrong = []
    for i, path in enumerate(
        render(generator, recipes).save(folder, names=[f"{k:03d}" for k in range(len(recipes))])
    ):
        document = read_document(path)
        again = find_recipe_model(document, model=model, device="cpu")
        found = compare(document, path, remake(document, again))
        if found.largest > 0 or not found.promised:
            wrong.append(i)
    return wrong


def main(argv: Sequence[str] | None = None) -> None:
    """Check, and print how many came again."""
    parser = argparse.ArgumentParser(
        prog="editing.py recipes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--models", default=",".join(MODELS), metavar="MODEL,MODEL")
    parser.add_argument("--num", type=int, default=100, help="recipes of all models [100]")
    parser.add_argument("--seed", type=int, default=0, help="of the recipes [0]")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    models = arguments.models.split(",")
    wrong: list[str] = []
    words: Counter[str] = Counter()
    done = 0
    try:
        for k, model in enumerate(models):
            count = (arguments.num * (k + 1)) // len(models) - (arguments.num * k) // len(models)
            made = random_recipes(model, count, arguments.seed + k)
            with tempfile.TemporaryDirectory() as folder:
                failed = check([recipe for recipe, _ in made], model, Path(folder))
            for _, own in made:
                words.update(own)
            wrong += [f"{model} {i}: {', '.join(made[i][1])}" for i in failed]
            done += count
    except WspaceError as error:
        parser.exit(2, f"{error}\n")
    if arguments.json:
        print(json.dumps({"recipes": done, "wrong": wrong, "with": dict(words.most_common())}))
    else:
        print(f"{done - len(wrong)} of {done} recipes came again to the bit")
        print(", ".join(f"{word}: {count}" for word, count in words.most_common()))
        print(*wrong, sep="\n", end="\n" if wrong else "")
    if wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
