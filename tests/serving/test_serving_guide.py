"""docs/serving.md: what it shows is what happens."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import documents
import pytest
from api_client import Api
from prometheus_client.parser import text_string_to_metric_families
from running_server import RunningServer

from wspace.recipe.picture_file import recipe_of_file
from wspace.serving.operations import OPERATIONS
from wspace.serving.serve import FIRST_PORT

PAGE = "docs/serving.md"
TEXT = (documents.ROOT / PAGE).read_text()
BLOCKS = documents.blocks(PAGE)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Api:
    """What the page starts, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return Api(["avatars", "clothes"], with_token=False)


def test_the_command_says_what_the_page_says() -> None:
    words = next(block.commands for block in BLOCKS if "serve avatars clothes" in block.text)[-1]
    said = next(block.text for block in BLOCKS if block.text.startswith("avatars, clothes at"))
    server = RunningServer(*words[2:])
    _, err = server.end()
    assert (server.line + err).replace(str(server.port), str(FIRST_PORT)) == said


def test_the_request_in_the_shell_draws(api: Api, tmp_path: Path) -> None:
    block = next(block for block in BLOCKS if block.text.startswith("curl"))
    words = shlex.split(block.text.replace("\\\n", " "))
    body, header = words[words.index("-d") + 1], words[words.index("-H") + 1]
    path = next(word for word in words if word.startswith("http")).partition(str(FIRST_PORT))[2]
    with api:
        answer = api.post(path, body, Content_Type=header.partition(": ")[2])
    assert answer.status == 200
    (tmp_path / "picture.png").write_bytes(answer.body)
    assert recipe_of_file(tmp_path / "picture.png").sources[0].seed == 3


def test_the_program_draws(api: Api, tmp_path: Path) -> None:
    block = next(block for block in BLOCKS if block.language == "python")
    with api:
        code = block.text.replace(str(FIRST_PORT), str(api.port))
        exec(compile(code, PAGE, "exec"), {"__name__": "__main__"})
    names = {f"seed{seed:04d}.webp" for seed in range(16)}
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == names
    for seed in (0, 15):
        recipe = recipe_of_file(tmp_path / f"pictures/seed{seed:04d}.webp")
        assert (recipe.sources[0].seed, recipe.psi) == (seed, 0.7)


def test_the_recipe_that_mixes_is_one_that_avatars_draw(api: Api) -> None:
    (found,) = re.findall(r"`(\{\"version\".*layer_sources.*?\})`", TEXT)
    with api:
        assert api.post("/picture", {"recipe": json.loads(found), "model": "avatars"}).status == 200


def test_every_operation_has_its_row() -> None:
    rows = set(re.findall(r"^\| `(GET|POST) (/\S+)` \|", TEXT, re.MULTILINE))
    assert rows == {(one.method, one.path) for one in OPERATIONS}


def test_the_metrics_that_it_names_are_there(api: Api) -> None:
    part = TEXT.partition("## What Prometheus sees")[2]
    with api:
        recipe = {"version": 1, "sources": [{"seed": 3}]}
        api.post("/picture", {"recipe": recipe, "model": "avatars"})
        text = api.get("/metrics").body.decode()
    families = list(text_string_to_metric_families(text))
    known = {family.name for family in families}
    known |= {sample.name for family in families for sample in family.samples}
    named = set(re.findall(r"`(\w+)`", part))
    assert len(named) > 6
    assert named <= known
