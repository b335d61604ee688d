"""The command itself: what it says of command lines that are none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("words", "says", "where"),
    [
        (["generate"], "Missing argument 'MODEL'.", "generate"),
        (["train", "photos", "--minuts", "1"], "No such option '--minuts'.", "train"),
        (["train", "photos", "--minutes", "soon"], "'soon' is not a valid float.", "train"),
        (["data", "built"], "No such command 'built'.", "data"),
        (["tain"], "No such command 'tain'.", ""),
    ],
)
def test_a_wrong_command_line_is_one_line_that_says_where_to_look(
    run_wspace: Callable[..., Any], words: list[str], says: str, where: str
) -> None:
    ran = run_wspace(*words)
    assert (ran.status, ran.out) == (2, "")
    (line,) = ran.err.splitlines()
    assert line.startswith("wspace: ")
    assert says in line
    assert line.endswith(f" {where} --help.".replace("  ", " "))


def test_a_command_that_has_others_shows_them(run_wspace: Callable[..., Any]) -> None:
    ran = run_wspace("data")
    assert ran.status == 2
    assert "Draw, build and inspect datasets." in ran.err + ran.out
