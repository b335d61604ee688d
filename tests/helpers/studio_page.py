"""The studio's page in a browser, as somebody uses it."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Download, Locator, expect

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
PATIENCE_MS = 15_000


def find_chromium() -> str:
    """The browser of this machine.

    Raises:
        FileNotFoundError: there is none; says how to get it.
    """
    for name in CHROMIUM:
        if path := shutil.which(name):
            return path
    raise FileNotFoundError(
        "no chromium here, which the tests of the studio's page need: on Debian "
        "`apt-get install chromium`, else put one into PATH."
    )


class StudioPage:
    """A page of the studio, in a context of its own unless one is given.

    Attributes:
        page: of Playwright.
        errors: what the page has complained of.
    """

    def __init__(
        self,
        browser: Browser,
        address: str,
        *,
        context: BrowserContext | None = None,
        patience_ms: int = PATIENCE_MS,
        **options: Any,
    ) -> None:
        self.context = context or browser.new_context(accept_downloads=True, **options)
        self.page = self.context.new_page()
        self._patience_ms = patience_ms
        self.page.set_default_timeout(patience_ms)
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on(
            "console",
            lambda message: message.type == "error" and self.errors.append(message.text),
        )
        self.page.goto(address)
        self.wait()

    def wait(self) -> None:
        """Until a picture is to be seen."""
        self.page.wait_for_function(
            "() => { const c = document.querySelector('#picture'); return c && c.width > 1; }"
        )

    @property
    def about(self) -> str:
        """What the picture says of itself to those who do not see it."""
        return self.page.locator("#picture").get_attribute("aria-label") or ""

    def pixels(self) -> npt.NDArray[np.uint8]:
        """(H, W, 4), what the big picture shows once it has come to rest."""
        last = ""
        while True:
            address = self.page.evaluate("document.querySelector('#picture').toDataURL()")
            if address == last:
                data = base64.b64decode(address.partition(",")[2])
                return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))
            last = address
            self.page.locator("#picture:not([aria-busy=true])").wait_for()
            self.page.wait_for_timeout(60)

    def wait_for_other_than(self, shown: npt.NDArray[np.uint8]) -> None:
        """Until the big picture is another one."""
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while np.array_equal(self.pixels(), shown):
            assert time.monotonic() < deadline, "the picture has stayed as it was"

    def tab(self, name: str) -> None:
        """Go to a tab."""
        self.page.get_by_role("tab", name=name, exact=True).click()

    def button(self, name: str) -> Locator:
        """A button by the whole of its name."""
        return self.page.get_by_role("button", name=name, exact=True)

    def number(self, name: str, value: float | str) -> None:
        """Write into a field."""
        field = self.page.get_by_label(name, exact=True)
        field.fill(str(value))
        field.press("Enter")

    def open_model(self, title: str) -> None:
        """Choose a model."""
        self.page.get_by_label("Model", exact=True).select_option(label=title)
        expect(self.page.locator("#picture")).to_have_attribute(
            "aria-label", re.compile(f"^{re.escape(title)}:"), timeout=self._patience_ms
        )

    def saved(self, button: str, folder: Path) -> Path:
        """What a button has the browser save."""
        with self.page.expect_download() as coming:
            self.button(button).click()
        download: Download = coming.value
        path = folder / download.suggested_filename
        download.save_as(path)
        return path

    def drop(self, path: Path, onto: str = "main", kind: str = "image/png") -> None:
        """Drop a file."""
        content = base64.b64encode(path.read_bytes()).decode()
        handle = self.page.evaluate_handle(
            """([content, name, kind]) => {
              const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
              const transfer = new DataTransfer();
              transfer.items.add(new File([bytes], name, { type: kind }));
              return transfer;
            }""",
            [content, path.name, kind],
        )
        self.page.dispatch_event(onto, "dragover", {"dataTransfer": handle})
        self.page.dispatch_event(onto, "drop", {"dataTransfer": handle})

    def message(self) -> Locator:
        """What the page says."""
        return self.page.locator(".message")

    def controls(self) -> dict[str, Any]:
        """The state of every control of every tab that shows the recipe."""
        found: dict[str, Any] = {}
        tabs = self.page.get_by_role("tab").all_inner_texts()
        for tab in tabs:
            if tab in ("Board", "Walk", "Run"):
                continue  # not of the recipe
            self.tab(tab)
            details = self.page.locator("#panel details:not([open]) summary")
            if details.count():
                details.first.click()
            self.page.wait_for_timeout(200)
            found[tab] = json.loads(self.page.evaluate(CONTROLS))
        return found


CONTROLS = """() => {
  const name = (element) => element.getAttribute("aria-label") ||
    (element.labels && element.labels[0] ? element.labels[0].textContent : element.textContent);
  const found = [];
  for (const one of document.querySelectorAll("#panel input, #panel select")) {
    if (one.type === "file") continue;
    found.push([name(one), one.type === "checkbox" ? one.checked : one.value]);
  }
  for (const one of document.querySelectorAll("#panel [role=radio], #panel [role=gridcell]")) {
    found.push([name(one), one.getAttribute("aria-checked") ?? one.getAttribute("aria-selected")]);
  }
  for (const one of document.querySelectorAll("#panel figcaption")) found.push(one.textContent);
  return JSON.stringify(found);
}"""
