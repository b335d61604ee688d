"""Features by EfficientNet-Lite0: batches, grey pictures, resizing."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small_pictures import write_pictures

from wspace.data.dataset import Dataset
from wspace.metrics.features.lite import LiteExtractor


@pytest.fixture(scope="module")
def lite() -> LiteExtractor:
    return LiteExtractor("cpu")


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset.open(write_pictures(tmp_path / "data", count=10))


def test_features_depend_on_the_batch_size_by_rounding_only(
    lite: LiteExtractor, dataset: Dataset
) -> None:
    pixels = dataset.images(range(10))
    expected = lite(pixels)
    assert expected.shape == (10, 1280)
    assert expected.dtype == torch.float32
    assert expected.std(dim=0).max() > 0.1  # pictures differ
    for batch_size in (1, 3, 10):
        torch.testing.assert_close(
            LiteExtractor("cpu", batch_size)(pixels), expected, atol=1e-4, rtol=0
        )


def test_grey_pictures_count_as_rgb(lite: LiteExtractor) -> None:
    grey = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    assert torch.equal(lite(grey), lite(grey.expand(1, 3, 16, 16)))


def test_no_pictures_have_no_features(lite: LiteExtractor) -> None:
    assert lite(torch.empty(0, 3, 16, 16, dtype=torch.uint8)).shape == (0, 1280)


def test_pictures_are_resized_as_pillow_does_in_floats(lite: LiteExtractor) -> None:
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


def test_pictures_may_be_seen_smaller_which_are_features_of_another_kind(
    lite: LiteExtractor,
) -> None:
    small = LiteExtractor("cpu", side=64)
    pixels = torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8)
    assert small(pixels).shape == (3, 1280)
    assert small.id != lite.id
    with torch.inference_mode():
        expected = small._network(pixels / 127.5 - 1)
    torch.testing.assert_close(small(pixels), expected, atol=1e-4, rtol=0)
