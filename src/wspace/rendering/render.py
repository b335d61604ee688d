"""From recipes to pixels: the only way there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from wspace.errors import WspaceError
from wspace.images import to_uint8
from wspace.networks.generator import Generator
from wspace.networks.truncation import psi_curve, truncate
from wspace.recipe.recipe import Recipe, Source
from wspace.rendering.identity import identity_of, rendered_by, signed
from wspace.rendering.pictures import Pictures
from wspace.rendering.synthesis_cache import DTYPES, RenderPath, prepared_synthesis
from wspace.steering.editing import check_edits, edit_ws, offsets_of_edits
from wspace.steering.latents import w_of_sources
from wspace.steering.mixing import gather_styles
from wspace.steering.noise import NoiseInputs, check_noise

__all__ = [
    "Progress",
    "check_recipes",
    "default_batch_size",
    "even_batch_size",
    "render",
    "stream",
    "ws_before_edits",
]

Progress = Callable[[int, int], None]  # pictures done, pictures in all


def render(
    generator: Generator,
    recipes: Sequence[Recipe],
    *,
    batch_size: int | None = None,
    exact_batch: bool = False,
    path: RenderPath = "folded",
    progress: Progress | None = None,
) -> Pictures:
    """Render recipes.

    Each distinct source goes through the mapping network once. Batches are made equal in size
    and the last one is filled up, so that all pictures are rendered alike.

    Args:
        generator: the model.
        recipes: at least one.
        batch_size: the most pictures to render at once; None chooses by resolution.
        exact_batch: fills even a single batch up to ``batch_size``, to render as before.
        path: see `render_path.choose_path`.
        progress: called after each batch.

    Returns:
        The pictures, in order, with recipes that name the model.

    Raises:
        WspaceError: a recipe that does not fit the model, or was made with another one.
    """
    if not recipes:
        raise WspaceError("there is nothing to render: give at least one recipe.")
    most = default_batch_size(generator) if batch_size is None else batch_size
    size = most if exact_batch else even_batch_size(len(recipes), most)
    shape = (*generator.size, generator.image_channels)
    pixels = np.empty((len(recipes), *shape), dtype=np.uint8)
    done = 0
    for batch in stream(generator, recipes, batch_size=size, path=path):
        pixels[done : done + len(batch)] = batch
        done += len(batch)
        if progress is not None:
            progress(done, len(recipes))
    return Pictures(
        pixels=pixels,
        recipes=signed(generator, recipes),
        rendered_by=rendered_by(generator, batch_size=size, path=path),
    )


def stream(
    generator: Generator,
    recipes: Sequence[Recipe],
    *,
    batch_size: int,
    path: RenderPath = "folded",
) -> Iterator[npt.NDArray[np.uint8]]:
    """Render recipes batch by batch, for more pictures than memory should hold.

    Args:
        generator: the model.
        recipes: any number.
        batch_size: pictures that go through the networks at once; the last batch is filled up
            and what fills it is dropped.
        path: see `render_path.choose_path`.

    Yields:
        (n, H, W, C), uint8, in order, n <= batch_size.

    Raises:
        WspaceError: as `render`, before the first batch.
    """
    check_recipes(generator, recipes)
    all_rows, w, centres = _mapped(generator, recipes)
    noise = NoiseInputs(generator)
    for start in range(0, len(recipes), batch_size):
        batch = slice(start, start + batch_size)
        rows = all_rows[batch]
        yield _render_batch(generator, recipes[batch], rows, w, centres, noise, batch_size, path)


@torch.inference_mode()
def ws_before_edits(generator: Generator, recipe: Recipe) -> Tensor:
    """The ws of a recipe, mixed and truncated; its edits are still to come.

    Returns:
        (1, num_ws, w_dim), float32.

    Raises:
        WspaceError: as `check_recipes`.
    """
    check_recipes(generator, [recipe])
    plain = [recipe.replace(edits=())]
    return _ws_of(generator, plain, *_mapped(generator, plain))


def check_recipes(generator: Generator, recipes: Sequence[Recipe]) -> None:
    """Whether recipes fit a generator.

    Raises:
        WspaceError: they were made with another model, or for one with other layers; they set noise
            for a network without noise inputs.
    """
    num_ws = generator.num_ws
    for model in {recipe.model for recipe in recipes} - {None}:
        identity = identity_of(generator)
        if model is not None and model.sha256 != identity.sha256:
            raise WspaceError(
                f"the recipe was made with model {model.name or 'without a name'} (sha256 "
                f"{model.sha256[:12]}...), this one is {identity.name or 'without a name'} (sha256 "
                f'{identity.sha256[:12]}...): give that model, or take "model" out of the recipe.'
            )
    for recipe in recipes:
        noise = recipe.noise
        for name, value in (
            ("layer_sources", recipe.layer_sources),
            ("psi", recipe.psi),
            ("noise mode", noise.mode),
            ("noise seed", noise.seed),
            ("noise strength", noise.strength),
        ):
            if isinstance(value, tuple) and len(value) != num_ws:
                raise WspaceError(
                    f"recipe: {name} has {len(value)} values: this model has {num_ws} layers."
                )
        if recipe.cutoff is not None and recipe.cutoff > num_ws:
            raise WspaceError(f"recipe: cutoff={recipe.cutoff} is outside 0 to {num_ws}.")
        check_edits(generator, recipe.edits)
    for settings in {recipe.noise for recipe in recipes}:
        check_noise(generator, settings)


def default_batch_size(generator: Generator) -> int:
    """Pictures to render at once: fewer when they are large."""
    return min(16, max(1, 2**19 // generator.size.area))


def even_batch_size(count: int, most: int) -> int:
    """The size of equal batches for ``count`` pictures, at most ``most`` and little filled up."""
    if most < 1:
        raise WspaceError(f"batch_size={most} is too small: give at least 1.")
    return -(-count // -(-count // most))


def _mapped(
    generator: Generator, recipes: Sequence[Recipe]
) -> tuple[list[list[int]], Tensor, Tensor]:
    """For each recipe the rows of its sources; of all sources the w, (S, w_dim), and centres."""
    numbers: dict[Source, int] = {}
    for recipe in recipes:
        for source in recipe.sources:
            numbers.setdefault(source, len(numbers))
    sources = list(numbers)
    w = w_of_sources(generator, sources)
    centres = w.new_empty(w.shape)
    for i, source in enumerate(sources):
        centres[i] = generator.w_avg if source.centre is None else torch.tensor(source.centre).to(w)
    return [[numbers[source] for source in recipe.sources] for recipe in recipes], w, centres


@torch.inference_mode()
def _render_batch(
    generator: Generator,
    recipes: Sequence[Recipe],
    rows: Sequence[Sequence[int]],
    w: Tensor,
    centres: Tensor,
    noise: NoiseInputs,
    batch_size: int,
    path: RenderPath,
) -> npt.NDArray[np.uint8]:
    """The pixels of one batch, (len(recipes), H, W, C); each precision in a pass of its own."""
    pixels: list[npt.NDArray[np.uint8] | None] = [None] * len(recipes)
    for precision in sorted({recipe.precision for recipe in recipes}):
        members = [i for i, recipe in enumerate(recipes) if recipe.precision == precision]
        filled = members + members[-1:] * (batch_size - len(members))
        ws = _ws_of(generator, [recipes[i] for i in filled], [rows[i] for i in filled], w, centres)
        synthesis = prepared_synthesis(generator, precision, path)
        dtype = DTYPES[precision]
        maps = noise.of([recipes[i].noise for i in filled], dtype)
        offsets = offsets_of_edits(generator, [recipes[i].edits for i in filled])
        own = {} if offsets is None else {"style_offsets": offsets}
        images = synthesis(ws, maps, **own)
        for i, picture in zip(members, to_uint8(images[: len(members)]).cpu().numpy(), strict=True):
            pixels[i] = picture
    return np.stack([picture for picture in pixels if picture is not None])


def _ws_of(
    generator: Generator,
    recipes: Sequence[Recipe],
    rows: Sequence[Sequence[int]],
    w: Tensor,
    centres: Tensor,
) -> Tensor:
    """(N, num_ws, w_dim): mixed, truncated, edited.

    ``rows[n]`` says where in ``w`` and ``centres`` (both (S, w_dim)) the sources of recipe n lie.
    """
    num_ws = generator.num_ws
    taken = [
        [own[k] for k in recipe.layer_sources] if recipe.layer_sources else [own[0]] * num_ws
        for recipe, own in zip(recipes, rows, strict=True)
    ]
    layer_sources = torch.tensor(taken, device=w.device)  # (N, num_ws)
    ws = gather_styles(w, layer_sources)
    curves = [psi_curve(recipe.psi, recipe.cutoff, num_ws) for recipe in recipes]
    if any(psi != 1 for curve in curves for psi in curve):
        psi = torch.tensor(curves, device=w.device)[:, :, None]  # (N, num_ws, 1)
        ws = truncate(ws, gather_styles(centres, layer_sources), psi)
    return edit_ws(ws, [recipe.edits for recipe in recipes])
