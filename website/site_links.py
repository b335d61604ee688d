"""What is wrong with the links of a folder of HTML pages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

FETCHED = {  # attributes whose address a browser fetches without being asked
    "audio": "src",
    "embed": "src",
    "iframe": "src",
    "img": "src",
    "link": "href",
    "object": "data",
    "script": "src",
    "source": "src",
    "track": "src",
    "video": "src",
}
APART = ("explorer",)  # an application, made after the pages, with tests of its own


@dataclass
class Page(HTMLParser):
    """The ids, the links and the things fetched of one page."""

    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attrs if value is not None}
        self.ids |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "link" and given.get("rel") in ("canonical", "prev", "next", "alternate"):
            return
        if FETCHED.get(tag) in given:
            self.fetched.append(given[FETCHED[tag]])


def problems_of_site(folder: Path) -> list[str]:
    """A line for each link or anchor that leads nowhere, and each thing fetched from elsewhere."""
    pages = {}
    for path in sorted(folder.rglob("*.html")):
        if path.relative_to(folder).parts[0] not in APART:
            pages[path] = Page()
            pages[path].feed(path.read_text())
    return [
        f"{path.relative_to(folder)}: {problem}"
        for path, page in pages.items()
        if path.name != "404.html"  # its addresses begin at the root of a host
        for problem in _problems(page, path, folder, pages)
    ]


def _problems(page: Page, path: Path, folder: Path, pages: dict[Path, Page]) -> Iterator[str]:
    for address in page.fetched:
        parts = urlsplit(address)
        if parts.scheme not in ("", "data") or parts.netloc:
            yield f"fetches {address} from another host"
    for address in {*page.links, *page.fetched}:
        parts = urlsplit(address)
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if target.is_dir():
            target /= "index.html"
        if parts.path.startswith("/") or not target.is_relative_to(folder.resolve()):
            yield f"{address} leads out of the site"
        elif target.relative_to(folder.resolve()).parts[:1] in {(apart,) for apart in APART}:
            continue
        elif not target.is_file():
            yield f"{address} leads nowhere"
        elif (
            parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids
        ):
            yield f"{address}: no such place on that page"
