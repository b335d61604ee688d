"""Walks through latent space: the recipes of a film's frames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from wspace.errors import WspaceError
from wspace.networks.generator import Generator
from wspace.recipe.mixing import assign_recipe, mix_recipes, psi_by_layer, source_of_layer
from wspace.recipe.recipe import MAX_STRENGTH, Edit, Recipe, Source
from wspace.steering.latents import check_source, latents, map_latents, w_of_sources

__all__ = ["PATHS", "PathKind", "follow", "slerp", "walk_recipes"]

PathKind = Literal["linear", "spline", "slerp"]
PATHS: tuple[PathKind, ...] = ("linear", "spline", "slerp")
MAX_FRAMES = 100_000


def slerp(start: Tensor, end: Tensor, t: Tensor) -> Tensor:
    """Turn from one vector to another at an even rate; the length changes evenly, too.

    Source: Shoemake 1985, Section 3.3.

    Args:
        start: (N, D), not zero, D >= 2.
        end: (N, D), not zero.
        t: (N,), 0 at the start, 1 at the end.

    Returns:
        (N, D). Where the two point opposite ways, one of the turns between them.
    """
    start_length, end_length = start.norm(dim=1), end.norm(dim=1)
    a, b = start / start_length[:, None], end / end_length[:, None]
    cosine = (a * b).sum(dim=1)
    across = b - cosine[:, None] * a  # (N, D), perpendicular to a
    sine = across.norm(dim=1)
    # Parallel or opposite vectors span no plane: turn towards the axis that a is farthest from.
    axis = F.one_hot(a.abs().argmin(dim=1), a.shape[1]).to(a)
    spare = axis - (axis * a).sum(dim=1, keepdim=True) * a
    across = F.normalize(torch.where((sine < 1e-6)[:, None], spare, across), dim=1)
    angle = (t * torch.atan2(sine, cosine))[:, None]
    length = torch.lerp(start_length, end_length, t)[:, None]
    turned: Tensor = length * (torch.cos(angle) * a + torch.sin(angle) * across)
    return turned


def follow(points: Tensor, frames: int, *, kind: PathKind, loop: bool) -> Tensor:
    """Vectors along a path through points, evenly in time between each two.

    Source: Catmull and Rom 1974 for the spline.

    Args:
        points: (K, D), K >= 2.
        frames: how many vectors, >= 1.
        kind: "linear"; "spline" (smooth, through each point); "slerp" (see `slerp`).
        loop: goes on from the last point to the first, without repeating it; otherwise the last
            vector is the last point.

    Returns:
        (frames, D).
    """
    count = len(points)
    segments = count if loop else count - 1
    steps = frames if loop else max(1, frames - 1)
    time = torch.arange(frames, dtype=torch.float64, device=points.device) * segments / steps
    first = time.floor().long().clamp(max=segments - 1)  # (frames,)
    t = (time - first).to(points.dtype)

    def at(index: Tensor) -> Tensor:
        return points[index % count if loop else index.clamp(0, count - 1)]

    start, end = at(first), at(first + 1)
    if kind == "slerp":
        return slerp(start, end, t)
    if kind == "linear":
        return torch.lerp(start, end, t[:, None])
    before, after, t = at(first - 1), at(first + 2), t[:, None]
    slope_start, slope_end = (end - before) / 2, (after - start) / 2
    smooth: Tensor = (
        start * (1 + 2 * t) * (1 - t) ** 2
        + end * t**2 * (3 - 2 * t)
        + slope_start * t * (1 - t) ** 2
        - slope_end * t**2 * (1 - t)
    )
    return smooth


def walk_recipes(
    generator: Generator,
    keys: Sequence[Recipe],
    frames: int,
    *,
    kind: PathKind = "linear",
    loop: bool = False,
    layers: Iterable[int] | None = None,
) -> tuple[Recipe, ...]:
    """The recipes of a walk's frames; its noise stands still, since all frames have the first's.

    Args:
        generator: the model.
        keys: the recipes to pass through, in order. A loop may name its start again at the end.
            Where their psi or the strengths of their edits differ, these go along.
        frames: how many, 1 to `MAX_FRAMES`.
        kind: "linear" and "spline" go through w, "slerp" through z.
        loop: see `follow`.
        layers: of ws, the ones that move; the others keep the first key. None for all.

    Returns:
        ``frames`` recipes, alike but for their w, psi and strengths.

    Raises:
        WspaceError: fewer than two different keys, too many frames, a slerp through something else
            than seeds of one class.
    """
    if not 1 <= frames <= MAX_FRAMES:
        raise WspaceError(f"frames={frames} is outside 1 to {MAX_FRAMES}.")
    if loop and len(keys) > 2 and keys[-1] == keys[0]:
        keys = keys[:-1]
    if len(keys) < 2:
        raise WspaceError("a walk needs two pictures or more: give seeds such as 1,2,3.")
    moving = _moving(generator, keys, frames, kind, loop)
    psi = _walked_psi(keys, generator.num_ws, frames, loop)
    if psi is not None:
        moving = [one.replace(psi=own, cutoff=None) for one, own in zip(moving, psi, strict=True)]
    edits = _walked_edits(keys, frames, kind, loop)
    if edits is not None:
        moving = [one.replace(edits=own) for one, own in zip(moving, edits, strict=True)]
    if layers is None:
        return tuple(moving)
    taken = tuple(layers)
    return tuple(mix_recipes(keys[0], frame, taken, generator.num_ws) for frame in moving)


def _moving(
    generator: Generator, keys: Sequence[Recipe], frames: int, kind: PathKind, loop: bool
) -> list[Recipe]:
    """The frames' recipes as to their sources; all else is the first key's."""
    if all(len(key.sources) == 1 for key in keys):
        one = _frames_of([key.sources[0] for key in keys], generator, frames, kind, loop)
        return [keys[0].replace(sources=(source,), layer_sources=None) for source in one]
    if kind == "slerp":
        raise WspaceError("slerp goes through z: give seeds of one class, or a path through w.")
    walked: dict[tuple[Source, ...], list[Source]] = {}
    by_layer = []
    for layer in range(generator.num_ws):
        own = tuple(source_of_layer(key, layer) for key in keys)
        if own not in walked:
            walked[own] = _frames_of(list(own), generator, frames, kind, loop)
        by_layer.append(walked[own])
    return [
        assign_recipe(keys[0], [frames_of_layer[i] for frames_of_layer in by_layer])
        for i in range(frames)
    ]


def _frames_of(
    sources: list[Source], generator: Generator, frames: int, kind: PathKind, loop: bool
) -> list[Source]:
    """A source a frame, between those of the keys."""
    w, centres = _walked(generator, sources, frames, kind, loop)
    return [
        Source(w=tuple(row), centre=centre) for row, centre in zip(w.tolist(), centres, strict=True)
    ]


def _walked_psi(
    keys: Sequence[Recipe], num_ws: int, frames: int, loop: bool
) -> list[tuple[float, ...]] | None:
    """The psi of each frame, layer by layer; None where all keys have the same."""
    if len({(key.psi, key.cutoff) for key in keys}) == 1:
        return None
    points = torch.tensor([psi_by_layer(key, num_ws) for key in keys], dtype=torch.float64)
    return [tuple(row) for row in follow(points, frames, kind="linear", loop=loop).tolist()]


def _walked_edits(
    keys: Sequence[Recipe], frames: int, kind: PathKind, loop: bool
) -> list[tuple[Edit, ...]] | None:
    """The edits of each frame, whose strengths go from key to key; None where all are the same."""
    if len({key.edits for key in keys}) == 1:
        return None
    steps = list(dict.fromkeys(edit.replace(strength=1.0) for key in keys for edit in key.edits))
    points = torch.zeros(len(keys), len(steps), dtype=torch.float64)
    for own, key in zip(points, keys, strict=True):
        for edit in key.edits:
            own[steps.index(edit.replace(strength=1.0))] += edit.strength
    smooth: PathKind = "linear" if kind == "slerp" else kind
    walked = follow(points, frames, kind=smooth, loop=loop).clamp(-MAX_STRENGTH, MAX_STRENGTH)
    return [
        tuple(
            step.replace(strength=strength)
            for step, strength in zip(steps, row, strict=True)
            if strength != 0
        )
        for row in walked.tolist()
    ]


@torch.inference_mode()
def _walked(
    generator: Generator, sources: list[Source], frames: int, kind: PathKind, loop: bool
) -> tuple[Tensor, Sequence[tuple[float, ...] | None]]:
    """The w of each frame, (frames, w_dim), and the centre of each where truncation has one."""
    distinct = list(dict.fromkeys(sources))
    if kind == "slerp":
        w = _walked_in_z(generator, sources, frames, loop)
    else:
        table = w_of_sources(generator, distinct)
        points = table[[distinct.index(source) for source in sources]]
        w = follow(points, frames, kind=kind, loop=loop)
    if all(source.centre is None for source in sources):
        return w, [None] * frames
    mean = tuple(generator.w_avg.tolist())
    centres = torch.tensor([source.centre or mean for source in sources])
    # Centres go along, so that a picture does not jump where the nearest one changes.
    centre_kind: PathKind = "linear" if kind == "slerp" else kind
    walked = follow(centres, frames, kind=centre_kind, loop=loop)
    return w, [tuple(centre) for centre in walked.tolist()]


def _walked_in_z(generator: Generator, sources: list[Source], frames: int, loop: bool) -> Tensor:
    seeds = [source.seed for source in sources if source.seed is not None]
    classes = {source.class_index for source in sources}
    if len(seeds) < len(sources) or len(classes) > 1:
        raise WspaceError("slerp goes through z: give seeds of one class, or a path through w.")
    for source in sources:
        check_source(generator, source)
    z = follow(latents(generator, seeds), frames, kind="slerp", loop=loop)
    return map_latents(generator, z, [sources[0].class_index or 0] * frames)
