"""``wspace measure``: what it prints, writes and refuses."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from labelled_pictures import write_shades
from PIL import Image
from tiny_dinov2 import dinov2_weights

from wspace.cli.main import main
from wspace.formats.model_file import save
from wspace.metrics import judge
from wspace.metrics.table import METRICS, titles
from wspace.networks.build import build_generator
from wspace.networks.presets import preset

NUM = 8


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as exit_:
        main(["measure", *(str(argument) for argument in arguments)])
    assert isinstance(exit_.value.code, int)
    return exit_.value.code


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        generator = build_generator(preset("compact", resolution=16)[0])
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save(generator, path)
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("data"), seed=0)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.getbasetemp() / "cache"  # shared: pictures are measured once
    monkeypatch.setenv("WSPACE_CACHE", str(folder))
    return folder / "features"


def write_pictures(folder: Path, seed: int, side: int = 16) -> Path:
    draws = np.random.RandomState(seed)
    for i in range(NUM):
        pixels = draws.randint(0, 256, (side, side, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return folder


def test_labels_do_not_matter_to_a_model_without_classes(
    model: Path, data: Path, tmp_path: Path
) -> None:
    shutil.copytree(data, tmp_path / "data")
    labels = [[f"{i}.png", [0.5, 0.5]] for i in range(NUM)]
    (tmp_path / "data/dataset.json").write_text(json.dumps({"labels": labels}))
    assert run(model, tmp_path / "data", "--num", 5, "--metrics", "fd", "--no-cache") == 0


def test_classes_are_drawn_by_the_names_that_the_data_gives_them(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = preset("compact", resolution=16, num_classes=2)[0]
        generator = build_generator(dataclasses.replace(config, class_names=("coat", "boot")))
    save(generator, tmp_path / "classes.safetensors")

    def fd(label: int, *classes: str) -> float:
        folder = tmp_path / "-".join(map(str, (label, *classes)))
        shutil.copytree(data, folder)
        told = {"labels": [[f"{i}.png", label] for i in range(NUM)], "classes": list(classes)}
        (folder / "dataset.json").write_text(json.dumps(told))
        options = ["--num", 5, "--metrics", "fd", "--no-cache", "--json"]
        assert run(tmp_path / "classes.safetensors", folder, *options) == 0
        return float(json.loads(capsys.readouterr().out)["fd_lite"])

    assert fd(0, "boot") == fd(1, "coat", "boot")  # and not the model's class 0
    (tmp_path / "0-boot/dataset.json").write_text(
        json.dumps({"labels": [[f"{i}.png", 0] for i in range(NUM)], "classes": ["hat"]})
    )
    assert run(tmp_path / "classes.safetensors", tmp_path / "0-boot", "--num", 5) == 2
    assert "class hat, which is none of the model's 2" in capsys.readouterr().err


def test_json_holds_the_figures_and_how_they_were_made(
    model: Path, data: Path, capsys: pytest.CaptureFixture[str], cache: Path
) -> None:
    arguments = [model, data, "--num", 5, "--first-seed", 7, "--psi", 0.5, "--json"]
    assert run(*arguments) == 0
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert report["fd_lite"] > 1
    assert 0 <= report["precision"] <= 1
    assert 0 <= report["recall"] <= 1
    assert (report["num"], report["real_num"]) == (5, NUM)
    assert (report["first_seed"], report["psi"]) == (7, 0.5)
    assert (report["model"], report["data"]) == (str(model), str(data))
    assert report["extractor"].startswith("efficientnet-lite0")
    assert [line.split(" are ")[0] for line in report["warnings"]] == ["8 pictures", "5 pictures"]
    assert err.count("warning: ") == 2
    assert len(list(cache.iterdir())) == 1

    assert run(*arguments, "--metrics", "pr", "--batch-size", 2) == 0  # real ones from the cache
    again = json.loads(capsys.readouterr().out)
    assert "fd_lite" not in again
    assert (again["precision"], again["recall"]) == (report["precision"], report["recall"])


def test_the_printed_report_names_the_distance_lite(
    model: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(model, data, "--num", 4, "--metrics", "fd", "--no-cache") == 0
    out = capsys.readouterr().out
    assert "4 pictures from seed 0 on, psi 1, against 8 of" in out
    assert "FD (lite)" in out
    assert "FID" not in out
    assert "precision" not in out


def test_neighbours_are_shown_beside_generated_pictures(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heldout = write_pictures(tmp_path, seed=1)
    sheet = tmp_path / "out" / "sheet.png"
    options = ["--num", 5, "--metrics", "pr", "--neighbours", sheet, "--train", data]
    assert run(model, heldout, *options, "--json") == 0
    found = json.loads(capsys.readouterr().out)["neighbours"]
    assert (found["train"], found["sheet"]) == (str(data), str(sheet))
    for key in ("generated_to_train", "unseen_to_train"):
        values = found[key]
        assert 0 < values["closest"] <= values["first_percentile"] <= values["median"]
    with Image.open(sheet) as image:
        assert image.height == 5 * (128 + 31) + 123  # five rows; title and labels

    assert run(model, data, "--num", 5, "--metrics", "pr", "--neighbours", sheet) == 0
    assert "unseen" not in capsys.readouterr().out


def test_a_memorised_picture_lies_at_no_distance(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # The same pictures as training data and as unseen data: what a leak would look like.
    copied = write_pictures(tmp_path, seed=0)
    options = ["--num", 4, "--metrics", "pr", "--neighbours", tmp_path / "a.png", "--train", data]
    assert run(model, copied, *options, "--json") == 0
    values = json.loads(capsys.readouterr().out)["neighbours"]["unseen_to_train"]
    assert values == {"median": 0, "first_percentile": 0, "closest": 0}


def test_pictures_of_any_program_are_measured_too(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = write_pictures(tmp_path, seed=2)
    sheet = tmp_path / "out" / "sheet.png"
    options = ["--metrics", "fd,kid,pr,dc,distinct", "--neighbours", sheet, "--json"]
    assert run(pictures, data, *options) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["num"], report["real_num"]) == (NUM, NUM)
    assert "psi" not in report
    assert report["resize"] == "scaled to 224² (bicubic, antialiased)"
    assert {"fd_lite", "kd_lite", "precision", "density", "distinct"} <= set(report)
    assert sheet.exists()
    assert run(pictures, data, "--metrics", "fd,ppl") == 2
    assert "metric 'ppl' needs a model" in capsys.readouterr().err
    assert run(pictures, data, "--psi", 0.5) == 2
    assert "--psi is for models" in capsys.readouterr().err


def test_all_metrics_are_measured_in_one_command(
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(judge, "SEEN", 10 * judge.BATCH)
    data = write_shades(tmp_path / "data.zip", 60, attributes=True)
    labelled = write_shades(tmp_path / "labelled.zip", 90, seed=1, attributes=True)
    options = ["--num", 8, "--metrics", ",".join(METRICS), "--plots", tmp_path / "plots"]
    assert run(model, data, *options, "--labelled", labelled, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert set(titles(METRICS, "lite")) <= set(report)
    assert set(report["attributes"]) == {"colour", "shade"}
    assert report["attributes"]["shade"]["real"]["dark"] == pytest.approx(2 / 3, abs=0.1)
    assert report["judge"]["unclear"] == ["luck"]
    assert set(report["separability"]["shade"]) == {"entropy", "z", "w"}
    assert report["real_num"] == 60
    for path in report["plots"]:
        with Image.open(path) as plot:
            assert plot.width > 400

    assert run(model, data, "--num", 8, "--metrics", "separability,attributes") == 0
    out = capsys.readouterr().out
    assert re.search(r"shade: off by \d\.\d+ \(by chance \d\.\d+\)", out)
    assert "separability w (judge)" in out


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_a_program_that_is_not_inception_is_refused(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "inception-2015-12-05.pt"
    torch.jit.script(torch.nn.Identity()).save(str(script))
    assert run(model, data, "--extractor", "inception", "--weights", script) == 2
    assert "is not the Inception network of FID" in capsys.readouterr().err


def test_dinov2_sees_with_weights_that_are_given(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "dinov2.safetensors"
    safetensors.torch.save_file(dinov2_weights(), weights)
    options = ["--num", 5, "--metrics", "fd", "--extractor", "dinov2", "--weights", weights]
    assert run(model, data, *options) == 0
    out = capsys.readouterr().out
    assert "dinov2: 64 features, pictures scaled to 64² (bicubic, antialiased)" in out
    assert "FD (dinov2)" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--metrics", "attributes"], "says nothing of its pictures"),
        (["--labelled", "x.zip"], "--labelled x.zip is read for separability, attributes"),
        (["--plots", "plots"], "--plots plots shows attributes and mixing"),
        (["--extractor", "dinov2"], "comes without weights: give weights of a DINOv2 ViT"),
        (["--weights", "a.pt"], "extractor 'lite' has weights of its own"),
        (["--metrics", "fid"], "metric 'fid' is unknown"),
        (["--num", 3, "--metrics", "pr"], "3 generated pictures have no 3-th nearest neighbours"),
        (["--num", 1], "1 is not in the range x>=2"),
        (["--real-num", 9], "9 pictures of .* were asked for, it has 8"),
        (["--psi", "nan"], "psi=nan is outside"),
        (["--psi", "abc"], "'abc' is not a valid float"),
        (["--seed", 2**32], "seed=4294967296 is outside"),
        (["--first-seed", 2**32 - 6], "5000 seeds from 4294967290 on pass .* begin at 4294962296"),
        (["--neighbours", "/dev/null/sheet.png"], "/dev/null is a file: choose another place"),
        (["--train", "x.zip"], "--train x.zip is only read with --neighbours"),
        (["--neighbours", "sheet.txt"], "names no kind of picture"),
        (["--device", "abacus"], "device='abacus'"),
    ],
)
def test_wrong_input_is_told_in_a_line(
    model: Path,
    data: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[object],
    message: str,
) -> None:
    assert run(model, data, *arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert re.search(message, err)


def test_draws_that_cannot_be_made_are_refused_before_the_model_is_looked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for wrong in (["--first-seed", 2**32 - 6], ["--psi", "nan"]):
        assert run(tmp_path / "no model", tmp_path / "no data", *wrong) == 2
        assert "no model" not in capsys.readouterr().err


def test_without_a_home_folder_features_are_not_kept(
    model: Path, data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("WSPACE_CACHE")
    monkeypatch.setattr("wspace.files.Path.home", unknown)
    assert run(model, data, "--num", 4, "--metrics", "fd", "--json") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["num"] == 4
    (line,) = [line for line in err.splitlines() if "WSPACE_CACHE" in line]
    assert line.startswith("warning: there is no home folder to keep features of datasets in")


def test_data_of_another_resolution_is_refused(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(model, write_pictures(tmp_path, seed=0, side=32)) == 2
    assert "makes pictures of 16 x 16 pixels" in capsys.readouterr().err


def test_help_does_not_load_torch() -> None:
    code = (
        "import sys; from wspace.cli.main import main\n"
        "try: main(['measure', '--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
