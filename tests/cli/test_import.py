"""``wspace import``: what it writes, prints and refuses."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from tiny_generators import make_tiny_generator

from wspace.cli.main import main
from wspace.formats.model_file import load_model_file
from wspace.formats.official.convert import name_classes

FIXTURES = Path(__file__).parents[1] / "fixtures"


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    assert isinstance(exit_.value.code, int)
    return exit_.value.code


@pytest.mark.parametrize(
    ("name", "images", "generation"),
    [
        ("stylegan1-tiny", "out/images_psi1", "StyleGAN1 (adain)"),
        ("sg2ada-tiny", "out/images_const", "StyleGAN2 (demodulated)"),
        ("sg3-t-tiny", "out/images", "StyleGAN3 (alias-free)"),
    ],
)
def test_the_model_file_makes_the_official_pictures(
    name: str, images: str, generation: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "model.safetensors"
    assert run("import", FIXTURES / f"{name}.pkl", out, "--with-discriminator") == 0
    said = capsys.readouterr().out
    assert generation in said
    assert "32 x 32 pixels" in said
    assert "discriminator of " in said
    model = load_model_file(out)
    assert model.discriminator is not None
    assert model.metadata["imported_network"] == "G_ema"
    tensors = load_file(FIXTURES / f"{name}.safetensors")
    ours, theirs = model.generator(tensors["in/z"]), tensors[images]
    assert (ours - theirs).abs().max() <= 1e-4 * theirs.std()
    with Image.open(tmp_path / "model.png") as sheet:
        assert sheet.width > 4 * 32


def test_json_names_what_was_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, sheet = tmp_path / "plain.safetensors", tmp_path / "samples.png"
    source = FIXTURES / "sg2ada-tiny.pkl"
    assert run("import", source, out, "--network", "G", "--sheet", sheet, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["imported_network"] == "G"
    assert found["resolution"] == 32
    assert found["sheet"] == str(sheet)
    assert sheet.exists()
    assert not (tmp_path / "plain.png").exists()
    model = load_model_file(out)
    assert model.discriminator is None
    assert set(found["parameters"]) == {"mapping", "synthesis"}
    assert sum(found["parameters"].values()) == sum(
        parameter.numel() for parameter in model.generator.parameters()
    )
    tensors = load_file(FIXTURES / "sg2ada-tiny.safetensors")
    theirs = tensors["out/G_images_const"]
    torch.testing.assert_close(model.generator(tensors["in/z"][:2]), theirs, atol=1e-4, rtol=1e-4)


def test_no_sheet_draws_none(tmp_path: Path) -> None:
    out = tmp_path / "model.safetensors"
    assert run("import", FIXTURES / "stylegan1-tiny.pkl", out, "--no-sheet") == 0
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


class Hostile:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> object:
        return open, (str(self.canary), "w")


def test_a_hostile_file_is_refused_in_one_line_and_nothing_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, canary = tmp_path / "hostile.pkl", tmp_path / "canary"
    source.write_bytes(pickle.dumps({"G_ema": Hostile(canary)}))
    assert run("import", source, tmp_path / "model.safetensors") == 2
    error = capsys.readouterr().err
    assert "io.open" in error
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["hostile.pkl"]


def test_wrong_arguments_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = FIXTURES / "stylegan1-tiny.pkl"
    assert run("import", source, tmp_path / "model.pkl") == 2
    assert "ends in .safetensors" in capsys.readouterr().err
    out = tmp_path / "model.safetensors"
    assert run("import", source, out, "--no-sheet", "--sheet", tmp_path / "a.png") == 2
    assert "exclude each other" in capsys.readouterr().err
    assert run("import", tmp_path / "missing.pkl", out) == 2
    assert "cannot read" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_names_of_classes_must_fit_the_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "names.txt").write_text("boot\nbag\n")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    official = FIXTURES / "stylegan1-tiny.pkl"
    for name, says in (
        ("names.txt", "class_names has 2 names for 0 classes"),
        ("binary.txt", "is no text in UTF-8"),
        ("none.txt", "cannot read"),
    ):
        out = tmp_path / "model.safetensors"
        assert run("import", official, out, "--class-names", tmp_path / name) == 2
        err = capsys.readouterr().err
        assert says in err
        assert err.count("\n") == 1
        assert not out.exists()


def test_an_imported_model_learns_the_names_of_its_classes(tmp_path: Path) -> None:
    generator = make_tiny_generator(0, num_classes=2)
    (tmp_path / "names.txt").write_text("\ufeffboot\n  hand bag \n\n")
    name_classes(generator, tmp_path / "names.txt")
    assert generator.class_names == ("boot", "hand bag")
