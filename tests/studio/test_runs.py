"""A run folder in the studio: its curves, its sheets, its newest model."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from studio_client import Studio
from tiny_generators import make_tiny_generator

from wspace.formats.directions import Direction, directions_path, write_directions
from wspace.formats.model_file import save
from wspace.networks.generator import Generator
from wspace.recipe.recipe import Edit, recipes


@pytest.fixture
def run(tmp_path: Path, tiny_generator: Generator) -> Path:
    """A run folder in which a model lies."""
    folder = tmp_path / "runs" / "00003-cats"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    save(tiny_generator, folder / "model.safetensors", metadata={"kimg": 1.5})
    lines: list[object] = [
        {"step": k, "kimg": k / 100, "seconds": float(k), "loss_generator": 1 / (k + 1)}
        for k in range(400)
    ]
    lines += [{"step": 400, "message": "hm"}, 7, "text"]
    text = "".join(json.dumps(line) + "\n" for line in lines) + "{torn"
    (folder / "log.jsonl").write_text(text)
    for name in ("samples-000001.png", "samples-000002.png", "mixing.png"):
        (folder / name).write_bytes(name.encode())
    return folder


def test_a_run_shows_its_curves_and_sheets(page_folder: Path, run: Path) -> None:
    with Studio(page_folder, [run]) as studio:
        page = studio.open_page()
        entry = page.result("models").head["models"][0]
        assert (entry["kind"], entry["title"]) == ("run", "00003-cats")
        model = page.result("open", model=studio.key()).head["model"]
        assert {"run", "run_sheet", "reload"} <= set(model["can"])
        found = page.result("run", model=studio.key()).head
        assert found["kimg"] == 3.99
        assert found["newest"] == 1.5
        (curve,) = found["curves"]
        assert curve["name"] == "generator"
        assert 2 < len(curve["points"]) <= 200
        assert found["sheets"] == ["samples-000002.png", "samples-000001.png", "mixing.png"]
        sheet = page.result("run_sheet", model=studio.key(), name="mixing.png")
        assert sheet.payload == b"mixing.png"
        command = page.result(
            "code", model=studio.key(), recipe=recipes(seeds=(1,))[0].to_dict()
        ).head["command"]
        assert command == f"wspace generate {run} --seeds 1"


@pytest.mark.parametrize(
    "name",
    ["../../secret.png", "secret.png", "config.json", "log.jsonl", "/etc/passwd", "linked.png",
     "model.safetensors", "samples-000001.png/", "."],
)  # fmt: skip
def test_only_sheets_of_the_run_can_be_read(page_folder: Path, run: Path, name: str) -> None:
    (run.parent.parent / "secret.png").write_text("secret")
    (run / "linked.png").symlink_to(run.parent.parent / "secret.png")
    with Studio(page_folder, [run]) as studio:
        page = studio.open_page()
        says = page.error("run_sheet", model=studio.key(), name=name)
        assert "is no sheet of the run" in says


def test_the_newest_snapshot_is_taken_over(
    page_folder: Path, run: Path, tiny_generator: Generator, other_generator: Generator
) -> None:
    edit = Edit(direction=(0.5,) * 8, name="hair")
    directions = {"hair": Direction(edit=edit)}
    write_directions(directions_path(run), tiny_generator, directions)
    with Studio(page_folder, [run]) as studio:
        page = studio.open_page()
        before = page.result("open", model=studio.key()).head["model"]
        assert [one["name"] for one in before["directions"]] == ["hair"]
        newest = run / "model-newest.safetensors"
        save(other_generator, newest, metadata={"kimg": 3.0})
        later = newest.stat().st_mtime_ns + 10**9
        os.utime(newest, ns=(later, later))
        assert page.result("run", model=studio.key()).head["newest"] == 3.0
        same = page.result("open", model=studio.key()).head["model"]
        assert same["sha256"] == before["sha256"]
        after = page.result("reload", model=studio.key()).head["model"]
        assert after["sha256"] != before["sha256"]
        recipe = recipes(seeds=(1,))[0].to_dict()
        command = page.result("code", model=studio.key(), recipe=recipe).head["command"]
        assert command == f"wspace generate {newest} --seeds 1"
        newest.write_bytes(b"torn")
        assert page.error("reload", model=studio.key())
        page.result("render", model=studio.key(), recipes=[recipe])  # what was open stays
        # directions of a model that the run has replaced are told, and in nobody's way
        save(make_tiny_generator(7), run / "model.safetensors")
        later += 10**9
        os.utime(run / "model.safetensors", ns=(later, later))
        after = page.result("reload", model=studio.key()).head["model"]
        assert after["directions"] == []
        assert "belongs to another model" in dict(map(tuple, after["facts"]))["directions"]


def test_a_run_without_a_model_yet_waits_for_one(
    page_folder: Path, run: Path, tiny_model: Path
) -> None:
    (run / "model.safetensors").unlink()
    with Studio(page_folder, [run]) as studio:
        page = studio.open_page()
        entry = page.result("models").head["models"][0]
        assert "00003-cats has no model yet" in entry["error"]
        assert "no model yet" in page.error("open", model=studio.key())
        assert page.result("run", model=studio.key()).head["newest"] is None
        shutil.copy(tiny_model, run / "model.safetensors")
        assert page.result("models").head["models"][0]["error"] is None
        page.result("open", model=studio.key())


def test_what_is_no_run_has_no_curves(page_folder: Path, tiny_model: Path) -> None:
    with Studio(page_folder, [tiny_model]) as studio:
        page = studio.open_page()
        assert "run" not in page.result("open", model=studio.key()).head["model"]["can"]
        for call in ("run", "reload"):
            assert "is no run folder" in page.error(call, model=studio.key())
        says = page.error("run_sheet", model=studio.key(), name="mixing.png")
        assert "is no run folder" in says
