"""The page of a report: what fits a phone, what a line never breaks within."""

from __future__ import annotations

import io

from PIL import Image

from wspace.claims.check import Checked
from wspace.claims.claim import Claim, Interval, Picture
from wspace.claims.report import as_page


def page_of(number: Interval | None = None, width: int = 100) -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (width, 50)).save(buffer, format="PNG")
    claim = Claim(
        name="one",
        title="One",
        article="so.",
        measured="This.",
        rule="Above 0.",
        verdict="cannot tell",
        number=number,
        pictures=[Picture(png=buffer.getvalue(), caption="A figure.", alt="black")],
    )
    checked = Checked(claims=[claim], judge={}, unclear=())
    return as_page({"model": "m", "model_sha256": "f" * 64}, checked)


def test_a_figure_shrinks_to_a_phone_as_far_as_it_can_be_read() -> None:
    # a phone leaves 334 of its 390 pixels: a figure of 5.2 inches fits, one of 9 scrolls
    assert "min-width:332px" in page_of(width=572)
    assert "min-width:574px" in page_of(width=990)


def test_numbers_have_minus_signs_which_no_line_breaks_behind() -> None:
    page = page_of(Interval(value=-0.05, low=-0.09, high=2e-7))
    assert page.count("\N{MINUS SIGN}0.05 (\N{MINUS SIGN}0.09 to 2e\N{MINUS SIGN}07)") == 2


def test_a_claim_without_a_number_says_so() -> None:
    assert "no number" in page_of()
