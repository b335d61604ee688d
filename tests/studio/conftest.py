"""Studios that tests ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from studio_client import Page, Studio, make_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from studio_page import StudioPage


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


@pytest.fixture(scope="session")
def studio_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of the command that runs, with the bundled models."""
    from running_studio import RunningStudio

    running = RunningStudio(cache=tmp_path_factory.mktemp("cache"))
    yield running.address
    running.end()


@pytest.fixture
def new_page(browser: Browser, studio_address: str) -> Iterator[Callable[..., StudioPage]]:
    """Opens the studio's page in a browser; whatever it complains of fails the test."""
    from studio_page import StudioPage

    opened: list[StudioPage] = []

    def open_it(**options: Any) -> StudioPage:
        opened.append(StudioPage(browser, studio_address, **options))
        return opened[-1]

    yield open_it
    complaints = [text for one in opened for text in one.errors]
    for context in {one.context for one in opened}:
        context.close()
    assert not complaints
