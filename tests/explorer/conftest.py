"""Explorers that tests open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from static_site import StaticSite

from wspace.explorer.models import page_models
from wspace.explorer.runtime import Runtime, find_runtime
from wspace.explorer.site import one_file, site, write_folder, write_one_file

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from studio_page import StudioPage

PACKAGE = Path(__file__).parents[1] / "studio/node_modules/onnxruntime-web"


@pytest.fixture(scope="session")
def runtime() -> Runtime:
    """The real one, as npm has put it there."""
    return find_runtime(PACKAGE)


@pytest.fixture(scope="session")
def explorer(runtime: Runtime, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder above an explorer with both bundled models, which lies deep in it."""
    folder = tmp_path_factory.mktemp("host")
    (folder / "some").mkdir()
    write_folder(folder / "some/where", site(page_models(["avatars", "clothes"], "int16"), runtime))
    return folder


@pytest.fixture(scope="session")
def single_file(runtime: Runtime, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An explorer that is one file."""
    path = tmp_path_factory.mktemp("mail") / "clothes.html"
    write_one_file(path, one_file(page_models(["clothes"], "int16"), runtime))
    return path


@pytest.fixture
def host(explorer: Path) -> Iterator[StaticSite]:
    """A plain static server of `explorer`."""
    made = StaticSite(explorer)
    yield made
    made.end()


@pytest.fixture
def new_page(browser: Browser, host: StaticSite) -> Iterator[Callable[..., StudioPage]]:
    """Opens the explorer in a browser; whatever it complains of fails the test."""
    from studio_page import StudioPage

    opened: list[StudioPage] = []

    def open_it(address: str = f"{host.address}some/where/", **options: Any) -> StudioPage:
        opened.append(StudioPage(browser, address, patience_ms=60_000, **options))
        return opened[-1]

    yield open_it
    complaints = [text for one in opened for text in one.errors]
    for one in opened:
        one.context.close()
    assert not complaints
