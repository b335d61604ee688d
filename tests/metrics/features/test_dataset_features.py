"""Features of datasets: which pictures, and what the cache gives again."""

from pathlib import Path

import pytest
import torch
from small_pictures import write_pictures

from wspace.data.dataset import Dataset
from wspace.errors import WspaceError
from wspace.metrics.features.datasets import cache_folder, dataset_features, dataset_indices
from wspace.metrics.features.lite import LiteExtractor


@pytest.fixture(scope="module")
def lite() -> LiteExtractor:
    return LiteExtractor("cpu")


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset.open(write_pictures(tmp_path / "data", count=10))


def test_a_choice_of_pictures_is_fixed_and_spread(dataset: Dataset) -> None:
    assert dataset_indices(dataset, None).tolist() == list(range(10))
    assert dataset_indices(dataset, 10).tolist() == list(range(10))
    chosen = dataset_indices(dataset, 4).tolist()
    assert chosen == dataset_indices(dataset, 4).tolist() == sorted(set(chosen))
    assert chosen != [0, 1, 2, 3]
    for num in (0, 11):
        with pytest.raises(WspaceError, match=f"{num} pictures of .* were asked for, it has 10"):
            dataset_indices(dataset, num)


def test_features_of_a_dataset_are_those_of_its_pictures(
    lite: LiteExtractor, dataset: Dataset
) -> None:
    done: list[tuple[int, int]] = []
    found = dataset_features(
        dataset, 4, extractor=lite, progress=lambda *position: done.append(position)
    )
    expected = lite(dataset.images(dataset_indices(dataset, 4)))
    torch.testing.assert_close(found, expected)
    assert done == [(4, 4)]


def test_the_cache_is_found_by_content(
    lite: LiteExtractor, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    first = dataset_features(dataset, extractor=lite, cache=cache)
    assert [entry.suffix for entry in cache.iterdir()] == [".safetensors"]
    other = Dataset.open(write_pictures(tmp_path / "other", count=10, seed=1))
    assert not torch.equal(dataset_features(other, extractor=lite, cache=cache), first)
    dataset_features(dataset, 5, extractor=lite, cache=cache)
    assert len(list(cache.iterdir())) == 3

    moved = Dataset.open((tmp_path / "data").rename(tmp_path / "moved"))
    monkeypatch.setattr(lite, "_network", None)  # nothing is computed again
    assert torch.equal(dataset_features(moved, extractor=lite, cache=cache), first)


@pytest.mark.parametrize("damage", ["cut", "other shape"])
def test_a_damaged_cache_entry_is_made_anew(
    lite: LiteExtractor, dataset: Dataset, tmp_path: Path, damage: str
) -> None:
    first = dataset_features(dataset, extractor=lite, cache=tmp_path / "cache")
    (entry,) = (tmp_path / "cache").iterdir()
    whole = entry.read_bytes()
    if damage == "cut":
        entry.write_bytes(whole[:-1])
    else:
        small = dataset_features(dataset, 2, extractor=lite, cache=tmp_path / "small")
        assert small.shape == (2, 1280)
        next((tmp_path / "small").iterdir()).replace(entry)
    assert torch.equal(dataset_features(dataset, extractor=lite, cache=tmp_path / "cache"), first)
    assert entry.read_bytes() == whole


def test_a_cache_that_cannot_be_written_is_told_before_the_work(
    lite: LiteExtractor, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(lite, "_network", None)
    with pytest.raises(WspaceError, match=r"cannot keep features in .*WSPACE_CACHE"):
        dataset_features(dataset, extractor=lite, cache=tmp_path / "file" / "cache")


def test_the_cache_lies_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WSPACE_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path / "features"
    monkeypatch.delenv("WSPACE_CACHE")
    assert cache_folder() == Path.home() / ".cache" / "wspace" / "features"


def test_grey_and_colour_of_the_same_data_are_kept_apart(
    tmp_path: Path, lite: LiteExtractor
) -> None:
    data = write_pictures(tmp_path / "data", count=3)
    cache = tmp_path / "cache"
    grey, colour = (
        dataset_features(
            Dataset.open(data, image_channels=channels), extractor=lite, cache=cache
        )
        for channels in (1, 3)
    )  # fmt: skip
    assert not torch.equal(grey, colour)
    assert len(list(cache.glob("*.safetensors"))) == 2
