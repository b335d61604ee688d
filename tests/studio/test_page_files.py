"""The page that comes with the package."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from wspace.errors import WspaceError
from wspace.studio.web import PAGE, TYPES, page_files


def test_every_file_of_the_page_can_be_fetched_but_what_is_for_readers() -> None:
    files = page_files(PAGE)
    left_out = {path for path in PAGE.rglob("*") if path.is_file()} - set(files.values())
    assert {path.suffix for path in left_out} <= {".md", ".LICENSE"}
    for path in files.values():
        assert path.suffix in TYPES
    index = (PAGE / "index.html").read_text()
    named = re.findall(r'(?:src|href)="/?(page/[^"]+)"', index)
    assert named
    assert {f"/{name}" for name in named} <= set(files)
    assert "<style" not in index
    assert "style=" not in index
    assert re.search(r"<script(?![^>]*\bsrc=)", index) is None
    assert re.search(r"\son\w+=", index) is None


def test_modules_of_the_page_name_only_files_that_are_there() -> None:
    files = page_files(PAGE)
    count = 0
    for name, path in files.items():
        if path.suffix != ".js":
            continue
        code = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
        for wanted in re.findall(r"""^(?:import|export|\}).*?["'](.*)["'];$""", code, re.MULTILINE):
            assert wanted.startswith("."), f"{name} imports {wanted}"
            count += 1
            target = (path.parent / wanted).resolve()
            assert target in {one.resolve() for one in files.values()}, f"{name} imports {wanted}"
    assert count > 20


def test_a_page_that_is_missing_is_told(tmp_path: Path) -> None:
    from wspace.serving.shelf import Shelf
    from wspace.studio.access import Access
    from wspace.studio.calls import Calls
    from wspace.studio.turns import Turns
    from wspace.studio.web import make_app

    turns = Turns()
    with pytest.raises(WspaceError, match="page is missing"):
        make_app(Access(1), Calls(Shelf([])), turns, page=tmp_path)
    turns.end()
