"""Pages that need nothing else: one file, light and dark, wide and narrow."""

from __future__ import annotations

import html
from collections.abc import Iterable

from wspace.figures.curves import CURVE_STYLE

__all__ = ["page"]

_STYLE = """
:root { color-scheme: light dark;
  --page: #fff; --text: #1c1c1e; --quiet: #5a5a60; --card: #f4f4f5; }
@media (prefers-color-scheme: dark) {
  :root { --page: #131316; --text: #ececf0; --quiet: #a5a5ad; --card: #1e1e23; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1280px; padding: 20px 16px 48px; background: var(--page);
  color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0; overflow-wrap: anywhere; } h2 { margin: 2rem 0 .6rem;
  font-size: 1.2rem; } h3 { font-size: 1rem; margin: 0 0 .4rem; }
p { margin: .3rem 0; } .quiet, figcaption, .legend { color: var(--quiet); font-size: .9rem; }
.grid { display: grid; gap: 14px; align-items: start;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 330px), 1fr)); }
@media (min-width: 760px) { .wide { grid-column: span 2; } }
.card { background: var(--card); border-radius: 8px; padding: 12px; margin: 0; min-width: 0; }
.wide .scroll { overflow-x: auto; } .wide img { min-width: 620px; }
.numbers th, .numbers td:not(:last-child) { white-space: nowrap; }
.legend span { margin-right: 14px; white-space: nowrap; } .legend svg { vertical-align: middle; }
.legend b { color: var(--text); }
img { max-width: 100%; height: auto; display: block; background: #fff; border-radius: 4px; }
pre { background: var(--card); border-radius: 8px; padding: 12px; white-space: pre-wrap;
  overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; } th { text-align: left; }
td, th { padding: 4px 8px 4px 0; border-bottom: 1px solid var(--grid); vertical-align: top;
  overflow-wrap: anywhere; }
summary { cursor: pointer; padding: 6px 0; }
"""


def page(title: str, parts: Iterable[str]) -> str:
    """A whole page.

    Args:
        title: plain text.
        parts: HTML, one below the other; empty ones are left out.
    """
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        # whatever a name in here may be: nothing is fetched, nothing is executed
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "img-src data:; style-src 'unsafe-inline'\">"
        f"<title>{html.escape(title)}</title><style>{_STYLE}{CURVE_STYLE}</style></head><body>\n"
        + "\n".join(part for part in parts if part)
        + "\n</body></html>\n"
    )
