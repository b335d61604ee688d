"""Decoding in other processes: the same pictures, what a process that dies does, who reads what."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from small_tars import tar_of

from wspace.data.build import BuildConfig, build_dataset
from wspace.data.dataset import Dataset
from wspace.data.order import ShuffledOrder
from wspace.data.stores.tars import Tars
from wspace.errors import WspaceError, WspaceWarning

COUNT = 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures that are told apart by the level of their first pixel, and are large as files."""
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.RandomState(0)
    for number in range(COUNT):
        pixels = random.randint(0, 256, (64, 64, 3), dtype=np.uint8)
        pixels[0, 0] = number
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    return folder


def placed(folder: Path, out: Path, kind: str) -> Path:
    """The pictures in a place of some kind."""
    contents = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    if kind == "folder":
        return folder
    if kind == "zip":
        build_dataset(folder, out / "a.zip", BuildConfig(size=64), workers=1)
        return out / "a.zip"
    if kind == "shards":
        build_dataset(folder, out / "shards", BuildConfig(size=64), shard_bytes=60_000, workers=1)
        return out / "shards"
    table = pa.table({"image": pa.array(list(contents.values()))})
    if kind == "parquet":
        pq.write_table(table, out / "a.parquet", row_group_size=5)
        return out / "a.parquet"
    with pa.ipc.new_stream(out / "a.arrow", table.schema) as writer:
        writer.write_table(table, max_chunksize=5)
    return out / "a.arrow"


def first_pixels(images: torch.Tensor) -> list[int]:
    found: list[int] = images[:, 0, 0, 0].tolist()
    return found


@pytest.mark.parametrize("kind", ["zip", "shards", "parquet", "arrow"])
def test_other_processes_decode_the_same_pictures(folder: Path, tmp_path: Path, kind: str) -> None:
    place = placed(folder, tmp_path, kind)
    with Dataset.open(place, 0, workers=2) as data, Dataset.open(place, 0, workers=0) as here:
        assert torch.equal(data.images(range(COUNT)), here.images(range(COUNT)))
        data.prepare([3, 17, 5])
        assert first_pixels(data.images([5, 3, 3, 17, 0])) == [5, 3, 3, 17, 0]
        assert len(multiprocessing.active_children()) == 2
    assert not multiprocessing.active_children()


def test_what_fits_in_memory_needs_no_processes(folder: Path) -> None:
    with Dataset.open(folder, workers=2) as data:
        data.images(range(COUNT))
        assert not multiprocessing.active_children()


def test_processes_that_share_a_machine_share_its_memory(folder: Path) -> None:
    budget = COUNT * 3 * 64 * 64
    assert Dataset.open(folder, budget).fits_in_memory
    assert not Dataset.open(folder, budget, shared_by=2).fits_in_memory


def test_a_damaged_picture_is_named_by_another_process_too(folder: Path, tmp_path: Path) -> None:
    contents = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    contents["05.png"] = contents["05.png"][:3000] + bytes(200) + contents["05.png"][3200:]
    with Dataset.open(tar_of(tmp_path / "a.tar", contents), 0, workers=2) as data:
        data.prepare(range(8))
        assert first_pixels(data.images([0, 1])) == [0, 1]
        with pytest.raises(WspaceError, match=r"05\.png cannot be decoded"):
            data.images([4, 5])


def test_where_a_process_is_killed_this_one_goes_on(folder: Path) -> None:
    with Dataset.open(folder, 0, workers=2) as data:
        data.images([0, 1])
        for child in multiprocessing.active_children():
            os.kill(child.pid or 0, signal.SIGKILL)
        with pytest.warns(WspaceWarning, match="a process that decodes pictures was killed"):
            assert first_pixels(data.images(range(COUNT))) == list(range(COUNT))
        data.prepare([7])
        assert first_pixels(data.images([7, 8])) == [7, 8]
        assert not multiprocessing.active_children()


SCRIPT = """
import multiprocessing, sys, time
from wspace.data.dataset import Dataset
data = Dataset.open(sys.argv[1], 0, workers=2)
data.images([0, 1])
print(*[child.pid for child in multiprocessing.active_children()], flush=True)
time.sleep(60)
"""


def test_no_process_outlives_one_that_is_killed(folder: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(folder)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        parent.kill()
    assert len(pids) == 2
    end = time.monotonic() + 10
    while any(map(_is_alive, pids)):
        assert time.monotonic() < end
        time.sleep(0.05)


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_each_rank_reads_its_own_share_of_the_shards_and_no_more(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards = placed(folder, tmp_path, "shards")
    assert len(list(shards.glob("*.tar"))) > 4
    opened: Counter[str] = Counter()
    original = Tars.open

    def counting(self: Tars, stored: str) -> tuple[int, IO[bytes]]:
        opened[stored] += 1
        return original(self, stored)

    batches: dict[int, list[torch.Tensor]] = {}
    for world_size in (1, 2, 4):
        shares = []
        for rank in range(world_size):
            with Dataset.open(shards, 0, workers=0) as data:
                order = ShuffledOrder(len(data), seed=7)
                monkeypatch.setattr(Tars, "open", counting)
                opened.clear()
                shares.append([data.images(order.next(8)[rank::world_size]) for _ in range(3)])
                monkeypatch.setattr(Tars, "open", original)
            assert opened.total() == COUNT // world_size
        batches[world_size] = []
        for step in range(3):
            whole = torch.empty(8, 3, 64, 64, dtype=torch.uint8)
            for rank in range(world_size):
                whole[rank::world_size] = shares[rank][step]
            batches[world_size].append(whole)
    for world_size in (2, 4):
        for one, other in zip(batches[1], batches[world_size], strict=True):
            assert torch.equal(one, other)


def test_shards_are_not_copied_to_memory(folder: Path, tmp_path: Path) -> None:
    contents = {path.name: path.read_bytes() + bytes(1_000_000) for path in folder.iterdir()}
    place = tar_of(tmp_path / "a.tar", contents)
    assert place.stat().st_size > 24_000_000
    tracemalloc.start()
    try:
        with Dataset.open(place, 0, workers=0) as data:
            assert first_pixels(data.images([20])) == [20]
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


def test_the_time_that_pictures_take_is_counted(folder: Path, tmp_path: Path) -> None:
    with Dataset.open(folder) as data:
        data.images(range(COUNT))
        first = data.seconds_waited
        data.images(range(COUNT))
        assert 0 < data.seconds_waited - first < first  # the second time they are in memory
