"""website/: what stops the site from being built; and that nothing of it stops this one."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import make_site
from site_links import problems_of_site

ROOT = Path(__file__).parents[1]


def test_every_page_of_this_repository_has_its_place_in_the_navigation(tmp_path: Path) -> None:
    make_site.lay_out(ROOT, tmp_path)
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    assert make_site.problems_of_navigation(nav, tmp_path) == []


def test_pages_keep_their_places_and_what_is_no_page_stays_out(tmp_path: Path) -> None:
    root, pages = tmp_path / "root", tmp_path / "pages"
    for path in ("README.md", "docs/a.md", "docs/images/a.png", "src/secret.md", "LICENSE"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    (pages / "docs").mkdir(parents=True)
    (pages / "docs/gone.md").write_text("of the last build")
    make_site.lay_out(root, pages)
    laid = {path.relative_to(pages).as_posix() for path in pages.rglob("*") if path.is_file()}
    assert laid == {"README.md", "docs/a.md", "docs/images/a.png"}


def test_the_navigation_is_missed_by_no_page(tmp_path: Path) -> None:
    (tmp_path / "a.md").touch()
    (tmp_path / "b.md").touch()
    nav = ["a.md", {"Group": [{"Title": "c.md"}, "a.md"]}]
    assert make_site.problems_of_navigation(nav, tmp_path) == [
        "b.md is missing from nav in mkdocs.yml",
        "nav in mkdocs.yml names c.md, which is no page",
        "nav in mkdocs.yml names a.md twice",
    ]


RIGHT = """
<h1 id="top">A</h1> <a href="b/index.html#there">b</a> <a href="b/">b</a> <a href="#top">up</a>
<a href="https://example.org/x">elsewhere</a>
<img src="data:image/png;base64,AA"> <img src="a%20b.png">
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "b").mkdir()
    (tmp_path / "index.html").write_text(RIGHT)
    (tmp_path / "b/index.html").write_text('<p id="there"><a href="../index.html">a</a>')
    (tmp_path / "a b.png").touch()
    return tmp_path


def test_a_site_whose_links_lead_somewhere_has_no_problems(site: Path) -> None:
    assert problems_of_site(site) == []


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ('<a href="c.html">', "c.html leads nowhere"),
        ('<img src="b/c.png">', "b/c.png leads nowhere"),
        ('<a href="b/index.html#here">', "b/index.html#here: no such place on that page"),
        ('<a href="#bottom">', "#bottom: no such place on that page"),
        ('<a href="../x.html">', "../x.html leads out of the site"),
        ('<a href="/b/">', "/b/ leads out of the site"),
        ('<script src="https://cdn.example/x.js">', "fetches https://cdn.example/x.js"),
        ('<link rel="stylesheet" href="//fonts.example/f.css">', "fetches //fonts.example/f.css"),
    ],
)
def test_a_wrong_link_is_named_with_its_page(site: Path, wrong: str, problem: str) -> None:
    (site / "index.html").write_text(RIGHT + wrong)
    (found,) = problems_of_site(site)
    assert found.startswith(f"index.html: {problem}")
