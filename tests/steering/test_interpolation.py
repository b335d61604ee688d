from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import wspace
from wspace.errors import WspaceError
from wspace.networks.generator import Generator
from wspace.recipe.recipe import Edit, Source
from wspace.steering.interpolation import PATHS, follow, slerp, walk_recipes
from wspace.steering.latents import w_of_sources


def test_slerp_keeps_the_norm() -> None:
    random = torch.Generator().manual_seed(0)
    a, b = (torch.randn(50, 8, generator=random) for _ in range(2))
    a, b = (3 * v / v.norm(dim=1, keepdim=True) for v in (a, b))
    t = torch.rand(50, generator=random)
    torch.testing.assert_close(slerp(a, b, t).norm(dim=1), torch.full((50,), 3.0))


def test_slerp_turns_evenly_from_start_to_end() -> None:
    a, b = torch.tensor([[1.0, 0.0]]).expand(3, 2), torch.tensor([[0.0, 2.0]]).expand(3, 2)
    found = slerp(a, b, torch.tensor([0.0, 0.5, 1.0]))
    expected = torch.tensor([[1.0, 0.0], [1.5 / 2**0.5, 1.5 / 2**0.5], [0.0, 2.0]])
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("end", [[1.0, 2.0, 3.0], [-1.0, -2.0, -3.0], [1.0, 2.0, 3.0000002]])
def test_slerp_between_parallel_and_opposite_vectors_is_finite(end: list[float]) -> None:
    a, b = torch.tensor([[1.0, 2.0, 3.0]]).expand(5, 3), torch.tensor([end]).expand(5, 3)
    found = slerp(a, b, torch.linspace(0, 1, 5))
    torch.testing.assert_close(found.norm(dim=1), torch.full((5,), 14**0.5))
    torch.testing.assert_close(found[0], a[0])
    torch.testing.assert_close(found[-1], b[0])


@pytest.mark.parametrize("kind", PATHS)
def test_a_path_passes_through_its_points(kind: str) -> None:
    points = torch.randn(4, 6, generator=torch.Generator().manual_seed(1))
    opened = follow(points, 31, kind=kind, loop=False)  # type: ignore[arg-type]
    torch.testing.assert_close(opened[::10], points)
    looped = follow(points, 40, kind=kind, loop=True)  # type: ignore[arg-type]
    torch.testing.assert_close(looped[::10], points)
    steps = (looped - looped.roll(1, dims=0)).norm(dim=1)
    assert steps.max() < 0.25 * (points - points.roll(1, dims=0)).norm(dim=1).max()


def test_linear_steps_are_even_and_a_spline_follows_a_straight_line() -> None:
    points = torch.arange(5.0)[:, None].expand(5, 2)
    for kind in ("linear", "spline"):
        found = follow(points, 9, kind=kind, loop=False)  # type: ignore[arg-type]
        torch.testing.assert_close(found[2:7, 0], torch.arange(1.0, 3.5, 0.5))


def test_a_spline_has_no_corners_where_a_line_has() -> None:
    points = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])

    def sharpest(kind: str) -> float:
        path = follow(points, 400, kind=kind, loop=True)  # type: ignore[arg-type]
        steps = path - path.roll(1, dims=0)
        return float((steps - steps.roll(1, dims=0)).norm(dim=1).max())

    assert sharpest("spline") < 0.1 * sharpest("linear")


def test_one_frame_is_the_first_point() -> None:
    points = torch.eye(3)
    assert torch.equal(follow(points, 1, kind="linear", loop=False), points[:1])


def test_a_walk_starts_at_its_keys_and_a_loop_does_not_repeat_its_start(
    tiny_generator: Generator,
) -> None:
    keys = wspace.recipes(seeds=[1, 2, 1], psi=0.7)
    walk = walk_recipes(tiny_generator, keys, 8, loop=True)
    assert len(walk) == 8
    w = w_of_sources(tiny_generator, [Source(seed=1), Source(seed=2)])
    torch.testing.assert_close(torch.tensor(walk[0].sources[0].w), w[0])
    torch.testing.assert_close(torch.tensor(walk[4].sources[0].w), w[1])
    torch.testing.assert_close(torch.tensor(walk[7].sources[0].w), w[0].lerp(w[1], 0.25))
    assert {recipe.psi for recipe in walk} == {0.7}


def test_only_the_named_layers_move(tiny_generator: Generator) -> None:
    keys = wspace.recipes(seeds=[1, 2])
    walk = walk_recipes(tiny_generator, keys, 5, layers=(4, 5))
    for recipe in walk:
        assert recipe.layer_sources == (0, 0, 0, 0, 1, 1)
        assert recipe.sources[0] == keys[0].sources[0]


def test_slerp_walks_through_z(tiny_generator: Generator) -> None:
    walk = walk_recipes(tiny_generator, wspace.recipes(seeds=[1, 2]), 3, kind="slerp")
    z = wspace.latents(tiny_generator, [1, 2])
    halfway = tiny_generator.mapping.w(slerp(z[:1], z[1:], torch.tensor([0.5])))[0]
    torch.testing.assert_close(torch.tensor(walk[1].sources[0].w), halfway)


def test_centres_go_along_with_the_walk(tiny_generator: Generator) -> None:
    low, high = (0.0,) * 8, (1.0,) * 8
    (key,) = wspace.recipes(seeds=[1], psi=0.5)
    keys = [key.replace(sources=(Source(seed=s, centre=c),)) for s, c in ((1, low), (2, high))]
    walk = walk_recipes(tiny_generator, keys, 5)
    centres = [recipe.sources[0].centre for recipe in walk]
    np.testing.assert_allclose([c[0] for c in centres if c], [0, 0.25, 0.5, 0.75, 1])


@pytest.mark.parametrize("kind", ["linear", "slerp"])
def test_classes_may_change_through_w_only(conditional_generator: Generator, kind: str) -> None:
    keys = [wspace.recipes(seeds=[1], class_index=k)[0] for k in (0, 1)]
    if kind == "linear":
        assert len(walk_recipes(conditional_generator, keys, 3, kind="linear")) == 3
        same = [keys[0], keys[0]]
        assert len(walk_recipes(conditional_generator, same, 3, kind="slerp")) == 3
    else:
        with pytest.raises(WspaceError, match="seeds of one class"):
            walk_recipes(conditional_generator, keys, 3, kind="slerp")


def test_a_walk_needs_somewhere_to_go(tiny_generator: Generator) -> None:
    with pytest.raises(WspaceError, match="two pictures"):
        walk_recipes(tiny_generator, wspace.recipes(seeds=[1]), 5)
    with pytest.raises(WspaceError, match="frames=0"):
        walk_recipes(tiny_generator, wspace.recipes(seeds=[1, 2]), 0)
    one, two = wspace.recipes(seeds=[1, 2])
    mixed = one.replace(sources=one.sources + two.sources, layer_sources=(0, 1) * 3)
    with pytest.raises(WspaceError, match="slerp goes through z"):
        walk_recipes(tiny_generator, [one, mixed], 5, kind="slerp")


HAT = Edit(direction=(1.0, 0, 0, 0, 0, 0, 0, -2.0), name="hat")
BLUE = Edit(channels=((2, 7, 0.5), (5, 0, -3.0)), name="blue")


def test_each_layer_of_a_mixed_picture_walks_by_itself(tiny_generator: Generator) -> None:
    one, two = wspace.recipes(seeds=[1, 2])
    mixed = one.replace(sources=one.sources + two.sources, layer_sources=(0, 1, 1, 0, 0, 0))
    walk = walk_recipes(tiny_generator, [one, mixed], 3)
    w = w_of_sources(tiny_generator, [Source(seed=1), Source(seed=2)])
    assert len(walk[0].sources) == 1
    for recipe, t in zip(walk[1:], (0.5, 1), strict=True):
        assert recipe.layer_sources == (0, 1, 1, 0, 0, 0)
        still, moving = (torch.tensor(source.w) for source in recipe.sources)
        torch.testing.assert_close(still, w[0])
        torch.testing.assert_close(moving, w[0].lerp(w[1], t))


@pytest.mark.parametrize("kind", PATHS)
def test_strengths_and_psi_go_along_from_key_to_key(tiny_generator: Generator, kind: Any) -> None:
    first, second = wspace.recipes(seeds=[1, 2])
    keys = [
        first.replace(psi=0.5, cutoff=4, edits=(HAT.replace(strength=2.0),)),
        second.replace(edits=(BLUE, HAT.replace(strength=-1.0))),
    ]
    walk = walk_recipes(tiny_generator, keys, 5, kind=kind)
    assert [recipe.psi for recipe in walk[::2]] == [
        (0.5, 0.5, 0.5, 0.5, 1, 1), (0.75, 0.75, 0.75, 0.75, 1, 1), (1,) * 6,
    ]  # fmt: skip
    assert walk[0].edits == keys[0].edits
    assert set(walk[4].edits) == set(keys[1].edits)
    assert walk[2].edits == (HAT.replace(strength=0.5), BLUE.replace(strength=0.5))
    ends = wspace.render(tiny_generator, [walk[0], walk[4], *keys]).pixels.astype(int)
    assert abs(ends[:2] - ends[2:]).max() <= 1


def test_where_all_keys_are_edited_alike_frames_say_it_as_the_keys_do(
    tiny_generator: Generator,
) -> None:
    keys = [key.replace(edits=(HAT, BLUE)) for key in wspace.recipes(seeds=[1, 2], psi=0.7)]
    for recipe in walk_recipes(tiny_generator, keys, 4):
        assert (recipe.psi, recipe.edits) == (0.7, (HAT, BLUE))


def test_still_layers_keep_the_first_picture_s_edits(tiny_generator: Generator) -> None:
    first, second = wspace.recipes(seeds=[1, 2])
    walk = walk_recipes(tiny_generator, [first.replace(edits=(HAT,)), second], 3, layers=(4, 5))
    assert walk[2].edits == (HAT.replace(layers=(0, 1, 2, 3)),)
