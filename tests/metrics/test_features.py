from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from wspace.data.dataset import Dataset
from wspace.errors import WspaceError
from wspace.metrics.features import (
    Extractor,
    cache_folder,
    dataset_features,
    dataset_indices,
    extractor,
    generated_pixels,
    generator_features,
)
from wspace.networks.generator import Generator, build_generator
from wspace.networks.presets import preset
from wspace.recipe.recipe import NoiseSettings, Recipe, Source
from wspace.rendering.render import render


@pytest.fixture(scope="module")
def lite() -> Extractor:
    return extractor("cpu")


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset.open(write_pictures(tmp_path / "data", count=10))


def write_pictures(folder: Path, count: int, seed: int = 0) -> Path:
    folder.mkdir()
    draws = np.random.RandomState(seed)
    for i in range(count):
        coarse = Image.fromarray(draws.randint(0, 256, (4, 4, 3), dtype=np.uint8))
        coarse.resize((16, 16), Image.Resampling.BICUBIC).save(folder / f"{i:03d}.png")
    return folder


def test_features_depend_on_the_batch_size_by_rounding_only(
    lite: Extractor, dataset: Dataset
) -> None:
    pixels = dataset.images(range(10))
    expected = lite(pixels)
    assert expected.shape == (10, 1280)
    assert expected.dtype == torch.float32
    assert expected.std(dim=0).max() > 0.1  # pictures differ
    for batch_size in (1, 3, 10):
        torch.testing.assert_close(
            extractor("cpu", batch_size)(pixels), expected, atol=1e-4, rtol=0
        )


def test_grey_pictures_count_as_rgb(lite: Extractor) -> None:
    grey = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    assert torch.equal(lite(grey), lite(grey.expand(1, 3, 16, 16)))


def test_no_pictures_have_no_features(lite: Extractor) -> None:
    assert lite(torch.empty(0, 3, 16, 16, dtype=torch.uint8)).shape == (0, 1280)


def test_pictures_are_resized_as_pillow_does_in_floats(lite: Extractor) -> None:
    pixels = np.random.RandomState(0).randint(0, 256, (300, 300, 3), dtype=np.uint8)
    channels = [
        Image.fromarray(pixels[:, :, i].astype(np.float32)).resize(
            (224, 224), Image.Resampling.BICUBIC
        )
        for i in range(3)
    ]
    resized = torch.from_numpy(np.stack([np.asarray(one) for one in channels]))[None]
    with torch.inference_mode():
        expected = lite._network((resized / 127.5 - 1).clamp(-1, 1))
    found = lite(torch.from_numpy(pixels).permute(2, 0, 1)[None])
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=0)


def test_a_choice_of_pictures_is_fixed_and_spread(dataset: Dataset) -> None:
    assert dataset_indices(dataset, None).tolist() == list(range(10))
    assert dataset_indices(dataset, 10).tolist() == list(range(10))
    chosen = dataset_indices(dataset, 4).tolist()
    assert chosen == dataset_indices(dataset, 4).tolist() == sorted(set(chosen))
    assert chosen != [0, 1, 2, 3]
    for num in (0, 11):
        with pytest.raises(WspaceError, match=f"{num} pictures of .* were asked for, it has 10"):
            dataset_indices(dataset, num)


def test_features_of_a_dataset_are_those_of_its_pictures(lite: Extractor, dataset: Dataset) -> None:
    done: list[tuple[int, int]] = []
    found = dataset_features(
        dataset, 4, extractor=lite, progress=lambda *position: done.append(position)
    )
    expected = lite(dataset.images(dataset_indices(dataset, 4)))
    torch.testing.assert_close(found, expected)
    assert done == [(4, 4)]


def test_the_cache_is_found_by_content(
    lite: Extractor, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    lite: Extractor, dataset: Dataset, tmp_path: Path, damage: str
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
    lite: Extractor, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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


def make_generator(num_classes: int = 0) -> Generator:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config, _ = preset("compact", resolution=16, num_classes=num_classes)
        generator = build_generator(config).eval()
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if "noise_strength" in name:
                parameter.fill_(1.0)
    return generator


def test_features_of_a_generator_are_those_of_rendered_recipes(lite: Extractor) -> None:
    generator = make_generator()
    done: list[tuple[int, int]] = []
    found = generator_features(
        generator,
        5,
        extractor=lite,
        first_seed=40,
        psi=0.7,
        batch_size=2,
        progress=lambda *position: done.append(position),
    )
    made = [
        Recipe(sources=(Source(seed=seed),), psi=0.7, noise=NoiseSettings(mode="seeded", seed=seed))
        for seed in range(40, 45)
    ]
    pixels = render(generator, made, batch_size=2).pixels
    expected = lite(torch.from_numpy(pixels).permute(0, 3, 1, 2))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    assert done == [(2, 5), (4, 5), (5, 5)]


def test_generated_pictures_are_those_that_were_measured(lite: Extractor) -> None:
    generator = make_generator()
    measured = generator_features(generator, 6, extractor=lite, first_seed=3)
    shown = lite(generated_pixels(generator, [8, 4]))
    torch.testing.assert_close(shown, measured[[5, 1]], atol=2e-2, rtol=0)
    assert (measured[0] - measured[1]).norm() > 0.1


def test_a_model_with_classes_draws_them_as_often_as_the_labels(lite: Extractor) -> None:
    generator = make_generator(num_classes=3)
    only = generated_pixels(generator, range(4), labels=np.array([2, 2, 2]))
    made = [
        Recipe(
            sources=(Source(seed=seed, class_index=2),),
            noise=NoiseSettings(mode="seeded", seed=seed),
        )
        for seed in range(4)
    ]
    assert np.array_equal(only.permute(0, 2, 3, 1), render(generator, made).pixels)
    with pytest.raises(WspaceError, match="3 classes, the data has no labels"):
        generator_features(generator, 2, extractor=lite)
