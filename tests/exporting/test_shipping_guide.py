"""docs/shipping.md: its commands run and print what stands there, its tables hold."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from network_kinds import KINDS

GUIDE = (Path(__file__).parents[2] / "docs/shipping.md").read_text()


def blocks() -> list[tuple[str, str]]:
    """Each command, and what the block right after it says that it prints ("" where none does)."""
    found = re.findall(r"```bash\n(.*?)\n```\n(?:\n```\n(.*?)\n```)?", GUIDE, flags=re.DOTALL)
    return [(command, printed) for command, printed in found]


def test_the_commands_print_what_stands_there(
    run_wspace: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    commands = [(command, printed) for command, printed in blocks() if printed]
    assert [command.split()[1] for command, _ in commands] == ["export", "card"]
    for command, printed in commands:
        ran = run_wspace(*shlex.split(command)[1:])
        assert ran.status == 0, ran.err
        # another machine's sums may round otherwise
        numbers = r"\d+\.\d+ (MB|dB)|difference \d/255"
        assert re.sub(numbers, "#", ran.out.strip()) == re.sub(numbers, "#", printed)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_programs_run_as_shown(
    run_wspace: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (command,) = [command for command, _ in blocks() if "pt2" in command]
    assert run_wspace(*shlex.split(command)[1:]).status == 0
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE, flags=re.DOTALL)
    shown: dict[str, Any] = {}
    exec(code, shown)
    assert shown["picture"].shape == (1, 64, 64, 3)


def test_the_number_of_kinds_is_that_of_the_tests() -> None:
    (count,) = re.findall(r"(\d+) kinds of networks", GUIDE)
    assert int(count) == len(KINDS)
