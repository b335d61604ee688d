"""A model's card: what is known, nothing else, and texts of a file stay text."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from network_kinds import generator_of_kind

import wspace
from wspace.errors import WspaceError
from wspace.exporting.card import card_text, command_of_run, write_card
from wspace.formats.model_file import model_sha256, read_metadata, save
from wspace.recipe.document import SheetDocument
from wspace.recipe.png import read_document


def head_of(text: str) -> dict[str, Any]:
    """The YAML head, whose lines are one name and one JSON or bare text each, or a list's."""
    _, head, _ = text.split("---\n", 2)
    found: dict[str, Any] = {}
    for line in head.splitlines():
        if line.startswith("- "):
            found["tags"].append(line[2:])
            continue
        name, value = line.split(":", 1)
        value = value.strip()
        found[name] = [] if not value else json.loads(value) if value[0] == '"' else value
    return found


def test_a_bundled_model_has_all_that_its_file_knows() -> None:
    text = card_text("avatars", wspace.load("avatars"), read_metadata("avatars")["metadata"])
    assert head_of(text) == {
        "library_name": "wspace",
        "pipeline_tag": "unconditional-image-generation",
        "tags": ["stylegan", "gan", "wspace"],
        "license": "other",
        "license_name": "Free for personal and commercial use (https://avataaars.com/)",
        "model_name": "avatars",
    }
    for known in (
        "| FD (lite) | 6.899 |",
        "5000 generated pictures, at psi 1.0, from seed 0 on, 10000 real pictures",
        "by the features efficientnet-lite0 579344248a93 224 bicubic-antialias v1",
        "| length | 400,000 pictures seen |",
        "by „Pablo Stanley”",
        f"`{model_sha256(wspace.load('avatars'))}`",
        "wspace generate avatars --seeds 0-15 --psi 0.7",
    ):
        assert known in text


def test_what_is_not_known_is_said_to_be_so() -> None:
    text = card_text("mine.safetensors", generator_of_kind("adain"), {})
    assert "license" not in head_of(text)
    assert text.count("unknown: the model's file does not say") == 3
    assert "Nothing was measured" in text
    assert "How good its pictures are has not been measured." in text
    assert "## How it learned" not in text
    assert "wspace generate mine.safetensors" in text


def test_texts_of_a_stranger_stay_text() -> None:
    hostile = {
        "trained_on": "a\n---\nlicense: mit\n# x | y <script>alert(1)</script> [a](http://b)",
        "licence": 'MIT"\ninjected: true',
        "quality": {"fd_lite": 1.0, "a|b\n# c": 2.0, "extractor": "`x`\n```"},
        "commands": ["wspace train x\n```\n# free", 3],
        "history": None,
        "training": ["no", "mapping"],
        "pictures": "many",
        "kimg": "long",
    }
    text = card_text("mine.safetensors", generator_of_kind("adain, classes"), hostile)
    head = head_of(text)
    assert head["license"] == "other"
    assert "injected" not in head
    assert "<script>" not in text
    assert "[a](http" not in text
    outside = re.sub(r"```(bash|python)\n.*?\n```", "", text, flags=re.DOTALL)
    assert "```" not in outside
    headings = [line for line in outside.splitlines() if line.startswith("#")]
    assert headings == [
        "# mine",
        "## The network",
        "## What it learned from",
        "## How it learned",
        "## Figures",
        "## Limits",
        "## Use",
    ]


@pytest.mark.parametrize(("licence", "short"), [("MIT", "mit"), ("CC BY 4.0", "cc-by-4.0")])
def test_licences_that_hubs_know_have_their_short_names(licence: str, short: str) -> None:
    head = head_of(card_text("x", generator_of_kind("adain"), {"licence": licence}))
    assert head["license"] == short
    assert "license_name" not in head


def test_the_python_of_a_card_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for kind in ("adain", "adain, classes"):
        generator = generator_of_kind(kind)
        save(generator, tmp_path / "mine.safetensors")
        text = card_text("mine.safetensors", generator, {})
        (code,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
        exec(code, {})
        assert (tmp_path / "sheet.png").exists()
        (tmp_path / "sheet.png").unlink()


@pytest.mark.parametrize("kind", ["adain", "adain, classes", "alias-free, t"])
def test_pictures_lie_beside_the_card(kind: str, tmp_path: Path) -> None:
    generator = generator_of_kind(kind)
    model = tmp_path / "run"
    model.mkdir()
    save(generator, model / "model.safetensors")
    (model / "command.txt").write_text("wspace train dots --kimg 3\n")
    written = write_card(model, generator, {"kimg": 3.0}, tmp_path / "CARD.md")
    names = ["CARD.md", "CARD-samples.png", "CARD-mixing.png"]
    assert [path.name for path in written] == names
    text = written[0].read_text()
    assert re.findall(r"!\[.*?\]\((.*?)\)", text) == names[1:]
    assert "```bash\nwspace train dots --kimg 3\n```" in text
    assert "# run\n" in text
    for path in written[1:]:
        assert isinstance(read_document(path), SheetDocument)  # with their recipes
    with pytest.raises(WspaceError, match="is there already"):
        write_card(model, generator, {}, tmp_path / "CARD.md")


def test_another_file_of_that_name_is_no_command(tmp_path: Path) -> None:
    save(generator_of_kind("adain"), tmp_path / "model.safetensors")
    assert command_of_run(tmp_path) is None
    for content in (b"rm -rf /\n", b"\xff\xfe", b""):
        (tmp_path / "command.txt").write_bytes(content)
        assert command_of_run(tmp_path) is None
