"""Studios that tests ask."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from studio_client import Page, Studio, make_page


@pytest.fixture
def page_folder(tmp_path: Path) -> Path:
    """A page in the place of the real one."""
    return make_page(tmp_path / "page")


@pytest.fixture
def studio(page_folder: Path, tiny_model: Path) -> Iterator[Studio]:
    """A studio with `tiny_model` and the bundled ones."""
    with Studio(page_folder, [tiny_model]) as made:
        yield made


@pytest.fixture
def open_page(studio: Studio) -> Page:
    """An open page of `studio`."""
    return studio.open_page()
