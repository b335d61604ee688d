"""The checks before a commit are those of ``make check`` and of ``make test``."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
CHECKS = [".venv/bin/ruff check .", ".venv/bin/ruff format --check .", ".venv/bin/mypy"]


def commands(target: str) -> list[str]:
    """What make runs for a target."""
    makefile = (ROOT / "Makefile").read_text()
    (recipe,) = re.findall(rf"^{target}:.*\n((?:\t.*\n)+)", makefile, flags=re.MULTILINE)
    return [line.strip() for line in recipe.splitlines()]


def test_hooks_before_a_commit_are_the_checks() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    assert re.findall(r"entry: (.+)", hooks) == commands("check") == CHECKS


def test_make_test_starts_with_the_checks() -> None:
    assert commands("test")[: len(CHECKS)] == CHECKS
