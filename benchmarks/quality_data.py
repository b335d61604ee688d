"""The data of `quality.py`: fetched or drawn once, then kept as dataset zips in a cache folder."""

from __future__ import annotations

import gzip
import io
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from wspace.data.avatars import AvatarConfig, write_avatars
from wspace.data.writer import png_bytes, write_dataset
from wspace.errors import WspaceError

__all__ = ["TASKS", "Task", "prepare"]

FASHION = Path("/usr/share/datasets/fashion-mnist")
FASHION_CLASSES = (
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
FASHION_TRAIN = 10_000  # of 60,000: the first ones; the judge learns from the others
AVATAR_SIDE = 32
AVATARS = {"train": (4_000, 0), "heldout": (5_000, 5_000_000), "judged": (12_000, 1_000_000)}
# What can be seen of an avatar at 32 pixels; eyebrows are a pixel high.
AVATAR_KINDS = (
    "topVariant",
    "hairColor",
    "skinColor",
    "clothesVariant",
    "clothesColor",
    "eyesVariant",
    "mouthVariant",
    "accessoriesVariant",
    "facialHairVariant",
)
EMOJI_PACKAGE = "emoji-datasource-google@16.0.0"
EMOJI_FOLDER = "package/img/google/64/"
EMOJI_HELDOUT_EVERY = 10  # in the order of their names, which are code points

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True, kw_only=True)
class Task:
    """Pictures to learn, and pictures to measure against.

    Attributes:
        name: short, such as "a".
        title: for tables.
        train: the zip that a generator learns from.
        heldout: the zip that it is measured against.
        judged: a labelled zip that the second judge learns from; it shares no picture with the
            other two. None: there are no labels, so no second judge.
        kinds: attributes that the judge learns to name; () for the classes of the labels.
    """

    name: str
    title: str
    train: Path
    heldout: Path
    judged: Path | None = None
    kinds: tuple[str, ...] = ()


def prepare(name: str, cache: Path) -> Task:
    """The task ``name`` of `TASKS`, its data made where the cache lacks it.

    Raises:
        WspaceError: the data cannot be had; the message says what to install.
    """
    return TASKS[name](cache)


def fashion(cache: Path) -> Task:
    """Fashion-MNIST: the first 10,000 training pictures, grey, 28² padded to 32²."""
    paths = _zips(cache, "fashion")
    if any(not path.exists() for path in paths):
        if not FASHION.is_dir():
            raise WspaceError(f"{FASHION} is missing: apt-get install dataset-fashion-mnist.")
        pictures, labels = read_fashion(FASHION, "train")
        write_labelled(paths[0], pictures[:FASHION_TRAIN], labels[:FASHION_TRAIN])
        write_labelled(paths[2], pictures[FASHION_TRAIN:], labels[FASHION_TRAIN:])
        write_labelled(paths[1], *read_fashion(FASHION, "t10k"))
    train, heldout, judged = paths
    title = "Fashion-MNIST 32²"
    return Task(name="a", title=title, train=train, heldout=heldout, judged=judged)


def read_fashion(folder: Path, part: str) -> tuple[Pixels, Pixels]:
    """Pictures (N, 32, 32) and labels (N,), both uint8, of the part "train" or "t10k"."""
    # The idx format: a header of 4 bytes and 4 a dimension, then bytes.
    images = gzip.decompress((folder / f"{part}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / f"{part}-labels-idx1-ubyte.gz").read_bytes())
    pictures = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 28, 28)
    return np.pad(pictures, ((0, 0), (2, 2), (2, 2))), np.frombuffer(labels, np.uint8, offset=8)


def write_labelled(path: Path, pictures: Pixels, labels: Sequence[int] | Pixels) -> None:
    """A dataset zip of grey ``pictures`` (N, H, W), their classes in its dataset.json."""
    with write_dataset(path) as writer:
        names = [writer.add(png_bytes(Image.fromarray(picture))) for picture in pictures]
        writer.finish(
            {
                "labels": [[name, int(label)] for name, label in zip(names, labels, strict=True)],
                "classes": list(FASHION_CLASSES),
                "licence": "MIT",
                "attribution": "Fashion-MNIST, Zalando SE, 2017 "
                "(https://github.com/zalandoresearch/fashion-mnist)",
            }
        )


def avatars(cache: Path) -> Task:
    """4,000 avatars, measured against 5,000 of other seeds."""
    paths = dict(zip(("train", "heldout", "judged"), _zips(cache, "avatars"), strict=True))
    for part, path in paths.items():
        if not path.exists():
            count, seed = AVATARS[part]
            config = AvatarConfig(count=count, size=AVATAR_SIDE, seed=seed, options={})
            write_avatars(path, config)
    return Task(name="b", title=f"avatars {AVATAR_SIDE}²", kinds=AVATAR_KINDS, **paths)


def emoji(cache: Path) -> Task:
    """Google's emoji on white: few and very different pictures; a tenth of them held out."""
    train, heldout, _ = _zips(cache, "emoji")
    if not (train.exists() and heldout.exists()):
        pictures = list(read_emoji(_fetch_emoji(cache)))
        held = pictures[::EMOJI_HELDOUT_EVERY]
        learned = [p for i, p in enumerate(pictures) if i % EMOJI_HELDOUT_EVERY]
        for path, chosen in ((train, learned), (heldout, held)):
            with write_dataset(path) as writer:
                for picture in chosen:
                    writer.add(png_bytes(picture))
                writer.finish(
                    {
                        "labels": None,
                        "licence": "Apache 2.0",
                        "attribution": f"Noto Emoji by Google, from npm's {EMOJI_PACKAGE}",
                    }
                )
    return Task(name="c", title="emoji 64²", train=train, heldout=heldout)


def read_emoji(package: Path) -> Iterable[Image.Image]:
    """The pictures of a package (tgz), drawn on white, in the order of their names."""
    with tarfile.open(package) as archive:
        members = [m for m in archive.getmembers() if m.name.startswith(EMOJI_FOLDER)]
        for member in sorted(members, key=lambda m: m.name):
            file = archive.extractfile(member)
            if file is None or not member.name.endswith(".png"):
                continue
            with Image.open(io.BytesIO(file.read()), formats=("PNG",)) as picture:
                canvas = Image.new("RGBA", picture.size, "white")
                canvas.alpha_composite(picture.convert("RGBA"))
            yield canvas.convert("RGB")


def _fetch_emoji(cache: Path) -> Path:
    """The package as npm hands it out, in the cache."""
    package = cache / (EMOJI_PACKAGE.replace("@", "-") + ".tgz")
    if not package.exists():
        if shutil.which("npm") is None:
            raise WspaceError("npm is missing, which fetches the emoji: apt-get install npm.")
        cache.mkdir(parents=True, exist_ok=True)
        command = ["npm", "pack", EMOJI_PACKAGE, "--silent", "--pack-destination", str(cache)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0 or not package.exists():
            raise WspaceError(f"{' '.join(command)} failed: {done.stderr.strip()}")
    return package


def _zips(cache: Path, name: str) -> tuple[Path, Path, Path]:
    """Where the parts train, heldout and judged lie."""
    train, heldout, judged = (cache / f"{name}-{part}.zip" for part in AVATARS)
    return train, heldout, judged


TASKS: dict[str, Callable[[Path], Task]] = {"a": fashion, "b": avatars, "c": emoji}
