"""Answers that take long: they tell how far they are, let others in between, and can be stopped."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wspace.errors import WspaceError
from wspace.recipe.recipe import Recipe
from wspace.serving.shelf import OpenModel, Shelf
from wspace.studio.arguments import Drag, Film, Invert, Walk
from wspace.studio.frames import Answer
from wspace.studio.pictures import Progress, images
from wspace.studio.turns import StoppedError

__all__ = ["drag", "film", "film_formats", "invert", "walk"]

SHOWN_TOGETHER = 16  # pictures of a walk
MOST_FRAMES = 10_000  # of a walk
MOST_NUMBERS = 2**24  # of the w of a walk's frames together, which are held as Python's numbers
# Pixels of a film, all frames together; webp and gif are put together in memory.
MOST_FILM_PIXELS = {"mp4": 2**32, "webp": 2**28, "gif": 2**28}
SHOWN_EVERY = 5  # steps of an inversion


def film_formats() -> list[str]:
    """The kinds of films that can be written here: mp4 needs PyAV."""
    from importlib.util import find_spec

    return [*(["mp4"] if find_spec("av") else []), "webp", "gif"]


def walk(shelf: Shelf, asked: Walk, progress: Progress) -> Answer:
    """The pictures of a walk, some at a time."""
    from wspace.rendering.render import default_batch_size, even_batch_size, stream

    model = shelf.get(asked.model)
    recipes = _frames(model, asked)
    most = min(SHOWN_TOGETHER, default_batch_size(model.generator))
    done, size = 0, even_batch_size(len(recipes), most)
    for pixels in stream(model.generator, recipes, batch_size=size):
        done += len(pixels)
        progress(images(pixels, done=done, total=len(recipes)))
    return Answer(facts={"done": done, "total": len(recipes)})


def film(shelf: Shelf, asked: Film, progress: Progress) -> Answer:
    """A walk as a file."""
    from wspace.figures.video import film_kind
    from wspace.rendering.film import write_walks

    model = shelf.get(asked.model)
    name = f"walk.{asked.format}"
    film_kind(name)  # says what mp4 needs
    recipes = _frames(model, asked)
    pixels = len(recipes) * max(model.generator.size.area, 256 * 256)
    if pixels > MOST_FILM_PIXELS[asked.format]:
        raise WspaceError(
            f"{len(recipes)} frames of {model.generator.size} are too many for a {asked.format} "
            "here: give fewer frames, take mp4, or write it with `wspace interpolate`."
        )

    def told(done: int, total: int) -> None:
        progress(Answer(facts={"done": done, "total": total}))

    with tempfile.TemporaryDirectory(prefix="wspace-studio-") as folder:
        path = Path(folder) / name
        write_walks(model.generator, [recipes], path, fps=asked.fps, loop=asked.loop, progress=told)
        return Answer(facts={"name": name}, payload=path.read_bytes())


def _frames(model: OpenModel, asked: Walk) -> Sequence[Recipe]:
    """The recipes of a walk: so many frames a leg, and the last picture where it does not loop."""
    from wspace.rendering.render import check_recipes
    from wspace.steering.interpolation import walk_recipes

    check_recipes(model.generator, asked.recipes)
    legs = len(asked.recipes) - (0 if asked.loop else 1)
    count = asked.frames * legs + (0 if asked.loop else 1)
    generator = model.generator
    mixed = any(len(key.sources) > 1 for key in asked.recipes)
    numbers = generator.w_dim * (generator.num_ws if mixed else 1)
    most = min(MOST_FRAMES, MOST_NUMBERS // numbers)
    if count > most:
        raise WspaceError(f"a walk of {count} frames is too long: give {most} at most.")
    return walk_recipes(model.generator, asked.recipes, count, kind=asked.kind, loop=asked.loop)


def invert(shelf: Shelf, asked: Invert, progress: Progress, payload: bytes) -> Answer:
    """The recipe that draws a picture which was dropped, found step by step."""
    from wspace.data.pictures import UnreadablePictureError
    from wspace.formats.model_file import load_encoder
    from wspace.inversion.invert import InversionConfig
    from wspace.inversion.invert import invert as inverted
    from wspace.inversion.pictures import read_target
    from wspace.rendering.render import render

    model = shelf.get(asked.model)
    generator = model.generator
    try:
        target = read_target(payload, "picture", generator)
    except UnreadablePictureError as error:
        raise WspaceError(f"that is no picture that can be read: {error}.") from None
    encoder = load_encoder(model.path)
    started = time.monotonic()

    def watch(step: int, pixels: Any) -> bool:
        done = min(time.monotonic() - started, asked.seconds)
        facts = {"done": round(done, 2), "total": asked.seconds, "step": step}
        try:
            progress(Answer(facts=facts) if pixels is None else images(pixels.numpy(), **facts))
        except StoppedError:  # what has been found so far is worth something
            return True
        return False

    (found,) = inverted(
        generator,
        target.batch,
        InversionConfig(space=asked.space, seconds=asked.seconds, steps=asked.steps),
        class_index=asked.class_index,
        encoder=None if encoder is None else encoder.to(generator.w_avg.device),
        watch=watch,
        show_every=SHOWN_EVERY,
        pause=lambda: progress(Answer(facts={"done": 0, "total": asked.seconds})),
    )
    pictures = render(generator, [found.recipe])
    return images(pictures.pixels, recipe=pictures.recipes[0].to_dict(), psnr=_finite(found.psnr))


def drag(shelf: Shelf, asked: Drag, progress: Progress, payload: bytes) -> Answer:
    """A picture whose points are pulled elsewhere, step by step."""
    from wspace.dragging.drag import DragConfig
    from wspace.dragging.drag import drag as dragged
    from wspace.dragging.moves import mask_of_bytes
    from wspace.rendering.identity import signed
    from wspace.rendering.render import check_recipes

    generator = shelf.get(asked.model).generator
    check_recipes(generator, [asked.recipe])
    mask = mask_of_bytes(payload, generator.size) if payload else None
    states = dragged(
        generator, asked.recipe, asked.points, mask=mask, config=DragConfig(steps=asked.steps)
    )
    answer = Answer()
    for state in states:
        (recipe,) = signed(generator, [state.recipe])
        answer = images(
            state.pixels[None],
            recipe=recipe.to_dict(),
            points=[list(point) for point in state.points],
            arrived=state.arrived,
            done=state.step,
            total=asked.steps,
        )
        progress(answer)
    return answer


def _finite(value: float) -> float | None:
    """JSON knows no infinity."""
    return value if math.isfinite(value) else None
