"""Servers that tests ask."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from api_client import Api
from local_server import LocalServer
from studio_client import Studio, make_page


@pytest.fixture
def api(tiny_model: Path) -> Iterator[Api]:
    """A server for programs, with `tiny_model`."""
    with Api([tiny_model]) as made:
        yield made


@pytest.fixture(params=["api", "studio"])
def server(
    request: pytest.FixtureRequest, tmp_path: Path, tiny_model: Path
) -> Iterator[LocalServer]:
    """Either of the servers that there are."""
    made: LocalServer
    if request.param == "api":
        made = Api([tiny_model])
    else:
        made = Studio(make_page(tmp_path / "page"), [tiny_model])
    with made:
        yield made
