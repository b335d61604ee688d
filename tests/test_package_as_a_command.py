"""``python -m wspace``."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version


def test_the_package_runs_as_a_command() -> None:
    words = [sys.executable, "-m", "wspace", "--version"]
    ran = subprocess.run(words, capture_output=True, text=True, check=True)
    assert version("wspace") in ran.stdout
