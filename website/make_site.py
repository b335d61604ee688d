"""Builds the site: the pages of this repository, checked, and the explorer beside them.

python website/make_site.py     into build/site/html

Pages keep the places that they have in the repository, so that a link that works on a code host
works on the site, too. The build fails where a page is missing from the navigation, a link or an
anchor leads nowhere, or something would be fetched from another host.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from site_links import problems_of_site

ROOT = Path(__file__).parent.parent
PAGES = (
    "*.md",
    "docs/**/*",
    "benchmarks/**/*.md",
    "examples/*/README.md",
    "src/wspace/studio/page/icon.svg",
    "website/*.css",
)


def main() -> None:
    """Lay the pages out, build them, look at every link."""
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    pages, html = ROOT / config["docs_dir"], ROOT / config["site_dir"]
    lay_out(ROOT, pages)
    fail(problems_of_navigation(config["nav"], pages))
    program = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    if subprocess.run(program, cwd=ROOT, check=False).returncode:
        raise SystemExit(1)
    fail(problems_of_site(html))
    print(f"{sum(1 for _ in html.rglob('*.html'))} pages: {html / 'index.html'}")


def lay_out(root: Path, pages: Path) -> None:
    """Copy every page, and what pages show, to where it lies in the repository."""
    shutil.rmtree(pages, ignore_errors=True)
    for pattern in PAGES:
        for source in sorted(root.glob(pattern)):
            if source.is_file():
                target = pages / source.relative_to(root)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)


def problems_of_navigation(nav: list[Any], pages: Path) -> list[str]:
    """Pages that the navigation leaves out or names twice, and names without a page."""
    named = list(_targets(nav))
    there = {path.relative_to(pages).as_posix() for path in pages.rglob("*.md")}
    return [
        *(f"{page} is missing from nav in mkdocs.yml" for page in sorted(there - set(named))),
        *(
            f"nav in mkdocs.yml names {page}, which is no page"
            for page in named
            if page not in there
        ),
        *(f"nav in mkdocs.yml names {page} twice" for page in set(named) if named.count(page) > 1),
    ]


def _targets(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    else:
        for entry in nav.values() if isinstance(nav, dict) else nav:
            yield from _targets(entry)


def fail(problems: list[str]) -> None:
    """End here if there are any."""
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        raise SystemExit(f"{len(problems)} problem(s): the site is not built")


if __name__ == "__main__":
    main()
