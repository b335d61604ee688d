"""Datasets: what opens, what is refused, labels, caching, and the exactly resumable order."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from wspace.data.dataset import Dataset
from wspace.data.source import PictureSource
from wspace.errors import WspaceError


def png(size: int | tuple[int, int] = 16, color: Any = (255, 0, 0), mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    shape = (size, size) if isinstance(size, int) else size
    Image.new(mode, shape, color).save(buffer, "png")
    return buffer.getvalue()


def write_zip(path: Path, files: dict[str, bytes], labels: Any = None, **extra: Any) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        if labels is not None or extra:
            archive.writestr("dataset.json", json.dumps({"labels": labels, **extra}))
    return path


@pytest.fixture
def official_zip(tmp_path: Path) -> Path:
    """Twelve pictures in the official layout; picture i has red = 20 * i and class i % 3."""
    names = [f"{i // 4:05d}/img{i:08d}.png" for i in range(12)]
    files = {name: png(16, (20 * i, 0, 255)) for i, name in enumerate(names)}
    labels = [[name, i % 3] for i, name in enumerate(names)]
    return write_zip(tmp_path / "faces.zip", files, labels[::-1], licence="CC0", style="shapes")


def test_an_official_zip_opens_with_its_labels(official_zip: Path) -> None:
    dataset = Dataset.open(official_zip)
    assert (len(dataset), dataset.resolution, dataset.image_channels) == (12, 16, 3)
    assert dataset.name == "faces"
    assert (dataset.licence, dataset.style, dataset.attribution) == ("CC0", "shapes", None)
    assert dataset.image_names[5] == "00001/img00000005.png"
    assert dataset.labels is not None
    assert dataset.labels.dtype == np.int64
    assert dataset.labels.tolist() == [0, 1, 2] * 4
    assert dataset.num_classes == 3
    assert dataset.class_names is None
    assert dataset.one_hot([1, 5]).tolist() == [[0, 1, 0], [0, 0, 1]]


def test_a_dataset_knows_what_its_classes_are_called(tmp_path: Path) -> None:
    files, labels = {"a.png": png(8), "b.png": png(8)}, [["a.png", 1], ["b.png", 0]]
    named = write_zip(tmp_path / "named.zip", files, labels, classes=["boot", "coat"])
    assert Dataset.open(named).class_names == ("boot", "coat")
    unlabelled = write_zip(tmp_path / "unlabelled.zip", files, classes=["boot", "coat"])
    assert Dataset.open(unlabelled).class_names is None


@pytest.mark.parametrize("budget", [0, 12 * 3 * 16 * 16 - 1, 12 * 3 * 16 * 16])
def test_images_are_the_pictures_asked_for_with_any_budget(official_zip: Path, budget: int) -> None:
    dataset = Dataset.open(official_zip, memory_budget=budget)
    assert dataset.fits_in_memory == (budget == 12 * 3 * 16 * 16)
    images = dataset.images([3, 0, 3])
    assert images.dtype == torch.uint8
    assert images.shape == (3, 3, 16, 16)
    assert images[:, :, 7, 7].tolist() == [[60, 0, 255], [0, 0, 255], [60, 0, 255]]
    many = dataset.images(np.arange(12))
    assert many[:, 0, 0, 0].tolist() == [20 * i for i in range(12)]


def test_changing_a_returned_batch_leaves_the_data_alone(official_zip: Path) -> None:
    dataset = Dataset.open(official_zip)
    dataset.images(range(12)).zero_()
    assert dataset.images([11])[0, 0, 0, 0] == 220


def test_threads_read_the_same_pictures(official_zip: Path) -> None:
    for budget in (0, 1 << 20):
        dataset = Dataset.open(official_zip, memory_budget=budget)
        with ThreadPoolExecutor(8) as pool:
            batches = list(pool.map(lambda i, d=dataset: d.images([i % 12]), range(96)))
        assert [int(batch[0, 0, 0, 0]) for batch in batches] == [20 * (i % 12) for i in range(96)]


@pytest.mark.parametrize("budget", [0, 1 << 20])
def test_prepared_pictures_are_the_ones_asked_for(official_zip: Path, budget: int) -> None:
    dataset = Dataset.open(official_zip, memory_budget=budget)
    for prepared, asked in (([3, 5, 3], [3, 5, 3]), ([1, 2], [2, 7, 2]), (range(12), range(12))):
        dataset.prepare(prepared)
        found = dataset.images(asked)[:, 0, 0, 0]
        assert found.tolist() == [20 * i for i in asked]
    dataset.prepare([0])
    dataset.close()  # with work under way


def test_preparing_decodes_each_picture_once(
    official_zip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []
    original = Dataset._decode

    def counting(self: Dataset, index: int) -> Any:
        decoded.append(index)
        return original(self, index)

    monkeypatch.setattr(Dataset, "_decode", counting)
    dataset = Dataset.open(official_zip)
    for batch in ([0, 1], [2, 3], [0, 1]):
        dataset.prepare(batch)
        dataset.images(batch)
    assert sorted(decoded) == [0, 1, 2, 3]


def test_a_damaged_picture_is_an_error_where_it_is_asked_for(tmp_path: Path) -> None:
    for name in ("1.png", "2.png"):
        (tmp_path / name).write_bytes(png(8))
    dataset = Dataset.open(tmp_path)
    (tmp_path / "1.png").unlink()
    dataset.prepare([0, 1])
    assert dataset.images([1]).shape == (1, 3, 8, 8)
    with pytest.raises(WspaceError, match=r"1\.png cannot be read"):
        dataset.images([0])


def test_a_source_travels_to_another_process(official_zip: Path) -> None:
    source = PictureSource(official_zip)
    source.head(source.entries[0].name)
    copy = pickle.loads(pickle.dumps(source))
    assert copy.read(copy.entries[2].name, 1 << 20) == source.read(source.entries[2].name, 1 << 20)


def test_preload_reports_progress_and_finds_a_damaged_picture(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    path = write_zip(tmp_path / "a.zip", {f"{i}.png": png(8) for i in range(3)})
    Dataset.open(path).preload(lambda done, total: steps.append((done, total)))
    assert steps == [(3, 3)]
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    noise.save(buffer, "jpeg")
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut/whole.jpg").write_bytes(buffer.getvalue())
    (tmp_path / "cut/torn.jpg").write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    with pytest.raises(WspaceError, match=r"torn\.jpg cannot be decoded.*data build"):
        Dataset.open(tmp_path / "cut").preload()


def test_a_nested_folder_opens_and_skips_what_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "b/c").mkdir(parents=True)
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "b/c/2.png").write_bytes(png(8, 7, mode="L"))
    (tmp_path / "b/1.PNG").write_bytes(png(8))
    (tmp_path / ".hidden/3.png").write_bytes(png(16))
    (tmp_path / "b/._1.png").write_bytes(b"shadow")
    (tmp_path / "readme.txt").write_text("no picture")
    dataset = Dataset.open(tmp_path)
    assert dataset.image_names == ("b/1.PNG", "b/c/2.png")
    assert dataset.name == tmp_path.name
    assert dataset.images([1])[0, :, 0, 0].tolist() == [7, 7, 7]
    assert dataset.labels is None
    assert dataset.num_classes == 0
    assert dataset.one_hot([0, 1]).shape == (2, 0)


def test_the_fingerprint_tells_changed_data(official_zip: Path, tmp_path: Path) -> None:
    first = Dataset.open(official_zip).fingerprint
    assert Dataset.open(official_zip).fingerprint == first
    with zipfile.ZipFile(official_zip) as archive:
        files = {i.filename: archive.read(i) for i in archive.infolist()}
    labels = json.loads(files.pop("dataset.json"))["labels"]
    last = sorted(files)[-1]
    fewer = {name: content for name, content in files.items() if name != last}
    same_size = {**files, last: files[last][:-1] + b"\xff"}
    other_labels = [[name, 1] for name, _ in labels]
    assert Dataset.open(write_zip(tmp_path / "1.zip", files, labels)).fingerprint == first
    changed = {
        Dataset.open(write_zip(tmp_path / "2.zip", fewer, labels)).fingerprint,
        Dataset.open(write_zip(tmp_path / "3.zip", same_size, labels)).fingerprint,
        Dataset.open(write_zip(tmp_path / "4.zip", files, other_labels)).fingerprint,
        Dataset.open(write_zip(tmp_path / "5.zip", files)).fingerprint,
    }
    assert len(changed | {first}) == 5


def test_a_folder_whose_picture_changes_has_another_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(png(8, (1, 2, 3)))
    first = Dataset.open(tmp_path).fingerprint
    (tmp_path / "1.png").write_bytes(png(8, (1, 2, 4)))
    assert Dataset.open(tmp_path).fingerprint != first


def test_pictures_that_vanish_or_change_under_a_run_are_named(tmp_path: Path) -> None:
    for name in ("1.png", "2.png"):
        (tmp_path / name).write_bytes(png(8))
    dataset = Dataset.open(tmp_path)
    (tmp_path / "1.png").unlink()
    (tmp_path / "2.png").write_bytes(png(16))
    with pytest.raises(WspaceError, match=r"1\.png cannot be read"):
        dataset.images([0])
    with pytest.raises(WspaceError, match=r"2\.png cannot be decoded \(now 16 x 16\)"):
        dataset.images([1])


def test_other_sizes_are_refused_with_the_line_that_helps(tmp_path: Path) -> None:
    mixed = write_zip(tmp_path / "mixed.zip", {"a.png": png(64), "b.png": png(32)})
    with pytest.raises(WspaceError, match=r"b\.png is 32 x 32, but a\.png is 64 x 64.*"):
        Dataset.open(mixed)
    wide = write_zip(tmp_path / "wide.zip", {"a.png": png((100, 70))})
    line = f"wspace data build {wide} wide-64.zip --size 64"
    with pytest.raises(WspaceError, match=f"a.png is 100 x 70.*{line}"):
        Dataset.open(wide)
    spaced = write_zip(tmp_path / "my faces.zip", {"a.png": png((100, 70))})
    with pytest.raises(WspaceError, match=f"wspace data build '{spaced}' 'my faces-64.zip'"):
        Dataset.open(spaced)
    with pytest.raises(WspaceError, match=r"is 4 x 4.*--size 8"):
        Dataset.open(write_zip(tmp_path / "small.zip", {"a.png": png(4)}))


def test_rectangles_are_read_with_their_height_and_width(tmp_path: Path) -> None:
    tall = Image.new("RGB", (64, 96), (9, 9, 9))
    tall.paste((200, 0, 0), (0, 0, 64, 48))
    tall.save(tmp_path / "tall.png")
    on_its_side = tall.rotate(90, expand=True)  # as a phone saves what was taken upright
    exif = Image.Exif()
    exif[0x0112] = 6
    on_its_side.save(tmp_path / "turned.webp", lossless=True, exif=exif)
    with Dataset.open(tmp_path) as dataset:
        assert (dataset.size, dataset.resolution) == ((96, 64), (96, 64))
        images = dataset.images([0, 1])
        assert images.shape == (2, 3, 96, 64)
        assert images[0].equal(images[1])
        assert images[0, :, 0, 0].tolist() == [200, 0, 0]
        assert images[0, :, 95, 0].tolist() == [9, 9, 9]


def test_shapes_that_no_network_makes_are_refused_with_one_that_keeps_them(tmp_path: Path) -> None:
    wide = write_zip(tmp_path / "wide.zip", {"a.png": png((100, 60))})
    with pytest.raises(WspaceError, match=r"--size 32 \(--size 96x64 keeps their shape\)"):
        Dataset.open(wide)
    turned = write_zip(tmp_path / "turned.zip", {"a.png": png((96, 64)), "b.png": png((64, 96))})
    with pytest.raises(WspaceError, match=r"b\.png is 64 x 96, but a\.png is 96 x 64"):
        Dataset.open(turned)


BAD_LABELS = [
    ([["a.png", 0]], r"b\.png has no label \(1 of 2"),
    ([["a.png", 0.5], ["b.png", 0]], r"a\.png is 0\.5: classes are whole numbers"),
    ([["a.png", True], ["b.png", 0]], "whole numbers"),
    ([["a.png", -1], ["b.png", 0]], "whole numbers"),
    ([["a.png", 10**12], ["b.png", 0]], "whole numbers"),
    ([["a.png", [0, 1]], ["b.png", [1, 0]]], "whole numbers"),
    ([["a.png", 0], ["b.png", 0], ["a.png", 1]], r"a\.png has two labels, 0 and 1"),
    ({"a.png": 0, "b.png": 1}, "not a dict"),
    (["a.png"], "is not .name, class"),
    ([], r"2 of 2"),
]


@pytest.mark.parametrize(("labels", "message"), BAD_LABELS)
def test_bad_labels_are_refused_where_they_are_asked_for(
    tmp_path: Path, labels: Any, message: str
) -> None:
    path = write_zip(tmp_path / "a.zip", {"a.png": png(8), "b.png": png(8)}, labels)
    dataset = Dataset.open(path)
    assert dataset.images([0, 1]).shape == (2, 3, 8, 8)
    for ask in (
        lambda: dataset.labels,
        lambda: dataset.num_classes,
        lambda: dataset.class_names,
        lambda: dataset.one_hot([0]),
    ):
        with pytest.raises(WspaceError, match=rf"a\.zip: dataset\.json: .*{message}.*--no-labels"):
            ask()


def test_bad_labels_count_in_the_fingerprint(tmp_path: Path) -> None:
    files = {"a.png": png(8), "b.png": png(8)}
    told = [labels for labels, _ in BAD_LABELS] + [None, [["a.png", 0], ["b.png", 0]]]
    found = {
        Dataset.open(write_zip(tmp_path / f"{k}.zip", files, labels)).fingerprint
        for k, labels in enumerate(told)
    }
    assert len(found) == len(told)


def test_a_class_without_pictures_has_no_number(tmp_path: Path) -> None:
    files = {"a.png": png(8), "b.png": png(8), "c.png": png(8)}
    labels = [["a.png", 2], ["b.png", 1], ["c.png", 2]]
    dataset = Dataset.open(write_zip(tmp_path / "a.zip", files, labels))
    assert dataset.num_classes == 2
    assert dataset.class_names == ("1", "2")
    assert dataset.one_hot([0, 1, 2]).tolist() == [[0, 1], [1, 0], [0, 1]]
    before = dataset.fingerprint
    dataset.keep_class_numbers()
    assert (dataset.num_classes, dataset.class_names) == (3, None)
    assert dataset.one_hot([0, 1]).tolist() == [[0, 0, 1], [0, 1, 0]]
    assert dataset.fingerprint != before


@pytest.mark.parametrize("where", [1000, 20_000, -1])
@pytest.mark.parametrize("kind", ["bmp", "tiff"])
def test_a_change_anywhere_in_a_file_is_noticed(tmp_path: Path, kind: str, where: int) -> None:
    data = tmp_path / "data"
    data.mkdir()
    path = data / f"1.{kind}"
    Image.effect_noise((256, 256), 80).save(path)
    Image.effect_noise((256, 256), 80).save(data / f"2.{kind}")
    first = Dataset.open(data).fingerprint
    assert Dataset.open(data).fingerprint == first
    content = bytearray(path.read_bytes())
    assert len(content) > 40_000
    content[where] ^= 1
    status = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert Dataset.open(data).fingerprint != first


def test_the_fingerprints_that_earlier_versions_recorded_are_known(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "b").mkdir(parents=True)
    (data / "b/1.png").write_bytes(png(8, (1, 2, 3)))
    with Image.effect_noise((8, 8), 80) as noise:
        noise.save(data / "a.bmp")
    labels = [["a.bmp", 3], ["b/1.png", 1]]
    (data / "dataset.json").write_text(json.dumps({"labels": labels}))
    contents = [(data / name).read_bytes() for name in ("a.bmp", "b/1.png")]
    heads = hashlib.sha256(b"".join(content[: 16 << 10] for content in contents)).hexdigest()
    expected = hashlib.sha256(heads.encode())
    for name, content in zip(("a.bmp", "b/1.png"), contents, strict=True):
        expected.update(f"{name}\0{len(content)}\0None\n".encode())
    expected.update(np.array([3, 1], dtype="<i8").tobytes())
    dataset = Dataset.open(data)
    without_gaps = dataset.fingerprint
    dataset.keep_class_numbers()
    assert dataset.earlier_fingerprint == expected.hexdigest()
    assert dataset.fingerprint == expected.hexdigest()  # such small files were read whole
    assert without_gaps != expected.hexdigest()


def test_alpha_of_any_data_is_kept_where_it_is_asked_for(tmp_path: Path) -> None:
    files = {"a.png": png(16, (255, 0, 0, 0), "RGBA"), "b.png": png(16, (50, 128), "LA"),
             "c.png": png(16, 9, "L")}  # fmt: skip
    path = write_zip(tmp_path / "data.zip", files)
    assert Dataset.open(path).image_channels == 3
    dataset = Dataset.open(path, image_channels=4)
    found = dataset.images(range(3))
    assert found.shape == (3, 4, 16, 16)
    assert found[:, :, 3, 3].tolist() == [[0, 0, 0, 0], [50, 50, 50, 128], [9, 9, 9, 255]]
    small = Dataset.open(path, memory_budget=0, image_channels=4)
    assert torch.equal(small.images(range(3)), found)


@pytest.mark.parametrize("alpha", ["lay", 7, None, ["keep"]])
def test_only_what_was_built_with_alpha_is_opened_with_it(tmp_path: Path, alpha: Any) -> None:
    path = write_zip(tmp_path / "data.zip", {"a.png": png(16, (9, 9, 9, 9), "RGBA")}, alpha=alpha)
    assert Dataset.open(path).image_channels == 3
