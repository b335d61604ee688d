"""Writing a dataset as shards: a folder of tars as WebDataset lays them out.

A sample is ``KEY.png``, ``KEY.cls`` with its class, and ``KEY.json`` with its attributes. What is
said of all pictures (names of classes, licence) lies in ``dataset.json`` beside the tars. The same
input gives the same bytes.

Source: https://github.com/webdataset/webdataset, README, "The WebDataset Format".
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from wspace.data.labels import MAX_CLASSES
from wspace.data.metadata import METADATA_NAME
from wspace.data.sidecars import MAX_SIDECAR_BYTES
from wspace.data.writer import metadata_bytes
from wspace.errors import WspaceError, one_line
from wspace.files import atomic_folder, flush_file

__all__ = ["MIN_SHARD_BYTES", "ShardWriter", "read_shard_bytes", "write_shards"]

MIN_SHARD_BYTES = 20_000
_FACTORS = {"k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4}
_BYTES = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?([kmgt])(i?)b", re.IGNORECASE)


def read_shard_bytes(text: str) -> int:
    """How many bytes a shard may have, of a text such as ``512MB`` or ``1GiB``.

    Raises:
        WspaceError: it is none, or less than `MIN_SHARD_BYTES`.
    """
    match = _BYTES.fullmatch(text.strip())
    if match is None:
        raise WspaceError(f"shards of {one_line(text)!r}: give a size such as 512MB or 1GiB.")
    amount, unit, binary = match.groups()
    factor = _FACTORS[unit.lower()]
    if binary:
        factor = 1024 ** (1 + "kmgt".index(unit.lower()))
    return check_shard_bytes(int(float(amount) * factor))


def check_shard_bytes(shard_bytes: int) -> int:
    """The number itself; raises as `read_shard_bytes`."""
    if shard_bytes < MIN_SHARD_BYTES:
        raise WspaceError(
            f"shards of {shard_bytes:,} bytes are too small: give {MIN_SHARD_BYTES // 1000}kB or "
            "more, such as 512MB."
        )
    return shard_bytes


class ShardWriter:
    """Takes pictures, then the metadata, and writes shards; made by `write_shards`.

    Classes are numbered when all pictures are known, so the pictures wait in a file until then.
    """

    def __init__(self, folder: Path, waiting: IO[bytes], shard_bytes: int) -> None:
        self._folder = folder
        self._waiting = waiting
        self._shard_bytes = shard_bytes
        self._sizes: list[int] = []
        self.num_shards = 0

    @property
    def num_images(self) -> int:
        """How many pictures were added."""
        return len(self._sizes)

    def add(self, png: bytes) -> str:
        """Add a picture; returns its name in the shards."""
        self._waiting.write(png)
        self._sizes.append(len(png))
        return _picture_name(self.num_images - 1)

    def finish(self, metadata: Mapping[str, Any]) -> None:
        """Write the shards, and ``dataset.json`` with what is said of all pictures.

        Args:
            metadata: has the official key ``labels`` and others, as of a dataset zip.

        Raises:
            WspaceError: what is said of one picture is too long.
        """
        names = [_picture_name(index) for index in range(self.num_images)]
        whole = dict(metadata)
        classes = _classes(whole.get("labels"), names)
        if classes or whole.get("labels") is None:
            whole.pop("labels", None)
        attributes = whole.pop("attributes", None) or {}
        seeds = whole.pop("seeds", None) or {}
        self._waiting.seek(0)
        samples: list[tuple[str, bytes]] = []  # the files of the shard that is filled
        room = 0
        for name, size in zip(names, self._sizes, strict=True):
            files = {name: self._waiting.read(size)}
            key = name.removesuffix(".png")
            if classes:
                files[f"{key}.cls"] = str(classes[name]).encode()
            said = {
                word: values[name]
                for word, values in (("attributes", attributes), ("seed", seeds))
                if name in values
            }
            if said:
                files[f"{key}.json"] = json.dumps(said, separators=(",", ":")).encode()
                if len(files[f"{key}.json"]) > MAX_SIDECAR_BYTES:
                    raise WspaceError(
                        f"the attributes of picture {key} take more than {MAX_SIDECAR_BYTES:,} "
                        "bytes, too many for shards: build a zip, or shorten them."
                    )
            needed = sum(map(_stored_bytes, files.values()))
            if samples and _tar_bytes(room + needed) > self._shard_bytes:
                self._write(samples)
                samples, room = [], 0
            samples += files.items()
            room += needed
        self._write(samples)
        path = self._folder / METADATA_NAME
        shards = [_shard_name(number) for number in range(self.num_shards)]
        path.write_bytes(
            metadata_bytes({**whole, "shards": shards})
        )  # so that a lost one is missed
        flush_file(path)

    def _write(self, files: Sequence[tuple[str, bytes]]) -> None:
        path = self._folder / _shard_name(self.num_shards)
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
            for name, content in files:
                info = tarfile.TarInfo(name)  # of no time and no owner
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        flush_file(path)
        self.num_shards += 1


@contextlib.contextmanager
def write_shards(folder: Path | str, shard_bytes: int) -> Iterator[ShardWriter]:
    """Yield a `ShardWriter`; the folder appears whole, or not at all.

    Pictures are written twice, so that for a while they take twice their room.

    Args:
        folder: to make.
        shard_bytes: of a tar at most; a picture that is larger has one of its own.

    Raises:
        WspaceError: something is there already, a size that is too small, or the system refused.
    """
    check_shard_bytes(shard_bytes)
    folder = Path(folder)
    if folder.suffix.lower() in (".zip", ".tar"):
        raise WspaceError(f"{folder} names a file: shards are written into a folder, name one.")
    with atomic_folder(folder) as made:
        place = made / ".waiting"
        with open(place, "w+b") as waiting:
            yield ShardWriter(made, waiting, shard_bytes)
        place.unlink()


def _shard_name(number: int) -> str:
    return f"shard-{number:06d}.tar"


def _picture_name(index: int) -> str:
    return f"{index:08d}.png"


def _classes(labels: Any, names: Sequence[str]) -> dict[str, int]:
    """The class of each picture; empty where labels are no classes, or not of all pictures."""
    found = dict(labels or ())
    plain = all(type(label) is int and 0 <= label < MAX_CLASSES for label in found.values())
    return found if plain and found.keys() == set(names) else {}


def _stored_bytes(content: bytes) -> int:
    """What a file takes in a tar: its header, and its content in whole blocks."""
    return tarfile.BLOCKSIZE * (1 + -(-len(content) // tarfile.BLOCKSIZE))


def _tar_bytes(stored: int) -> int:
    """The size of a tar whose files take ``stored`` bytes."""
    return -(-(stored + 2 * tarfile.BLOCKSIZE) // tarfile.RECORDSIZE) * tarfile.RECORDSIZE
