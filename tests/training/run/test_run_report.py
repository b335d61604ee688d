"""report.html: whole, self-contained, and safe whatever names are in it."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tiny_run import BATCH, make_config, make_data

from wspace.training import loop
from wspace.training.run.quality import FEWEST_REAL
from wspace.training.run.report import write_report

VOID = {"meta", "img", "line", "polyline", "circle", "br"}


class Page(HTMLParser):
    """Collects what a page asks for, and whether its tags are closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A measured run of a few steps."""
    folder = tmp_path_factory.mktemp("report")
    make_data(folder / "data", count=FEWEST_REAL)
    config = make_config(
        folder, steps=60, measure=True, measured_pictures=4, measured_against=8, report=True,
        discriminator="preset", snapshot_kimg=8 * BATCH / 1000, augment="ada", augment_kimg=1.0,
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WSPACE_CACHE", str(folder / "cache"))
        return loop.start(config, folder / "runs").run


def test_it_asks_for_nothing_and_runs_nothing(run: Path) -> None:
    text = (run / "report.html").read_text()
    page = Page(text)
    assert page.open == []
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "base"}
    for _, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "srcset", "action", "poster"):
            assert (attributes.get(name) or "data:").startswith("data:")
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text


def test_all_of_the_run_is_on_it(run: Path) -> None:
    text = (run / "report.html").read_text()
    for title in ("Command", "Quality", "Curves", "Samples through time", "Real and generated",
                  "Styles and noise", "Configuration"):  # fmt: skip
        assert f"<h2>{title}</h2>" in text
    for chart in ("Generator against discriminator", "Right answers", "FD (quick)", "Augmentation",
                  "Waiting for data"):  # fmt: skip
        assert chart in text
    assert (run / "command.txt").read_text().strip() in text.replace("&#x27;", "'")
    assert "best: model.safetensors" in text


def test_pictures_have_alternative_texts_and_are_the_files(run: Path) -> None:
    page = Page((run / "report.html").read_text())
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    assert all(len(one["alt"] or "") > 10 for one in pictures)
    held = {base64.b64decode((one["src"] or "").partition(",")[2]) for one in pictures}
    for name in ("mixing.png", "noise.png", "real.png", "neighbours.png", "samples-000000.png"):
        assert (run / name).read_bytes() in held
    charts = [a for tag, a in page.tags if tag == "svg" and a.get("class") == "chart"]
    assert len(charts) >= 4
    assert all(a["role"] == "img" and a["aria-label"] for a in charts)


def test_names_are_no_markup(run: Path, tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>\"'"
    folder = tmp_path / "<b>run"
    folder.mkdir()
    config = json.loads((run / "config.json").read_text()) | {"data": evil}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "command.txt").write_text(evil)
    line = {"step": 1, "event": evil, "message": evil}
    (folder / "log.jsonl").write_text(json.dumps(line) + "\nno json\n")
    write_report(folder)
    text = (folder / "report.html").read_text()
    assert "<script" not in text
    assert "<b>run" not in text
    assert "&lt;script&gt;" in text


def test_a_run_that_has_nothing_yet_has_a_page(run: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((run / "config.json").read_bytes())
    write_report(tmp_path)
    text = (tmp_path / "report.html").read_text()
    assert "<h2>Configuration</h2>" in text
    assert "<h2>Curves</h2>" not in text


def test_times_run_on_where_a_run_was_resumed(run: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((run / "config.json").read_bytes())
    records = [(10, 60.0), (20, 120.0), (30, 60.0)]  # the last one after a resume
    lines = [
        json.dumps({"step": kimg, "kimg": kimg, "seconds": seconds, "loss_generator": 1.0})
        for kimg, seconds in records
    ]
    (tmp_path / "log.jsonl").write_text("\n".join(lines) + "\n")
    write_report(tmp_path)
    text = (tmp_path / "report.html").read_text()
    assert "30.0 kimg in 3 min" in text
    assert re.search(r">20</text><text[^>]*>2 min<", text)
    assert re.search(r">30</text><text[^>]*>3 min<", text)
