"""Building: any folder becomes a dataset, and nothing is dropped without a word."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from wspace.data.build import BuildConfig, Fit, build_dataset, fit_picture
from wspace.data.dataset import Dataset
from wspace.data.inspect import inspect_dataset
from wspace.errors import WspaceError
from wspace.sizes import Size

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def stripes() -> Image.Image:
    """32 x 16: the left and right quarters green, the middle half red."""
    picture = Image.new("RGB", (32, 16), GREEN)
    picture.paste(RED, (8, 0, 24, 16))
    return picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five pictures of five kinds, nested, and three files that are none."""
    root = tmp_path / "pictures"
    (root / "a/deep").mkdir(parents=True)
    (root / "b").mkdir()
    stripes().save(root / "a/1.bmp")
    Image.new("RGBA", (40, 40), (0, 0, 0, 0)).save(root / "a/deep/2.PNG")
    Image.fromarray(np.full((20, 20), 65535, np.uint16)).save(root / "b/3.tiff")
    Image.new("L", (8, 8), 0).save(root / "b/4.webp", lossless=True)
    Image.new("RGB", (16, 16), BLUE).save(root / "b/5.gif")
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 80).save(buffer, "jpeg")
    (root / "b/6.jpg").write_bytes(buffer.getvalue()[:1000])
    (root / "b/7.png").write_text("no picture")
    (root / "notes.txt").write_text("neither")
    return root


def test_a_folder_of_all_kinds_becomes_a_dataset(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.zip"
    steps: list[tuple[int, int]] = []
    report = build_dataset(
        folder, out, BuildConfig(size=16), progress=lambda *step: steps.append(step), workers=1
    )
    assert report.num_images == 5
    assert report.num_enlarged == 1  # the one of 8 x 8
    assert report.left_out == {".txt": 1}
    assert (report.image_channels, report.depth_notes) == (3, ())
    assert [name for name, _ in report.unreadable] == ["b/6.jpg", "b/7.png"]
    assert steps[-1] == (7, 7)
    dataset = Dataset.open(out)
    assert dataset.resolution == 16
    assert dataset.labels is None
    middle = dataset.images(range(5))[:, :, 8, 8].tolist()
    assert middle == [list(RED), list(WHITE), list(WHITE), [0, 0, 0], list(BLUE)]


@pytest.mark.slow
def test_processes_give_the_bytes_of_one(folder: Path, tmp_path: Path) -> None:
    for number in range(80):
        Image.new("RGB", (9 + number, 20), (number, 0, 0)).save(folder / f"{number}.png")
    config = BuildConfig(size=8)
    for name, workers in (("a.zip", 1), ("b.zip", 3)):
        build_dataset(folder, tmp_path / name, config, workers=workers)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def grey_folder(root: Path) -> Path:
    root.mkdir()
    Image.new("L", (20, 10), 100).save(root / "1.png")
    Image.new("LA", (10, 20), (100, 0)).save(root / "2.png")
    Image.new("1", (16, 16), 1).save(root / "3.tiff")
    return root


@pytest.mark.parametrize("fit", ["crop", "pad", "squash"])
def test_grey_pictures_stay_grey(tmp_path: Path, fit: Fit) -> None:
    folder, out = grey_folder(tmp_path / "grey"), tmp_path / "out.zip"
    report = build_dataset(folder, out, BuildConfig(size=8, fit=fit), workers=1)
    assert report.image_channels == 1
    assert Dataset.open(out).image_channels == 1
    assert Dataset.open(out).images(range(3))[:, 0, 4, 4].tolist() == [100, 255, 255]


def test_one_colour_makes_all_colour(tmp_path: Path) -> None:
    folder, out = grey_folder(tmp_path / "grey"), tmp_path / "out.zip"
    red = BuildConfig(size=8, background="red")  # shows behind the transparent one
    assert build_dataset(folder, out, red, workers=1).image_channels == 3
    assert Dataset.open(out).images([1])[0, :, 4, 4].tolist() == list(RED)
    Image.new("RGB", (8, 8), BLUE).save(folder / "4.png")
    assert build_dataset(folder, out, BuildConfig(size=8), workers=1).image_channels == 3
    with zipfile.ZipFile(out) as archive:
        pictures = [name for name in archive.namelist() if name.endswith(".png")]
        modes = {Image.open(archive.open(name)).mode for name in pictures}
    assert modes == {"RGB"}  # as the official tools want them


def test_built_pictures_hold_pixels_only(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    folder = tmp_path / "in"
    folder.mkdir()
    Image.new("RGB", (8, 8), RED).save(folder / "1.png", icc_profile=profile, dpi=(72, 72))
    Image.new("RGB", (8, 8), RED).save(folder / "2.jpg", icc_profile=profile, comment="hello")
    build_dataset(folder, tmp_path / "out.zip", BuildConfig(size=8), workers=1)
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        for name in archive.namelist()[:2]:
            content = archive.read(name)
            assert Image.open(io.BytesIO(content)).info == {}
            assert len(content) < 100


def test_one_depth_holds_for_all_pictures_of_a_build_and_is_said(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out.zip"
    folder.mkdir()
    for name, value in (("1", 51), ("2", 255)):
        Image.fromarray(np.full((8, 8), value, dtype=np.int32)).save(folder / f"{name}.tiff")
    report = build_dataset(folder, out, BuildConfig(size=8), workers=1)
    assert Dataset.open(out).images([0, 1])[:, 0, 0, 0].tolist() == [51, 255]
    assert len(report.depth_notes) == 1
    assert "2 pictures hold numbers of 32 bits" in report.depth_notes[0]
    Image.fromarray(np.full((8, 8), 4095, dtype=np.int32)).save(folder / "3.tiff")
    build_dataset(folder, out, BuildConfig(size=8), workers=1)
    assert Dataset.open(out).images(range(3))[:, 0, 0, 0].tolist() == [3, 16, 255]
    stated = build_dataset(folder, out, BuildConfig(size=8, depth=8), workers=1)
    assert stated.depth_notes == ()
    assert [name for name, _ in stated.unreadable] == ["3.tiff"]
    with pytest.raises(WspaceError, match="does not say which one is white"):
        Dataset.open(folder)


def test_12_bits_in_16_are_noticed(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out.zip"
    folder.mkdir()
    Image.fromarray(np.full((8, 8), 3000, dtype=np.uint16)).save(folder / "1.png")
    report = build_dataset(folder, out, BuildConfig(size=8), workers=1)
    assert "1 pictures of 16 bits hold no number above 3000" in report.depth_notes[0]
    stated = build_dataset(folder, out, BuildConfig(size=8, depth=12), workers=1)
    assert stated.depth_notes == ()
    assert Dataset.open(out).images([0])[0, 0, 0, 0] == round(3000 * 255 / 4095)
    Image.fromarray(np.full((8, 8), 5000, dtype=np.uint16)).save(folder / "2.png")
    assert build_dataset(folder, out, BuildConfig(size=8), workers=1).depth_notes == ()


def test_fits() -> None:
    def corners(fit: str, background: str = "white") -> list[object]:
        config = BuildConfig(size=16, fit=fit, background=background)  # type: ignore[arg-type]
        fitted = fit_picture(stripes(), config)
        assert fitted.size == (16, 16)
        return [fitted.getpixel(at) for at in ((0, 0), (0, 8), (8, 8))]

    assert corners("crop") == [RED, RED, RED]
    assert corners("squash") == [GREEN, GREEN, RED]
    assert corners("pad") == [WHITE, GREEN, RED]
    assert corners("pad", "#0000ff") == [BLUE, GREEN, RED]


def test_a_hair_thin_picture_is_padded() -> None:
    thin = fit_picture(Image.new("RGB", (4000, 1), RED), BuildConfig(size=16, fit="pad"))
    assert thin.size == (16, 16)
    assert (
        RED in thin.get_flattened_data() if hasattr(thin, "get_flattened_data") else thin.getdata()
    )


def test_strict_stops_at_the_first_unreadable_picture(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(WspaceError, match=r"b/6\.jpg cannot be read"):
        build_dataset(folder, tmp_path / "out.zip", BuildConfig(size=16), strict=True, workers=1)
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]


def test_labels_from_folders(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.zip"
    build_dataset(folder, out, BuildConfig(size=8), labels_from_folders=True, workers=1)
    dataset = Dataset.open(out)
    assert dataset.labels is not None
    assert dataset.labels.tolist() == [0, 0, 1, 1, 1]
    inspected = inspect_dataset(out, workers=1).classes
    assert inspected is not None
    assert inspected.table() == [
        "class  name  pictures",
        "    0  a            2",
        "    1  b            3",
    ]
    (folder / "8.png").write_bytes((folder / "a/deep/2.PNG").read_bytes())
    with pytest.raises(WspaceError, match=r"8\.png lies in no sub-folder"):
        build_dataset(folder, out, BuildConfig(size=8), labels_from_folders=True, workers=1)


def test_a_dataset_built_again_keeps_labels_and_licence(tmp_path: Path) -> None:
    first, second = tmp_path / "first.zip", tmp_path / "second.zip"
    labels = [["x/b.png", 0], ["x/a.png", 4], ["x/broken.png", 2]]
    with zipfile.ZipFile(first, "w") as archive:
        for name in ("x/a.png", "x/b.png"):
            buffer = io.BytesIO()
            Image.new("RGB", (32, 32), RED).save(buffer, "png")
            archive.writestr(name, buffer.getvalue())
        archive.writestr("x/broken.png", b"no picture")
        archive.writestr("dataset.json", json.dumps({"labels": labels, "licence": "CC0"}))
    report = build_dataset(first, second, BuildConfig(size=8), workers=1)
    assert len(report.unreadable) == 1
    dataset = Dataset.open(second)
    assert dataset.licence == "CC0"
    assert dataset.labels is not None
    assert dataset.labels.tolist() == [1, 0]
    assert dataset.class_names == ("0", "4")
    with pytest.raises(WspaceError, match="is the source itself"):
        build_dataset(first, first, BuildConfig(size=8))


def test_attributes_go_with_their_pictures(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out.zip"
    (folder / "x").mkdir(parents=True)
    values = ["red", "\ud800 half a character", 5]
    for number, color in enumerate((RED, GREEN, BLUE)):
        Image.new("RGB", (32, 32), color).save(folder / f"x/{number}.png")
    (folder / "x/1.png").write_text("no picture")
    attributes = {f"{number}.png": {"kind": value} for number, value in enumerate(values)}
    attributes["2.png"]["more"] = values[1]
    (folder / "x/dataset.json").write_text(json.dumps({"attributes": attributes}))
    report = build_dataset(folder, out, BuildConfig(size=8), workers=1)
    assert report.remarks == ()
    assert report.classes is None
    found = Dataset.open(out).attributes
    assert found is not None
    assert found.values == {"kind": ('"red"', "5"), "more": (json.dumps(values[1]), "null")}
    assert found.codes.tolist() == [[0, 3], [1, 2]]


def test_odd_names_are_built_and_keep_their_labels(tmp_path: Path) -> None:
    path, out = tmp_path / "in.zip", tmp_path / "out.zip"
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), RED).save(buffer, "png")
    names = ["a\\10:30.png", "./e\u0301.png", "plain.png"]
    labels = [["a/10:30.png", 2], ["\u00e9.png", 1], [".\\plain.png", 1]]
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, buffer.getvalue())
        archive.writestr("./dataset.json", json.dumps({"labels": labels}))
    assert build_dataset(path, out, BuildConfig(size=8), workers=1).unreadable == ()
    classes = Dataset.open(out).classes
    assert classes is not None
    assert (classes.labels.tolist(), classes.names) == ([0, 1, 0], ("1", "2"))
    assert inspect_dataset(path, workers=1).unreadable == ()


@pytest.mark.parametrize("size", [0, -8, 4, 60, 100, 8192])
def test_sizes_that_are_no_small_block_doubled_are_refused(size: int) -> None:
    with pytest.raises(WspaceError, match=f"size {size} is no power of two"):
        BuildConfig(size=size)


@pytest.mark.parametrize(
    ("size", "proposed"), [((60, 100), "96x64"), ((8, 4), "8"), ((1080, 1920), "2048x1024")]
)
def test_rectangles_that_no_network_makes_are_refused_with_one_that_fits(
    size: tuple[int, int], proposed: str
) -> None:
    with pytest.raises(WspaceError, match=f"give {proposed}, for instance"):
        BuildConfig(size=size)


@pytest.mark.parametrize(
    ("fit", "colors"),
    [
        ("crop", [RED, RED, RED]),  # 32 x 16 to 16 x 24: the middle third
        ("pad", [WHITE, RED, WHITE]),
        ("squash", [GREEN, RED, GREEN]),
    ],
)
def test_pictures_become_rectangles(fit: Fit, colors: list[tuple[int, int, int]]) -> None:
    made = fit_picture(stripes(), BuildConfig(size=(24, 16), fit=fit))
    assert made.size == (16, 24)
    places = [(1, 12), (8, 12), (14, 12)] if fit == "squash" else [(8, 2), (8, 12), (8, 21)]
    found = np.array([made.getpixel(place) for place in places])
    np.testing.assert_allclose(found, colors, atol=2)  # Lanczos rings a little


def test_a_rectangle_of_the_right_shape_is_scaled_alone(tmp_path: Path) -> None:
    Image.new("RGB", (48, 32), RED).save(tmp_path / "a.png")
    (tmp_path / "in").mkdir()
    (tmp_path / "a.png").rename(tmp_path / "in/a.png")
    out = tmp_path / "out.zip"
    report = build_dataset(tmp_path / "in", out, BuildConfig(size=(16, 24)), workers=1)
    assert report.num_enlarged == 0
    with Dataset.open(out) as dataset:
        assert (dataset.size, dataset.resolution) == (Size(16, 24), (16, 24))
        assert dataset.images([0]).shape == (1, 3, 16, 24)
    assert BuildConfig(size=Size(16, 16)) == BuildConfig(size=16)


def test_wrong_colours_are_refused() -> None:
    with pytest.raises(WspaceError, match="'grue' is no colour"):
        BuildConfig(size=8, background="grue")


def test_nothing_to_build_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(WspaceError, match="no pictures"):
        build_dataset(tmp_path / "in", tmp_path / "out.zip", BuildConfig(size=8))
    (tmp_path / "in/a.png").write_text("no picture")
    with pytest.raises(WspaceError, match=r"none of the 1 pictures can be read; a\.png"):
        build_dataset(tmp_path / "in", tmp_path / "out.zip", BuildConfig(size=8))
    with pytest.raises(WspaceError, match=r"does not end in \.zip"):
        build_dataset(tmp_path / "in", tmp_path / "out.png", BuildConfig(size=8))
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize("room", [0, 100, 700, 2000])
def test_a_full_disk_leaves_no_half_written_zip(folder: Path, tmp_path: Path, room: int) -> None:
    resource = pytest.importorskip("resource")
    out = tmp_path / "out.zip"
    out.write_bytes(b"the old one")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    (tmp_path / "plenty").mkdir()
    for number in range(20):
        Image.effect_noise((16, 16), 90).save(tmp_path / f"plenty/{number}.png")
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        with pytest.raises(WspaceError, match=r"cannot write .*out\.zip"):
            build_dataset(tmp_path / "plenty", out, BuildConfig(size=16), workers=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert out.read_bytes() == b"the old one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.zip", "pictures", "plenty"]


# -- alpha


def stickers(root: Path) -> Path:
    """A red disc's square, half of it transparent with a colour that nobody sees; an opaque one."""
    root.mkdir()
    picture = Image.new("RGBA", (32, 32), (255, 0, 0, 255))
    picture.paste((0, 255, 0, 0), (16, 0, 32, 32))
    picture.save(root / "1.png")
    Image.new("RGB", (32, 32), BLUE).save(root / "2.png")
    return root


def test_alpha_is_kept_and_the_dataset_says_so(tmp_path: Path) -> None:
    out = tmp_path / "out.zip"
    report = build_dataset(stickers(tmp_path / "in"), out, BuildConfig(size=16, alpha="keep"))
    assert report.image_channels == 4
    with zipfile.ZipFile(out) as archive:
        assert json.loads(archive.read("dataset.json"))["alpha"] == "keep"
        modes = [Image.open(io.BytesIO(archive.read(n))).mode for n in archive.namelist()[:2]]
        assert modes == ["RGBA", "RGB"]  # what is opaque needs no alpha in the file
    dataset = Dataset.open(out)
    assert dataset.image_channels == 4
    sticker, opaque = dataset.images([0, 1])
    assert sticker[:, 8, 4].tolist() == [255, 0, 0, 255]
    assert sticker[:, 8, 12].tolist() == [0, 0, 0, 0]
    assert opaque[:, 8, 8].tolist() == [0, 0, 255, 255]
    assert Dataset.open(out, image_channels=3).images([0])[0, :, 8, 12].tolist() == [255, 255, 255]
    assert inspect_dataset(out).alpha == "kept"


def test_hidden_colours_do_not_bleed_into_what_is_seen(tmp_path: Path) -> None:
    out = tmp_path / "out.zip"
    build_dataset(stickers(tmp_path / "in"), out, BuildConfig(size=8, alpha="keep"))
    sticker = Dataset.open(out).images([0])[0]  # (4, 8, 8)
    assert 0 < sticker[3].float().mean() < 255
    assert not sticker[1:3].any()  # red on the edge, too, and never the hidden green
    assert not sticker[:, sticker[3] == 0].any()


def test_by_default_pictures_are_laid_on_a_colour(tmp_path: Path) -> None:
    out = tmp_path / "out.zip"
    config = BuildConfig(size=16, background="blue")
    assert build_dataset(stickers(tmp_path / "in"), out, config).image_channels == 3
    assert Dataset.open(out).image_channels == 3
    assert Dataset.open(out).images([0])[0, :, 8, 12].tolist() == [0, 0, 255]


def test_a_dataset_that_keeps_alpha_is_built_again_with_it_unless_told(tmp_path: Path) -> None:
    kept = tmp_path / "kept.zip"
    build_dataset(stickers(tmp_path / "in"), kept, BuildConfig(size=16, alpha="keep"))
    again = build_dataset(kept, tmp_path / "again.zip", BuildConfig(size=8))
    laid = build_dataset(kept, tmp_path / "laid.zip", BuildConfig(size=8, alpha="lay"))
    assert (again.image_channels, laid.image_channels) == (4, 3)
    assert Dataset.open(tmp_path / "laid.zip").image_channels == 3


def test_padding_is_transparent_where_alpha_is_kept(tmp_path: Path) -> None:
    config = BuildConfig(size=16, fit="pad", background="red", alpha="keep")
    wide = fit_picture(Image.new("RGB", (32, 16), BLUE), config)
    assert wide.mode == "RGBA"
    assert wide.getpixel((8, 1)) == (0, 0, 0, 0)
    assert wide.getpixel((8, 8)) == (*BLUE, 255)
    assert fit_picture(Image.new("RGB", (32, 32), BLUE), config).mode == "RGB"


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3)])
def test_pictures_without_alpha_keep_their_own_channels(
    tmp_path: Path, mode: str, channels: int
) -> None:
    (tmp_path / "in").mkdir()
    Image.new(mode, (16, 16), "grey").save(tmp_path / "in" / "1.png")
    Image.new("RGBA", (16, 8), (9, 9, 9, 255)).convert(mode).save(tmp_path / "in" / "2.png")
    out = tmp_path / "out.zip"
    report = build_dataset(tmp_path / "in", out, BuildConfig(size=8, alpha="keep"))
    assert report.image_channels == Dataset.open(out).image_channels == channels


def test_alpha_that_is_cropped_away_is_gone(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (64, 16), (9, 9, 9, 0))
    picture.paste((9, 9, 9, 255), (16, 0, 48, 16))
    assert fit_picture(picture, BuildConfig(size=8, alpha="keep")).mode == "RGB"


def test_an_unknown_way_with_alpha_is_refused() -> None:
    with pytest.raises(WspaceError, match="alpha 'drop' is unknown: give lay or keep"):
        BuildConfig(size=8, alpha="drop")  # type: ignore[arg-type]
