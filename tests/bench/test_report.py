"""What `bench` measures, on networks small enough to measure quickly."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from wspace.bench import hardware, report
from wspace.bench.hardware import measure_peaks
from wspace.bench.report import BenchConfig, BenchReport, bench
from wspace.bench.training import measure_training
from wspace.errors import WspaceError
from wspace.formats.model_file import save
from wspace.networks.build import build_discriminator
from wspace.networks.config import DiscriminatorConfig
from wspace.networks.generator import Generator
from wspace.networks.presets import preset
from wspace.training.config import TrainConfig
from wspace.training.context import SECTIONS

# Other stages, and pictures that are changed for the discriminator, which `bench` trains without.
NOT_MEASURED = {"r2", "reconstruction", "flow", "matching", "augment"}


@pytest.fixture(scope="module")
def short() -> Iterator[pytest.MonkeyPatch]:
    patch = pytest.MonkeyPatch()
    patch.setattr(report, "SECONDS", 0.01)
    patch.setattr(report, "PEAK_SECONDS", 0.0)
    patch.setattr(report, "FIRST_PICTURES", 1)
    patch.setattr(hardware, "CONVOLUTIONS", ((16, 8), (8, 16)))
    patch.setitem(hardware.MATRIX_SIDE, "cpu", 128)
    yield patch
    patch.undo()


@pytest.fixture(scope="module")
def measured(
    short: pytest.MonkeyPatch, tiny_generator: Generator, tmp_path_factory: pytest.TempPathFactory
) -> BenchReport:
    path = tmp_path_factory.mktemp("bench") / "tiny.safetensors"
    judge = build_discriminator(
        DiscriminatorConfig(architecture="adain", resolution=16, channels=(8, 8, 4))
    )
    save(tiny_generator, path, discriminator=judge)
    return bench(BenchConfig(model=str(path), batches=(1, 3), train_batch=4, device="cpu"))


def test_all_is_measured_and_is_plain_data(measured: BenchReport) -> None:
    data = json.loads(json.dumps(measured.to_dict()))
    assert data["model"]["name"] == "tiny.safetensors"
    assert data["first_picture_seconds"] > 0.1  # a whole process
    assert [(g["precision"], g["batch"]) for g in data["generation"]][:2] == [
        ("fp32", 1),
        ("fp32", 3),
    ]
    assert all(0 < g["p50_seconds"] <= g["p95_seconds"] for g in data["generation"])
    assert data["training"][0]["batch"] == 4
    assert data["machine"]["threads"] == torch.get_num_threads()
    assert all(0 < e["share_of_peak"] < 1 for e in data["generation"] + data["training"])


def test_a_section_takes_no_longer_than_the_step(measured: BenchReport) -> None:
    (training, *_) = measured.training
    assert set(training.section_seconds) == set(SECTIONS) - {
        "discriminator: generate",  # images are made once, for the generator
        "path length",
        *NOT_MEASURED,
    }
    assert set(training.regularizer_seconds) == {"r1"}
    assert all(seconds > 0 for seconds in training.section_seconds.values())


def test_what_is_left_out_is_said(measured: BenchReport) -> None:
    assert any(line.startswith("what is compiled") for line in measured.skipped)
    assert ("bf16" in {g.precision for g in measured.generation}) != any(
        line.startswith("bf16") for line in measured.skipped
    )


def test_operations_a_second_follow_from_pictures_a_second(measured: BenchReport) -> None:
    for speed in measured.generation:
        expected = speed.pictures_per_second * measured.model["gflop_per_picture"]
        assert speed.gflops == pytest.approx(expected)


def test_a_training_step_takes_several_times_the_operations_of_a_picture() -> None:
    networks = preset("compact", resolution=8)
    plain = {"batch_size": 4, "precision": "fp32", "compile": "off", "device": "cpu"}
    config = TrainConfig(discriminator="preset", **plain)
    speed = measure_training(networks, config, seconds=0.0)
    not_lazy = TrainConfig(discriminator="preset", r1_interval=1, **plain)
    every_step = measure_training(networks, not_lazy, seconds=0.0)
    assert every_step.regularizer_seconds == {}  # it is in the plain step
    assert every_step.gflop_per_picture > 1.2 * speed.gflop_per_picture > 0


def test_path_length_is_a_section_where_it_is_on() -> None:
    config = TrainConfig(
        discriminator="preset",
        generations=2,
        batch_size=4,
        precision="fp32",
        compile="off",
        device="cpu",
        path_length_weight=2.0,
    )
    speed = measure_training(preset("compact", resolution=8), config, seconds=0.0)
    assert set(speed.section_seconds) == set(SECTIONS) - NOT_MEASURED
    assert set(speed.regularizer_seconds) == {"r1", "path length"}


def test_peaks_name_each_operation_once(short: pytest.MonkeyPatch) -> None:
    peaks = measure_peaks("fp32", torch.device("cpu"), seconds=0.0)
    assert [peak.operation for peak in peaks] == [
        "conv 3x3 16 at 8²",
        "conv 3x3 8 at 16²",
        "matrix 128²",
    ]
    assert all(peak.gflops > 0 and peak.cpu_gflops for peak in peaks)


def test_a_model_without_a_discriminator_is_generated_with_only(
    short: pytest.MonkeyPatch, tiny_model: Path
) -> None:
    measured = bench(BenchConfig(model=str(tiny_model), batches=(2,), device="cpu"))
    assert measured.training == []
    assert any("no discriminator" in line for line in measured.skipped)


def test_a_model_and_a_preset_exclude_each_other() -> None:
    with pytest.raises(WspaceError, match="exclude each other"):
        BenchConfig(model="avatars", preset="compact")
