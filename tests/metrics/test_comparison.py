"""Two sets of pictures: each looked at once, and what the cache spares."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small_pictures import write_pictures
from thumbnails import Thumbnails
from tiny_generators import make_tiny_generator

from wspace.data.dataset import Dataset
from wspace.errors import WspaceError
from wspace.metrics.comparison import compare
from wspace.metrics.features.generators import Drawing
from wspace.metrics.frechet import FewSamplesWarning
from wspace.metrics.table import measure
from wspace.networks.generator import Generator


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return Dataset.open(write_pictures(tmp_path / "data", count=10))


def test_all_metrics_share_one_look_at_each_picture(
    data: Dataset, tiny_generator: Generator
) -> None:
    extractor = Thumbnails()
    comparison = compare(Drawing(generator=tiny_generator, num=12), data, extractor=extractor)
    with pytest.warns(FewSamplesWarning, match="too few"):
        measure(comparison, ("fd", "kid", "pr", "dc", "distinct"))
    assert extractor.looked_at == 12 + 10


@pytest.mark.parametrize("keep", [True, False])
def test_the_cache_spares_the_look_at_the_data(data: Dataset, tmp_path: Path, keep: bool) -> None:
    first, again = Thumbnails(), Thumbnails()
    found = [
        compare(data, data, extractor=extractor, keep=keep, cache=tmp_path / "cache")
        for extractor in (first, again)
    ]
    assert (first.looked_at, again.looked_at) == (10, 0)  # both sides are the same data
    assert torch.equal(found[0].real.statistics.covariance, found[1].real.statistics.covariance)


def test_statistics_come_from_features_that_are_kept(data: Dataset, tmp_path: Path) -> None:
    extractor = Thumbnails()
    for keep in (True, False):
        compare(data, data, extractor=extractor, keep=keep, cache=tmp_path / "cache")
    assert extractor.looked_at == 10
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_pictures_are_measured_like_those_of_a_model(data: Dataset, tmp_path: Path) -> None:
    others = Dataset.open(write_pictures(tmp_path / "others", count=8, seed=1))
    comparison = compare(others, data, extractor=Thumbnails(), fake_num=6)
    assert (len(comparison.fake), comparison.drawing) == (6, None)


def test_other_sizes_are_refused(data: Dataset) -> None:
    larger = make_tiny_generator(0, resolution=32)
    with pytest.raises(WspaceError, match="makes pictures of 32 x 32 pixels"):
        compare(Drawing(generator=larger, num=4), data, extractor=Thumbnails())
