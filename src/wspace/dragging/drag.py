"""Dragging: points of a picture pulled elsewhere, step by step, and what hangs on them.

Source: Pan et al. 2023 (Drag Your GAN), Section 3.2: feature maps a step ahead of each point are
made like those that it left (Eq. 1), and the point is found again by its first feature (Eq. 2).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from wspace.dragging.moves import Mask, Move, Point, check_mask, check_moves
from wspace.dragging.pull import Pull
from wspace.errors import WspaceError
from wspace.images import to_uint8
from wspace.networks.features import FeatureMaps, SynthesisWithMaps
from wspace.networks.generator import Generator
from wspace.plain import About, Length, Range, check
from wspace.recipe.mixing import put_w
from wspace.recipe.recipe import Recipe
from wspace.rendering.render import ws_before_edits
from wspace.rendering.synthesis_cache import WeightsState, weights_state
from wspace.steering.directions import sample_w
from wspace.steering.editing import edit_ws, offsets_of_edits
from wspace.steering.noise import NoiseInputs
from wspace.steering.white_space import WhiteSpace

__all__ = ["DragConfig", "DragState", "drag"]

SAMPLES_A_DIMENSION = 4  # of w, that its deviations are measured on
MOST_LAYERS = 6  # that change unless others are named: later ones hold colours and texture
SMALL = 128  # pixels; maps of half the side will do in larger pictures

_spaces: WeakKeyDictionary[Generator, tuple[WeightsState, WhiteSpace]] = WeakKeyDictionary()


@dataclass(frozen=True, kw_only=True)
class DragConfig:
    """How points are dragged; what is None follows from the model."""

    steps: Annotated[int, Range(1, 100_000), About("at most", "steps")] = 150
    near: Annotated[
        float, Range(low=0, high=1e4), About("a point that is so near has arrived", "pixels")
    ] = 1.0
    settle: Annotated[
        int, Range(0, 100_000), About("more, once all points have arrived", "steps")
    ] = 40
    layers: Annotated[
        tuple[int, ...] | None, Length(1, 256), Range(0, 255), About("of ws, those that may change")
    ] = None
    features: Annotated[int | None, Range(0, 255), About("the layer whose maps are followed")] = (
        None
    )
    rate: Annotated[float, Range(above=0, high=10), About("Adam's, in deviations of w")] = 0.15
    stride: Annotated[
        float, Range(above=0, high=1e3), About("how far ahead of a point it is pulled", "pixels")
    ] = 2.0
    radius: Annotated[
        float | None, Range(low=0, high=1e4), About("of what is pulled at a point", "pixels")
    ] = None
    reach: Annotated[
        float | None, Range(low=1, high=1e4), About("how far a point is looked for", "pixels")
    ] = None
    fidelity: Annotated[
        float,
        Range(0, 1),
        About("how far what is pulled is held to its first look, instead of its last"),
    ] = 1.0
    keep: Annotated[float, Range(low=0, high=1e6), About("of any change, beside the pull")] = 0.3
    mask_weight: Annotated[
        float, Range(low=0, high=1e6), About("of changes where nothing may move")
    ] = 0.5

    def __post_init__(self) -> None:
        check(self, "drag: ")


@dataclass(frozen=True, kw_only=True)
class DragState:
    """A picture on the way. To go back to it, or on from it, drag from its recipe again.

    Attributes:
        step: how many were taken before it.
        recipe: draws it.
        pixels: (H, W, C), uint8; `render` of the recipe may round some values otherwise.
        moves: for each point where it is now, and where it is to go.
        arrived: whether all points are near enough.
    """

    step: int
    recipe: Recipe
    pixels: npt.NDArray[np.uint8]
    moves: tuple[Move, ...]
    arrived: bool

    @property
    def points(self) -> tuple[Point, ...]:
        """Where the points are."""
        return tuple(start for start, _ in self.moves)

    @property
    def distance(self) -> float:
        """How far the last of them still has to go, in pixels."""
        return max(math.dist(start, end) for start, end in self.moves)


def drag(
    generator: Generator,
    recipe: Recipe,
    moves: Sequence[Move],
    *,
    mask: Mask | None = None,
    config: DragConfig = DragConfig(),
) -> Iterator[DragState]:
    """Drag points of a picture, as far as its model can draw that.

        for state in drag(generator, recipe, [((20, 31), (26, 31))]):
            show(state.pixels, state.points)

    Whoever has seen enough stops asking for more.

    Args:
        generator: the model; none of its weights changes.
        recipe: draws the picture.
        moves: which points go where, in pixels.
        mask: (H, W), bool, where things may move; None: everywhere.
        config: see `DragConfig`.

    Returns:
        The states, the first of them that of the picture as it is; the last one has arrived, or
        ``config.steps`` were taken. Their recipes hold the w of the layers that may change, with
        truncation in it; all else stays as it was.

    Raises:
        WspaceError: at once: points, a mask, a recipe or layers that do not fit.
    """
    check_moves(moves, generator.size)
    if mask is not None:
        check_mask(mask, generator.size)
    layers, place = _layers(generator, config)
    ws = ws_before_edits(generator, recipe)
    return _steps(generator, recipe, ws, moves, mask, config, layers, place)


def _layers(generator: Generator, config: DragConfig) -> tuple[list[int], FeatureMaps]:
    """The layers of ws that may change, and the maps that are followed."""
    places = {place.layer: place for place in generator.feature_maps}
    followed = config.features
    if followed is None:
        followed = next(
            layer
            for layer, place in places.items()
            if 2 * layer >= generator.num_ws and min(place.size) >= _followed_side(generator)
        )
    if followed not in places:
        raise WspaceError(
            f"drag: features={followed} is no layer whose maps can be followed: this model has "
            f"{', '.join(map(str, places))}."
        )
    layers = sorted(set(config.layers or range(max(1, min(MOST_LAYERS, followed - 1)))))
    if layers[-1] >= generator.num_ws:
        raise WspaceError(
            f"drag: layer {layers[-1]} does not exist: this model has 0 to {generator.num_ws - 1}."
        )
    if layers[0] > followed:
        raise WspaceError(
            f"drag: no layer from {layers[0]} on changes the maps that are followed, those of "
            f"layer {followed}: give earlier layers, or later features."
        )
    return layers, places[followed]


def _followed_side(generator: Generator) -> int:
    """The least side of maps that say well enough where things are: all of a small picture's."""
    side = min(generator.size)
    return side if side <= SMALL else side // 2


def _pull(
    generator: Generator,
    place: FeatureMaps,
    maps: Tensor,
    moves: Sequence[Move],
    mask: Mask | None,
    config: DragConfig,
) -> Pull:
    size = generator.size
    points, targets = torch.tensor(moves, dtype=torch.float32, device=maps.device).unbind(dim=1)
    held = None if mask is None or mask.all() else torch.from_numpy(~mask).to(maps)
    side = min(size)
    return Pull(
        maps,
        place,
        size,
        points,
        targets,
        held=held,
        # 4 and 6 pixels at 64, as measured; at 512 about the 6 and 24 of the paper
        radius=max(1.0, math.log2(side) - 2) if config.radius is None else config.radius,
        reach=max(6.0, side / 21) if config.reach is None else config.reach,
        stride=config.stride,
        fidelity=config.fidelity,
        held_weight=config.mask_weight,
        keep=config.keep,
    )


def _steps(
    generator: Generator,
    recipe: Recipe,
    ws: Tensor,
    moves: Sequence[Move],
    mask: Mask | None,
    config: DragConfig,
    layers: list[int],
    place: FeatureMaps,
) -> Iterator[DragState]:
    with torch.inference_mode(False), torch.no_grad():
        synthesis = SynthesisWithMaps(generator.synthesis, place.layer)
        space = _space_of(generator)
        noise = NoiseInputs(generator).of([recipe.noise], torch.float32)
        ws = ws.clone()  # (1, num_ws, w_dim)
        edits = edit_ws(torch.zeros_like(ws), [recipe.edits])
        offsets = offsets_of_edits(generator, [recipe.edits])
        u = torch.zeros_like(ws[:, layers]).requires_grad_()  # in deviations of w
    optimizer = torch.optim.Adam([u], lr=config.rate)
    pull: Pull | None = None
    settled = 0
    for step in range(config.steps + 1):
        with torch.inference_mode(False), torch.enable_grad():
            moved = ws.clone()
            moved[:, layers] += space.step_of(u)
            images, maps = synthesis(moved + edits, noise, style_offsets=offsets)
            if pull is None:
                pull = _pull(generator, place, maps.detach(), moves, mask, config)
            else:
                pull.find(maps.detach())
            state = _state(step, generator, recipe, moved[0], layers, images, pull, moves, config)
        yield state
        settled = settled + 1 if state.arrived else 0
        if settled > config.settle or step == config.steps:
            return
        with torch.inference_mode(False), torch.enable_grad():
            (u.grad,) = torch.autograd.grad(pull.loss(maps), [u])
            optimizer.step()


def _space_of(generator: Generator) -> WhiteSpace:
    """How w are spread, worked out once as long as the weights stay."""
    state = weights_state(generator)
    known = _spaces.get(generator)
    if known is None or known[0] != state:
        samples = sample_w(generator, SAMPLES_A_DIMENSION * generator.w_dim)
        _spaces[generator] = known = (state, WhiteSpace.of(samples))
    return known[1]


def _state(
    step: int,
    generator: Generator,
    recipe: Recipe,
    ws: Tensor,
    layers: list[int],
    images: Tensor,
    pull: Pull,
    moves: Sequence[Move],
    config: DragConfig,
) -> DragState:
    if step > 0:
        w = {layer: tuple(ws[layer].tolist()) for layer in layers}
        recipe = put_w(recipe, w, generator.num_ws)
    places = [(x, y) for x, y in pull.points.tolist()]
    return DragState(
        step=step,
        recipe=recipe,
        pixels=to_uint8(images)[0].cpu().numpy(),
        moves=tuple((place, end) for place, (_, end) in zip(places, moves, strict=True)),
        arrived=bool((pull.distances <= config.near).all()),
    )
