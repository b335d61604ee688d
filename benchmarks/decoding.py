"""Reading pictures that do not stay in memory: by threads or processes, from each kind of place.

Prints pictures a second, and what a picture costs the process that trains, in milliseconds of
processor time.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from wspace.data.dataset import Dataset
from wspace.data.shards import write_shards
from wspace.data.writer import png_bytes

BATCH = 32


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=512, help="pictures")
    parser.add_argument("--size", type=int, default=256, help="their side")
    parser.add_argument("--workers", type=int, nargs="*", default=[0, 1, 2])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        places = _write(Path(folder), options.count, options.size)
        for name, place in places.items():
            for workers in options.workers:
                rate, cost = _measure(place, options.count, workers)
                how = f"{workers} processes" if workers else "threads"
                print(f"{name:8} {how:12} {rate:6.0f} pictures/s {cost:6.2f} ms", flush=True)


def _write(folder: Path, count: int, size: int) -> dict[str, Path]:
    random = np.random.RandomState(0)
    contents = []
    for _ in range(count):
        small = random.randint(0, 256, (16, 16, 3), dtype=np.uint8)
        contents.append(png_bytes(Image.fromarray(small).resize((size, size))))
    with write_shards(folder / "shards", 8_000_000) as writer:
        for content in contents:
            writer.add(content)
        writer.finish({"labels": None})
    table = pa.table({"image": pa.array(contents)})
    with pa.ipc.new_stream(folder / "a.arrow", table.schema) as stream:
        stream.write_table(table, max_chunksize=100)
    pq.write_table(table, folder / "a.parquet", row_group_size=100)
    return {
        "shards": folder / "shards", "arrow": folder / "a.arrow", "parquet": folder / "a.parquet"
    }  # fmt: skip


def _measure(place: Path, count: int, workers: int) -> tuple[float, float]:
    """Pictures a second, and milliseconds of this process for each, in random order."""
    order = np.random.RandomState(1).permutation(count)
    with Dataset.open(place, 0, workers=workers) as data:
        data.images(order[:BATCH])  # the processes start
        began, spent = time.perf_counter(), time.process_time()
        for start in range(0, count, BATCH):
            data.images(order[start : start + BATCH])
        seconds, spent = time.perf_counter() - began, time.process_time() - spent
    return count / seconds, 1000 * spent / count


if __name__ == "__main__":
    main()
