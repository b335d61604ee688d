"""Do dragged points take what is there along? 100 random drags, judged by the pictures alone.

python benchmarks/editing_drag.py --sheet drags.png                       the bundled avatars
python benchmarks/editing_drag.py --drags 24 --set rate=0.1 --set stride=3    while tuning

A drag begins at a corner of something, where brightness varies in every direction: the smaller
eigenvalue of the structure tensor (Shi and Tomasi 1994) is in the top tenth of the picture. It
goes 4 to 10 pixels, any way that stays inside. Where the content ended is found in the pictures
alone, by normalised cross-correlation: the 7 x 7 pixels around the point before, red, green and
blue, with all places within 14 pixels after. Then the same drags with a mask: what is within 12
pixels of the way may move.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

import wspace
from wspace.dragging.drag import DragConfig, DragState, drag
from wspace.dragging.moves import Mask, Move
from wspace.figures.moves import mark_moves
from wspace.networks.generator import Generator
from wspace.recipe.recipe import Recipe

Pixels = npt.NDArray[np.uint8]
PATCH = 3  # pixels around a point that are found again
SEARCHED = 14  # pixels around where it was
FREE = 12  # pixels around the way that a mask leaves free
NEAR = 1.5  # pixels; the goal
MARGIN = 5  # pixels that points keep from the border
SHARE = 0.1  # of a picture's places that count as corners


@dataclass(frozen=True)
class Result:
    """One drag, judged."""

    error: float  # pixels from the target to where the content was found
    tracked: float  # pixels from the target to where the features were
    correlation: float  # of the content found with what it was
    held: float  # mean change of held pixels, of 255
    steps: int
    seconds: float  # processor time, all steps
    first: float  # processor time until the first state


def cornerness(pixels: Pixels) -> npt.NDArray[Any]:
    """(H, W), the smaller eigenvalue of the structure tensor over 7 x 7 pixels; 0 at the border."""
    brightness = pixels.astype(np.float64).mean(axis=2)
    down, right = np.gradient(brightness)
    parts = np.stack([right * right, right * down, down * down])
    sums = sliding_window_view(parts, (7, 7), axis=(1, 2)).sum(axis=(3, 4))
    a, b, c = np.pad(sums, ((0, 0), (3, 3), (3, 3)))
    smaller = (a + c) / 2 - np.sqrt(((a - c) / 2) ** 2 + b * b)
    inside: npt.NDArray[Any] = np.zeros_like(smaller)
    inside[MARGIN:-MARGIN, MARGIN:-MARGIN] = smaller[MARGIN:-MARGIN, MARGIN:-MARGIN]
    return inside


def random_move(pixels: Pixels, random: np.random.Generator) -> Move:
    """A corner of something, and a place 4 to 10 pixels from it."""
    corners = cornerness(pixels)
    rows, columns = np.nonzero(corners >= np.quantile(corners, 1 - SHARE))
    height, width = corners.shape
    while True:
        k = random.integers(len(rows))
        x, y = int(columns[k]), int(rows[k])
        angle, length = random.uniform(0, 2 * math.pi), random.uniform(4, 10)
        u, v = round(x + length * math.cos(angle)), round(y + length * math.sin(angle))
        inside = MARGIN <= u < width - MARGIN and MARGIN <= v < height - MARGIN
        if inside and 4 <= math.dist((x, y), (u, v)) <= 10:
            return (x, y), (u, v)


def found_again(before: Pixels, after: Pixels, x: int, y: int) -> tuple[int, int, float]:
    """Where what was at a point is now, and the normalised cross-correlation there."""
    side = 2 * PATCH + 1
    patch = before[y - PATCH : y + PATCH + 1, x - PATCH : x + PATCH + 1].astype(np.float64)
    patch -= patch.mean(axis=(0, 1))
    windows = sliding_window_view(after.astype(np.float64), (side, side), axis=(0, 1))
    windows = windows - windows.mean(axis=(3, 4), keepdims=True)  # (H', W', C, side, side)
    product = np.einsum("hwcij,ijc->hw", windows, patch)
    norms = np.sqrt(np.square(windows).sum(axis=(2, 3, 4)) * np.square(patch).sum())
    alike = product / np.maximum(norms, 1e-9)
    rows, columns = np.indices(alike.shape) + PATCH
    alike[(abs(rows - y) > SEARCHED) | (abs(columns - x) > SEARCHED)] = -1
    row, column = np.unravel_index(alike.argmax(), alike.shape)
    return int(column) + PATCH, int(row) + PATCH, float(alike.max())


def free_around(move: Move, height: int, width: int) -> Mask:
    """What is within `FREE` pixels of the way."""
    (x, y), (u, v) = move
    rows, columns = np.indices((height, width))
    along = ((columns - x) * (u - x) + (rows - y) * (v - y)) / math.dist((x, y), (u, v)) ** 2
    along = along.clip(0, 1)
    away = np.hypot(columns - (x + along * (u - x)), rows - (y + along * (v - y)))
    near: Mask = away <= FREE
    return near


def judge(
    generator: Generator, recipe: Recipe, move: Move, mask: Mask | None, config: DragConfig
) -> tuple[Result, DragState, DragState]:
    """Drag, and look where the content went."""
    begun = time.process_time()
    states = drag(generator, recipe, [move], mask=mask, config=config)
    first = next(states)
    started = time.process_time()
    last = [first, *states][-1]
    ended = time.process_time()
    ((x, y), (u, v)) = move
    column, row, correlation = found_again(first.pixels, last.pixels, int(x), int(y))
    held = 0.0
    if mask is not None:
        changed = np.abs(first.pixels[~mask].astype(float) - last.pixels[~mask])
        held = float(changed.mean()) if changed.size else 0.0
    result = Result(
        error=math.dist((column, row), (u, v)),
        tracked=last.distance,
        correlation=correlation,
        held=held,
        steps=last.step,
        seconds=ended - started,
        first=started - begun,
    )
    return result, first, last


def summary(results: list[Result]) -> dict[str, float]:
    """What the table says of all of them."""
    steps = sum(one.steps for one in results)
    return {
        "drags": len(results),
        "within": float(np.mean([one.error <= NEAR for one in results])),
        "median_error": float(np.median([one.error for one in results])),
        "tracked_within": float(np.mean([one.tracked <= NEAR for one in results])),
        "correlation": float(np.mean([one.correlation for one in results])),
        "held": float(np.mean([one.held for one in results])),
        "held_below_4": float(np.mean([one.held < 4 for one in results])),
        "steps": steps / len(results),
        "steps_per_processor_second": steps / max(sum(one.seconds for one in results), 1e-9),
        "seconds_to_first": float(np.mean([one.first for one in results])),
    }


def measure(
    model: str,
    *,
    drags: int = 100,
    seed: int = 0,
    psi: float = 1.0,
    config: DragConfig = DragConfig(),  # noqa: B008
    masks: tuple[bool, ...] = (False, True),
    sheet: Path | None = None,
) -> dict[str, dict[str, float]]:
    """Random drags of a model, without and with a mask.

    Args:
        model: a bundled name or a file.
        drags: how many.
        seed: of pictures and points.
        psi: of the pictures.
        config: of the drags.
        masks: which of the two to run.
        sheet: a picture of them all, before and after side by side.
    """
    generator = wspace.load(model)
    random = np.random.default_rng(seed)
    results: dict[bool, list[Result]] = {masked: [] for masked in masks}
    shown: list[Pixels] = []
    for k in range(drags):
        classes = generator.num_classes
        (recipe,) = wspace.recipes(
            seeds=[int(random.integers(2**31))],
            class_index=k % classes if classes else None,
            psi=psi,
        )
        before = wspace.render(generator, [recipe]).pixels[0]
        move = random_move(before, random)
        tiles = [mark_moves(before, [move])]
        for masked in masks:
            mask = free_around(move, *generator.size) if masked else None
            result, _, last = judge(generator, recipe, move, mask, config)
            results[masked].append(result)
            tiles.append(mark_moves(last.pixels, [(move[1], move[1])]))
            if result.error > NEAR:
                tiles[-1][:6] = (230, 30, 30)
        shown.append(np.concatenate(tiles, axis=1))
    if sheet is not None:
        save_sheet(shown, sheet, columns=4)
    return {("masked" if masked else "free"): summary(one) for masked, one in results.items()}


def save_sheet(shown: list[Pixels], path: Path, columns: int) -> None:
    """All drags, row by row; those that missed have a red bar."""
    blank = np.full_like(shown[0], 255)
    filled = shown + [blank] * (-len(shown) % columns)
    rows = [np.concatenate(filled[k : k + columns], axis=1) for k in range(0, len(filled), columns)]
    whole = Image.fromarray(np.concatenate(rows))
    whole.resize((whole.width // 2, whole.height // 2)).save(path)


def read_settings(texts: list[str]) -> dict[str, Any]:
    """NAME=VALUE, VALUE as JSON, to settings of `DragConfig`."""
    settings = {
        name: json.loads(value) for name, _, value in (text.partition("=") for text in texts)
    }
    return {name: tuple(v) if isinstance(v, list) else v for name, v in settings.items()}


def main(arguments: list[str] | None = None) -> None:
    """Measure and print, a line for drags without a mask and one for those with."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="avatars")
    parser.add_argument("--drags", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--psi", type=float, default=1.0)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--mask", choices=["without", "with", "both"], default="both")
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    masks = {"without": (False,), "with": (True,), "both": (False, True)}[given.mask]
    config = DragConfig(**read_settings(given.set))
    made = measure(
        given.model,
        drags=given.drags,
        seed=given.seed,
        psi=given.psi,
        config=config,
        masks=masks,
        sheet=given.sheet,
    )
    for name, row in made.items():
        print(name, " ".join(f"{key}={value:.3g}" for key, value in row.items()), flush=True)
    if given.json is not None:
        given.json.write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
