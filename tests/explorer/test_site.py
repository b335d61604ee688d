"""The explorer's files."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from wspace.errors import WspaceError
from wspace.explorer.models import LACKS, PageModel, page_models
from wspace.explorer.runtime import FILES, Runtime
from wspace.explorer.site import Site, one_file, site, write_folder, write_one_file

RUNTIME = Runtime(
    {name: b"var o=1;export{o as Tensor};" if name.endswith("mjs") else b"wasm" for name in FILES}
)


@pytest.fixture(scope="module")
def models(tiny_model: Path) -> list[PageModel]:
    return page_models([str(tiny_model)], "int16")


@pytest.fixture(scope="module")
def made(models: list[PageModel]) -> Site:
    return site(models, RUNTIME)


def contents(made: Site) -> dict[str, Any]:
    return dict(json.loads(made.files["contents.json"]))


def test_the_page_knows_each_file_and_what_it_unpacks_to(made: Site) -> None:
    said = contents(made)
    (model,) = said["models"]
    packed = [
        *model["graphs"].values(),
        *(said["runtime"][k]["binary"] for k in ("wasm", "webgpu")),
    ]
    assert len(packed) == 5
    for one in packed:
        content = made.files[one["path"]]
        assert len(content) == one["bytes"]
        unpacked = gzip.decompress(content)
        assert len(unpacked) == one["unpacked"]
        assert hashlib.sha256(unpacked).hexdigest()[:8] in one["path"]


def test_the_page_is_told_what_the_studios_page_is_told(models: list[PageModel]) -> None:
    model = models[0].described["model"]
    assert (model["width"], model["num_ws"], model["kind"]) == (16, 6, "file")
    assert model["lacks"] == LACKS
    assert {"render", "png", "deviation", "walk"} <= set(model["can"])
    assert not {"invert", "drag", "film", "sheet", "run"} & set(model["can"])
    assert models[0].described["command"] == (
        "wspace generate tiny.safetensors --recipe recipe.json"
    )
    assert models[0].agreement.largest < 2


def test_what_a_visit_loads_is_counted(made: Site) -> None:
    not_loaded = {path for path in made.files if "jspi" in path} | {"LICENSES.txt"}
    assert made.loads == {
        "tiny": sum(len(content) for path, content in made.files.items() if path not in not_loaded)
    }


def test_the_service_worker_knows_all_files_and_changes_with_them(
    made: Site, models: list[PageModel]
) -> None:
    def kept(of: Site) -> dict[str, Any]:
        line = of.files["service_worker.js"].decode().splitlines()[0]
        return dict(json.loads(line.removeprefix("self.explorer = ").removesuffix(";")))

    known = kept(made)
    assert {*known["first"], *known["later"]} == {*made.files} - {
        "service_worker.js",
        "LICENSES.txt",
    }
    other = site(models, Runtime({**RUNTIME, "ort.wasm.bundle.min.mjs": b"other"}))
    assert kept(other)["version"] != known["version"]
    assert kept(site(models, RUNTIME)) == known


def test_the_page_may_run_its_own_scripts_and_nothing_else(made: Site) -> None:
    policy = re.search(
        r'Content-Security-Policy" content="([^"]+)"', made.files["index.html"].decode()
    )
    assert policy is not None
    assert (
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self';" in policy[1]
    )
    assert "unsafe-inline" not in policy[1]
    assert "'unsafe-eval'" not in policy[1]


def test_one_file_holds_all_and_names_its_scripts_by_their_digests(models: list[PageModel]) -> None:
    page = one_file(models, RUNTIME).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    assert "connect-src 'none'" in policy[1]
    scripts = re.findall(r"<script(?: type=\"module\")?>(.*?)</script>", page, re.DOTALL)
    styles = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert (len(scripts), len(styles)) == (2, 1)
    for text in [*scripts, *styles]:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy[1]
    said = json.loads(re.search(r'id="contents.json">(.*?)</script>', page, re.DOTALL)[1])  # type: ignore[index]
    for one in said["models"][0]["graphs"].values():
        held = re.search(rf'id="{re.escape(one["path"])}">(.*?)</script>', page)
        assert held is not None
        assert len(base64.b64decode(held[1])) == one["bytes"]
    assert not re.search(r'\b(?:src|href)="(?!data:)', page)


def test_what_a_model_says_of_itself_cannot_become_a_part_of_the_page(
    models: list[PageModel],
) -> None:
    hostile = "</script><script>alert(1)</script><!--"
    (model,) = models
    described = {**model.described, "model": {**model.described["model"], "title": hostile}}
    evil = PageModel(
        name=model.name,
        weights=model.weights,
        graphs=model.graphs,
        described=described,
        agreement=model.agreement,
    )
    page = one_file([evil], RUNTIME).decode()
    assert hostile not in page
    assert page.count("<script") == one_file(models, RUNTIME).decode().count("<script")


def test_a_model_that_is_given_twice_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.safetensors"
    again.write_bytes(tiny_model.read_bytes())
    with pytest.raises(WspaceError, match="is tiny once more"):
        page_models([str(tiny_model), str(again)], "int16")


def test_nothing_is_written_where_something_lies(made: Site, tmp_path: Path) -> None:
    write_folder(tmp_path / "new", made)
    assert (tmp_path / "new/models").is_dir()
    with pytest.raises(WspaceError, match="is there already"):
        write_folder(tmp_path / "new", made)
    (tmp_path / "a.html").write_text("mine")
    with pytest.raises(WspaceError, match="is there already"):
        write_one_file(tmp_path / "a.html", b"page")
    assert (tmp_path / "a.html").read_text() == "mine"
    assert not list(tmp_path.glob(".*"))
