"""A network and pictures that the tests of features share."""

from pathlib import Path

import pytest
from small_pictures import write_pictures

from wspace.data.dataset import Dataset
from wspace.metrics.features.lite import LiteExtractor


@pytest.fixture(scope="module")
def lite() -> LiteExtractor:
    return LiteExtractor("cpu")


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset.open(write_pictures(tmp_path / "data", count=10))
