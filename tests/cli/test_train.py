"""``wspace train``: its options, old and new, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_run import make_data, make_model

from wspace.cli.progress import describe_seconds
from wspace.cli.train import _line
from wspace.training.config import TrainConfig, options
from wspace.training.context import StepResult
from wspace.training.run.clock import Progress
from wspace.training.run.folder import read_config

Run = Callable[..., Any]


@pytest.fixture
def tiny(tmp_path: Path) -> list[object]:
    """Arguments of a run of two steps."""
    make_data(tmp_path / "data")
    make_model(tmp_path / "start.safetensors")
    return [
        "train", tmp_path / "data", "--from", tmp_path / "start.safetensors", "--kimg", 0.008,
        "--out", tmp_path / "runs", "--device", "cpu", "--set", "batch_size=4",
        "--set", "precision=fp32",
    ]  # fmt: skip


def config_of(folder: Path) -> TrainConfig:
    (run,) = (folder / "runs").iterdir()
    saved = read_config(run)
    saved.pop("fingerprint")
    return TrainConfig.from_dict(saved)


def test_any_option_can_be_set_by_its_name(
    run_wspace: Run, tiny: list[object], tmp_path: Path
) -> None:
    ran = run_wspace(*tiny, "--set", "r1_gamma=1.5", "--set", "average.ramp=none")
    assert ran.status == 0, ran.err
    config = config_of(tmp_path)
    assert (config.adversarial.r1_gamma, config.average.ramp, config.batch_size) == (1.5, None, 4)


def test_library_and_command_have_the_same_defaults(
    run_wspace: Run, tiny: list[object], tmp_path: Path
) -> None:
    for preset in ("compact", "paper", "stylegan2"):
        ran = run_wspace(*tiny, "--preset", preset, "--dry-run")
        assert ran.status == 0, ran.err
        facts = dict(line.split(maxsplit=1) for line in ran.out.splitlines() if " " in line)
        library = TrainConfig(preset=preset, total_kimg=0.008)
        for name in ("adversarial.learning_rate", "adversarial.r1_interval", "average.ramp"):
            part, _, field = name.partition(".")
            assert facts[name] == str(getattr(getattr(library, part), field)), (preset, name)


def test_options_come_from_a_file_and_the_command_line_wins(
    run_wspace: Run, tiny: list[object], tmp_path: Path
) -> None:
    file = tmp_path / "run.toml"
    file.write_text("mirror = true\nr1_gamma = 3.0\n\n[average]\nhalf_life_kimg = 2\n")
    ran = run_wspace(*tiny, "--config", file, "--set", "r1_gamma=4")
    assert ran.status == 0, ran.err
    config = config_of(tmp_path)
    assert config.mirror
    assert config.adversarial.r1_gamma == 4.0
    assert config.average.half_life_kimg == 2.0


def test_options_of_the_first_version_still_work_and_say_the_new_form(
    run_wspace: Run, tiny: list[object], tmp_path: Path
) -> None:
    ran = run_wspace(*tiny, "--r1-gamma", 1.25, "--ema-kimg", 3, "--learning-rate", 0.001)
    assert ran.status == 0, ran.err
    assert "--r1-gamma is now --set r1_gamma=1.25" in ran.err
    assert "--ema-kimg is now --set half_life_kimg=3.0" in ran.err
    config = config_of(tmp_path)
    assert config.adversarial.r1_gamma == 1.25
    assert config.average.half_life_kimg == 3.0
    assert config.adversarial.learning_rate == 0.001


def test_every_option_is_listed_with_its_meaning(run_wspace: Run) -> None:
    ran = run_wspace("train", "--options")
    assert ran.status == 0
    for name, option in options().items():
        assert option.meaning, name
        assert f"\n{name} " in f"\n{ran.out}"
        assert option.meaning in ran.out


def test_help_fits_on_one_screen(run_wspace: Run) -> None:
    ran = run_wspace("train", "--help")
    assert len(ran.out.splitlines()) <= 30
    assert all(len(line) <= 100 for line in ran.out.splitlines())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "r1_gama=1"], "'r1_gama' is no option of training"),
        (["--set", "r1_gamma"], "'r1_gamma' sets nothing: write NAME=VALUE"),
        (["--set", "r1_gamma=much"], "adversarial.r1_gamma='much' is no number"),
        (["--set", "r1_gamma=-1"], "adversarial.r1_gamma=-1"),
        (["--set", "kimg=1"], "give one of reconstruction.kimg, matching.kimg"),
        (["--set", "augment=fixed"], "give augment_strength, such as 0.2"),
        (["--set", "augment_strength=0.2"], "is not used with augment=auto"),
        (["--minutes", "5"], "give one, a time or a number of images"),
        (["--config", "nowhere.toml"], "cannot read nowhere.toml"),
        (["--preset", "huge"], "preset='huge' is unknown"),
    ],
)
def test_a_wrong_option_is_one_line_and_leaves_nothing(
    run_wspace: Run, tiny: list[object], tmp_path: Path, arguments: list[str], said: str
) -> None:
    ran = run_wspace(*tiny, *arguments)
    assert ran.status == 2
    assert said in ran.err
    assert len(ran.err.strip().splitlines()) == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_a_place_that_cannot_hold_runs_is_said_before_pictures_are_looked_at(
    run_wspace: Run, tmp_path: Path, options: list[str]
) -> None:
    (tmp_path / "file").touch()
    out = tmp_path / "file/runs"
    ran = run_wspace("train", tmp_path / "nowhere", "--out", out, "--minutes", 1, *options)
    file = tmp_path / "file"
    assert ran.status == 2
    assert ran.err == f"wspace: cannot write into {out}: {file} is a file: choose another place.\n"


def test_a_file_that_is_no_toml_is_refused(
    run_wspace: Run, tiny: list[object], tmp_path: Path
) -> None:
    (tmp_path / "run.toml").write_text("mirror = maybe")
    ran = run_wspace(*tiny, "--config", tmp_path / "run.toml")
    assert ran.status == 2
    assert "is no TOML" in ran.err


def test_grey_pictures_make_a_grey_network(run_wspace: Run, tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "grey").mkdir()
    for i in range(8):
        Image.new("L", (8, 8), 30 * i).save(tmp_path / "grey" / f"{i}.png")
    ran = run_wspace("train", tmp_path / "grey", "--kimg", 0.008, "--set", "batch_size=4", "--out",
                     tmp_path / "runs", "--device", "cpu")  # fmt: skip
    assert ran.status == 0, ran.err
    (run,) = (tmp_path / "runs").iterdir()
    shown = run_wspace("generate", run, "--seeds", "0-1", "--out", tmp_path / "out", "--json")
    assert shown.status == 0, shown.err
    with Image.open(tmp_path / "out" / "seed0000.png") as picture:
        assert picture.mode == "L"
    assert json.loads((run / "config.json").read_text())["image_channels"] == 1


def test_the_line_says_how_long_the_run_waits_for_data() -> None:
    last = StepResult(losses={"generator": 1.0}, finite=True)
    assert "waiting for data 25%  " in _line(Progress(kimg=1, last=last, waiting=0.25))
    assert "waiting" not in _line(Progress(kimg=1, last=last, waiting=0.004))


def test_the_line_says_how_often_pictures_are_changed(run_wspace: Run, tmp_path: Path) -> None:
    make_data(tmp_path / "data")
    ran = run_wspace(
        "train", tmp_path / "data", "--kimg", 0.004, "--set", "batch_size=4", "--device", "cpu",
        "--set", "discriminator=preset", "--set", "reconstruction.share=0",
        "--set", "matching.share=0", "--set", "augment=fixed",
        "--set", "augment_strength=0.25", "--out", tmp_path / "runs",
    )  # fmt: skip
    assert ran.status == 0, ran.err
    assert "changed 25%" in ran.err


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "?"),
        (50, "50 s"),
        (61, "1 min"),
        (3599, "1 h 0 min"),
        (15360, "4 h 16 min"),
        (2.5 * 86400, "2 days 12 h"),
    ],
)
def test_times_say_their_units(seconds: float | None, said: str) -> None:
    assert describe_seconds(seconds) == said
