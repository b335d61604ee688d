"""`generate` and `measure` in two processes: the bits and figures of one, also where one began."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
import torch
from ranks import ended, start_ranks
from tiny_run import make_data
from torch.distributed.run import get_args_parser

from wspace.cli.main import wspace

pytestmark = pytest.mark.timeout(900)


def test_two_processes_draw_and_measure_what_one_does(
    tiny_model: Path, tmp_path: Path, run_wspace: Callable[..., Any]
) -> None:
    data = make_data(tmp_path / "data", 70, size=(16, 16))
    drawing = ["generate", str(tiny_model), "--seeds", "0-6", "--shards", "2"]
    measuring = ["measure", str(tiny_model), str(data), "--num", "41", "--batch-size", "8"]
    measuring += ["--json", "--no-cache", "--metrics"]
    one, two = tmp_path / "one", tmp_path / "two"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert run_wspace(*drawing, "--out", one).status == 0
        alone = json.loads(run_wspace(*measuring, "fd,kid,pr").out)
    finally:
        torch.set_num_threads(threads)
    two.mkdir()  # what drawing that was stopped leaves
    for name in ("dataset.json", "shard-000001.tar"):
        shutil.copy2(one / name, two / name)
    (two / ".shard-000002.0123abcd.tmp.tar").write_bytes(b"half of it")
    drawn_before = (two / "shard-000001.tar").stat()

    started = [
        start_ranks(2, ["-m", "wspace", *drawing, "--out", str(two)]),
        start_ranks(2, ["-m", "wspace", *measuring, "fd,kid,pr"]),
        start_ranks(2, ["-m", "wspace", *measuring, "fd"]),  # by statistics alone
        start_ranks(2, ["-m", "wspace", "generate", str(tiny_model), "--grid", "sheet.png"]),
    ]
    drawn, measured, streamed, refused = (ended(processes, 800) for processes in started)
    for ran in (drawn, measured, streamed):
        assert [status for status, _, _ in ran] == [0, 0], ran
        assert ran[1][1] == ""
    assert drawn[0][1] == f"7 pictures in 4 shards: {two}\n"
    assert sorted(path.name for path in two.iterdir()) == sorted(
        path.name for path in one.iterdir()
    )
    for path in one.iterdir():
        assert path.read_bytes() == (two / path.name).read_bytes(), path.name
    assert len(list(one.iterdir())) == 5
    assert (two / "shard-000001.tar").stat().st_mtime_ns == drawn_before.st_mtime_ns

    together = json.loads(measured[0][1])
    numbers = {key: value for key, value in alone.items() if isinstance(value, float)}
    assert len(numbers) >= 4
    for key, value in numbers.items():
        assert together[key] == pytest.approx(value, rel=1e-9, abs=1e-12), key
    by_sums = json.loads(streamed[0][1])
    key = next(key for key in alone if key.startswith("fd"))
    assert by_sums[key] == pytest.approx(alone[key], rel=1e-9)

    assert [status for status, _, _ in refused] == [2, 2]
    assert refused[0][2] == "wspace: --shards and --grid exclude each other: leave one out.\n"


@pytest.mark.parametrize(
    ("name", "dashes"), [("train", []), ("generate", []), ("train", ["--"]), ("measure", ["--"])]
)
def test_torchrun_hands_every_option_on(name: str, dashes: list[str]) -> None:
    """Without dashes it refuses words that begin several of its own options, as --num does."""
    context = click.Context(wspace)
    command = wspace.get_command(context, name)
    assert command is not None
    words = [name, *(word for one in command.params for word in (*one.opts, *one.secondary_opts))]
    assert "--out" in words or "--num" in words
    given = get_args_parser().parse_args(["--standalone", "-m", *dashes, "wspace", *words])
    assert (given.training_script, given.training_script_args) == ("wspace", words)
