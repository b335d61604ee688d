"""``wspace data``: what the commands print, write and refuse."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from wspace.cli.main import main


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    assert isinstance(exit_.value.code, int)
    return exit_.value.code


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "pictures"
    for name, color in (("cats/1.png", "red"), ("dogs/2.jpg", "blue")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), color).save(root / name)
    return root


def test_avatars_build_inspect(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("dicebear")
    monkeypatch.chdir(tmp_path)
    faces, small = tmp_path / "faces.zip", tmp_path / "small.zip"
    drawing = ["--count", 4, "--size", 16, "--label-by", "top", "--option", "topVariant=hat"]
    assert run("data", "avatars", faces, *drawing) == 0
    assert "4 avataaars pictures of 16 x 16" in capsys.readouterr().err
    assert run("data", "build", faces, small, "--size", 8) == 0
    assert "4 pictures of 8 x 8" in capsys.readouterr().err
    assert run("data", "inspect", small, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["num_images"] == 4
    assert report["sizes"] == {"8 x 8": 4}
    assert report["classes"] == [{"number": 0, "name": "hat", "pictures": 4}]
    assert "avataaars.com" in report["licence"]
    assert Path(report["sheet"]) == tmp_path.resolve() / "small-sheet.png"
    with Image.open(report["sheet"]) as sheet:
        assert sheet.format == "PNG"


def test_build_names_what_it_left_out(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(25):
        (folder / f"cats/bad{number:02d}.png").write_text("no picture")
    out = tmp_path / "out.zip"
    assert run("data", "build", folder, out, "--size", 32, "--labels-from-folders") == 0
    printed = capsys.readouterr().err
    assert f"{out}: 2 pictures of 32 x 32" in printed
    assert "2 of them were smaller and have been enlarged" in printed
    assert "25 files could not be read and are left out:" in printed
    assert "cats/bad19.png: not a picture in a known format" in printed
    assert "bad20" not in printed
    assert "... and 5 more" in printed
    assert "    0  cats         1\n    1  dogs         1\n" in printed
    assert run("data", "inspect", out, "--sheet", tmp_path / "sheet.png") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "pictures     2" in lines
    table = ["  class  name  pictures", "      0  cats         1", "      1  dogs         1"]
    start = lines.index("classes      2") + 1
    assert lines[start : start + 3] == table
    assert "training     ready as it is" in lines


def test_build_says_what_is_no_picture_and_what_no_file_says(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import numpy as np

    (folder / "notes.txt").write_text("neither")
    values = np.array([[0, 200], [255, 100]], dtype=np.int32)
    Image.fromarray(values).save(folder / "dogs/deep.tiff")
    assert run("data", "build", folder, tmp_path / "out.zip", "--size", 8) == 0
    printed = capsys.readouterr().err
    assert "left out: .txt: 1" in printed
    assert "the largest is 255, so it is 255: if that is wrong, state the depth: --depth" in printed
    assert run("data", "build", folder, tmp_path / "out.zip", "--size", 8, "--depth", 16) == 0
    assert "state the depth" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["build", "FOLDER", "OUT", "--size", "8", "--depth", "10"], "depth 10 is unknown: give 8"),
        (["avatars", "OUT", "--style", "nobody"], "no style 'nobody'"),
        (["avatars", "OUT", "--size", "60"], "size 60 is no power of two"),
        (["avatars", "OUT", "--count", "many"], "'many' is not a valid integer"),
        (["avatars", "OUT", "--count", "9" * 20], "give a count from 1 to 10000000"),
        (["avatars", "OUT", "--option", "beard=1"], "no option 'beard'"),
        (["build", "FOLDER", "OUT", "--size", "100"], "size 100 is no power of two"),
        (["build", "FOLDER", "OUT", "--size", "8", "--background", "grue"], "'grue' is no colour"),
        (["build", "FOLDER", "OUT", "--size", "8", "--fit", "bend"], "'bend' is not one of"),
        (["build", "NOTHING", "OUT", "--size", "8"], "no such file or folder"),
        (["build", "EMPTY", "OUT", "--size", "8"], "no pictures in this folder"),
        (["inspect", "NOTHING"], "no such file or folder"),
        (["inspect", "EMPTY"], "no pictures in this folder"),
    ],
)
def test_wrong_input_ends_with_2_one_clear_line_and_no_file(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    (tmp_path / "empty").mkdir()
    places = {"OUT": tmp_path / "out.zip", "FOLDER": folder, "EMPTY": tmp_path / "empty"}
    places["NOTHING"] = tmp_path / "nothing"
    assert run("data", *[places.get(argument, argument) for argument in arguments]) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert "Traceback" not in printed.err
    assert printed.out == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "pictures"]


def test_the_commands_do_without_torch() -> None:
    code = (
        "import sys, wspace.cli.data, wspace.data.avatars, wspace.data.build, wspace.data.inspect; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_missing_extra_is_named(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['dicebear'] = None\n"
        "from wspace.cli.main import main; main(['data', 'avatars', sys.argv[1]])"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.zip")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "pip install 'wspace[avatars]'" in result.stderr
    assert len(result.stderr.splitlines()) == 1
