"""More pictures than memory should hold: drawn and handed on batch by batch."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from wspace.networks.generator import Generator
from wspace.recipe.recipe import Recipe
from wspace.rendering.identity import rendered_by, signed
from wspace.rendering.pictures import Pictures
from wspace.rendering.render import Progress, default_batch_size, even_batch_size, stream
from wspace.rendering.synthesis_cache import RenderPath

__all__ = ["render_each"]

_PART = 256  # recipes that are made and mapped together


def render_each(
    generator: Generator,
    recipes: Iterable[Recipe],
    count: int,
    *,
    batch_size: int | None = None,
    path: RenderPath = "folded",
    progress: Progress | None = None,
) -> Iterator[Pictures]:
    """Render recipes as `render` does, to the last bit, a batch in memory at a time.

    Args:
        generator: the model.
        recipes: may be made while they are asked for; `_PART` of them are held at a time.
        count: how many they are, >= 1.
        batch_size: see `render`.
        path: see `render_path.choose_path`.
        progress: called after each batch, once what it was handed to is done with it.

    Yields:
        The pictures of each batch, in order.

    Raises:
        WspaceError: as `render`, for recipes that are not drawn yet.
    """
    most = default_batch_size(generator) if batch_size is None else batch_size
    size = even_batch_size(count, most)
    by = rendered_by(generator, batch_size=size, path=path)
    left = iter(recipes)
    done = 0
    while part := tuple(itertools.islice(left, size * max(1, _PART // size))):
        start = 0
        for pixels in stream(generator, part, batch_size=size, path=path):
            drawn = part[start : start + len(pixels)]
            yield Pictures(pixels=pixels, recipes=signed(generator, drawn), rendered_by=by)
            start += len(pixels)
            done += len(pixels)
            if progress is not None:
                progress(done, count)
