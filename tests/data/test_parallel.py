"""Work on all cores: in order, from any script, and with a clear word where a process dies."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from wspace.data.parallel import ordered_map
from wspace.errors import WspaceError


def squares(numbers: Sequence[int]) -> list[int]:
    return [number**2 for number in numbers]


def die(numbers: Sequence[int]) -> list[int]:
    os._exit(1)


def test_results_come_in_order_from_one_process() -> None:
    assert list(ordered_map(squares, range(100), workers=1, chunk=7)) == [n**2 for n in range(100)]
    assert list(ordered_map(squares, [], workers=4)) == []


def test_a_killed_process_is_named() -> None:
    with pytest.raises(WspaceError, match="a worker process was killed"):
        list(ordered_map(die, range(2), workers=2, chunk=1))


SCRIPT = """
print("once")
import sys
from wspace.data.build import BuildConfig, build_dataset
print(build_dataset(sys.argv[1], sys.argv[2], BuildConfig(size=8), workers=2).num_images)
"""


@pytest.mark.parametrize("read", ["file", "stdin"])
def test_a_script_needs_no_guard(tmp_path: Path, read: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(40):  # more than one chunk
        Image.new("RGB", (9, 9)).save(folder / f"{number}.png")
    (tmp_path / "script.py").write_text(SCRIPT)
    script = str(tmp_path / "script.py") if read == "file" else "-"
    ran = subprocess.run(
        [sys.executable, script, str(folder), str(tmp_path / "out.zip")],
        input=SCRIPT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout.split() == ["once", "40"], ran.stderr
