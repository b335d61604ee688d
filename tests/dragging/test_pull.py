"""The pull on maps that are worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from wspace.dragging.pull import Pull, disc, maps_at
from wspace.networks.features import FeatureMaps
from wspace.sizes import Size

SIZE = Size(8, 12)
PLACE = FeatureMaps(layer=0, size=SIZE, module=nn.Identity())


def ramp(height: int, width: int) -> torch.Tensor:
    """(1, 2, height, width): each pixel says how far right and down it is."""
    down, right = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([right, down]).float()[None]


def spot(x: int, y: int) -> torch.Tensor:
    """(1, 1, 8, 12), one bright pixel."""
    maps = torch.zeros(1, 1, *SIZE)
    maps[0, 0, y, x] = 1
    return maps


def pull(maps: torch.Tensor, point: tuple[float, float], target: Any, **changes: Any) -> Pull:
    settings: dict[str, Any] = {
        "held": None, "radius": 1, "reach": 3, "stride": 1, "fidelity": 1, "held_weight": 0,
        "keep": 0,
    }  # fmt: skip
    where = torch.tensor([point]), torch.tensor([target])
    return Pull(maps, PLACE, SIZE, *where, **settings | changes)


def test_a_disc_has_the_places_that_are_no_further_away() -> None:
    assert len(disc(1, 1)) == 5
    assert len(disc(1, 0.5)) == 13
    assert disc(0.9, 1).tolist() == [[0, 0]]
    assert disc(3, 1).norm(dim=1).max() == 3


def test_maps_are_read_between_their_pixels() -> None:
    places = torch.tensor([[[3.0, 5.0], [2.5, 4.25]]])
    torch.testing.assert_close(maps_at(ramp(8, 12), places, PLACE, SIZE), places)


def test_smaller_maps_and_those_with_margins_lie_under_the_picture() -> None:
    half = FeatureMaps(layer=0, size=Size(4, 6), margin=2, module=nn.Identity())
    # the picture's pixel 5 spans 5 to 6: the middle, 5.5, is at 2.75 of the maps' 6 pixels, whose
    # first two are margin: so 4.75 from their edge, and 4.25 from the middle of the first
    found = maps_at(ramp(8, 10), torch.tensor([[5.0, 1.0]]), half, SIZE)
    torch.testing.assert_close(found, torch.tensor([[4.25, 2.25]]))


def test_any_change_costs_what_it_is_asked_to() -> None:
    pulled = pull(spot(4, 3), (4.0, 3.0), (5.0, 3.0), keep=2)
    changed = 2 / (8 * 12)  # one spot gone, one more
    assert pulled.loss(spot(5, 3)) == pytest.approx(2 * changed / spot(4, 3).mean())


def test_a_point_is_found_where_what_was_around_it_went() -> None:
    pulled = pull(spot(4, 3), (4.0, 3.0), (9.0, 3.0))
    assert pulled.distances.tolist() == [5.0]
    pulled.find(spot(6, 4))
    assert pulled.points.tolist() == [[6.0, 4.0]]
    assert pulled.distances.tolist() == pytest.approx([10**0.5])
    pulled.find(spot(11, 4))  # further away than it looks
    assert pulled.points[0, 0] <= 9


def test_the_loss_is_nought_where_the_content_is_a_step_ahead() -> None:
    pulled = pull(spot(4, 3), (4.0, 3.0), (9.0, 3.0), stride=2)
    assert pulled.loss(spot(6, 3)) == 0
    assert pulled.loss(spot(4, 3)) > 0
    # the last step ends at the target
    pulled.points = torch.tensor([[8.0, 3.0]])
    assert pulled.loss(spot(9, 3)) == 0


def test_without_fidelity_what_is_there_now_is_pulled() -> None:
    pulled = pull(spot(4, 3), (4.0, 3.0), (9.0, 3.0), fidelity=0)
    flat = torch.zeros(1, 1, *SIZE)
    assert pulled.loss(flat) == 0
    assert pull(spot(4, 3), (4.0, 3.0), (9.0, 3.0)).loss(flat) > 0


def test_only_what_is_held_costs_beside_the_pull() -> None:
    held = torch.zeros(*SIZE)
    held[:, 10:] = 1
    first = spot(4, 3)
    pulled = pull(first, (4.0, 3.0), (5.0, 3.0), held=held, held_weight=4)
    moved = spot(5, 3)
    assert pulled.loss(moved) == 0
    moved[0, 0, 2, 11] = 0.5
    changed = 0.5 / (2 * 8)  # the mean over what is held
    assert pulled.loss(moved) == pytest.approx(4 * changed / first.mean())
