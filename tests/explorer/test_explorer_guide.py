"""docs/explorer.md: its command prints what stands there, its sizes are those of the files."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wspace.explorer import runtime as module
from wspace.explorer.runtime import FILES, Runtime

GUIDE = (Path(__file__).parents[2] / "docs/explorer.md").read_text()


def test_the_command_prints_what_stands_there(
    run_wspace: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Runtime(dict.fromkeys(FILES, b"var o=1;export{o as Tensor};"))
    monkeypatch.setattr(module, "find_runtime", lambda given, told: small)
    monkeypatch.chdir(tmp_path)
    (command, printed), *_ = re.findall(
        r"```bash\n[^`]*?(wspace explorer [^`]*?)\n```\n\n```\n(.*?)\n```", GUIDE, re.DOTALL
    )
    ran = run_wspace(*shlex.split(command)[1:])
    assert ran.status == 0, ran.err
    size = r"\d+\.\d MB"  # with the real runtime
    assert re.sub(size, "#", ran.out.strip()) == re.sub(size, "#", printed)
    loads = {
        model: sum(
            path.stat().st_size for path in (tmp_path / "explorer/models").glob(f"{model}-*")
        )
        for model in ("avatars", "clothes")
    }
    row = re.search(r"\| the model \| (.*?) MB \| (.*?) MB \|", GUIDE)
    assert row is not None
    assert [f"{size / 1e6:.1f}" for size in loads.values()] == list(row.groups())


def test_the_sizes_add_up() -> None:
    rows = re.findall(r"^\| .*? \| (\d+\.\d) MB \| (\d+\.\d) MB \|$", GUIDE, re.MULTILINE)
    *parts, total = [[float(one) for one in row] for row in rows]
    for column in (0, 1):
        assert abs(sum(row[column] for row in parts) - total[column]) < 0.15
