"""A run that was interrupted and resumed is, bit for bit, the one that never was."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_run import (
    BATCH,
    difference,
    differences_of_runs,
    log_without_times,
    make_config,
    make_data,
    make_model,
    newest,
)
from torch import Tensor

from wspace.errors import WspaceError
from wspace.formats.model_file import load, load_model_file
from wspace.machine import compiler_at_hand
from wspace.training import loop
from wspace.training.config import TrainConfig
from wspace.training.run.folder import read_config
from wspace.training.state import StepResult, TrainingState


class Killed(BaseException):
    """Ends a run as a power cut does: nothing is saved on the way out."""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def killed_after(steps: int) -> Callable[[loop.Progress], None]:
    left = steps

    def report(progress: loop.Progress) -> None:
        nonlocal left
        if progress.last is not None:
            left -= 1
            if left == 0:
                raise Killed

    return report


def run_and_kill(config: TrainConfig, out: Path, kills: list[int]) -> Path:
    """A run killed after so many steps, and again after so many more, and then finished."""
    with pytest.raises(Killed):
        loop.start(config, out, killed_after(kills[0]))
    (run,) = out.iterdir()
    for steps in kills[1:]:
        with pytest.raises(Killed):
            loop.resume(run, killed_after(steps))
    assert loop.resume(run).reason == "done"
    return run


def assert_resumes_exactly(tmp_path: Path, kills: list[int], **changes: Any) -> None:
    config = make_config(tmp_path, **changes)
    straight = loop.start(config, tmp_path / "straight").run
    resumed = run_and_kill(config, tmp_path / "killed", kills)
    assert differences_of_runs(straight, resumed) == []
    # The comparison itself notices one step more.
    loop.resume(resumed, total_kimg=config.total_kimg + BATCH / 1000)
    assert difference(newest(straight), newest(resumed)) != ""


def test_fp32(tmp_path: Path) -> None:
    assert_resumes_exactly(tmp_path, [7, 3, 8])


def test_bf16(tmp_path: Path) -> None:
    assert_resumes_exactly(tmp_path, [8], precision="bf16")


def test_path_length_classes_and_a_demodulated_network(tmp_path: Path) -> None:
    make_data(tmp_path / "data")
    labels = '{"labels": [' + ", ".join(f'["{i:02}.png", {i % 2}]' for i in range(10)) + "]}"
    (tmp_path / "data" / "dataset.json").write_text(labels)
    make_model(tmp_path / "start.safetensors", "demodulated", num_classes=2)
    assert_resumes_exactly(
        tmp_path,
        [3],
        steps=6,
        labels=True,
        path_length_weight=2.0,
        path_length_interval=2,
        checkpoint_kimg=2 * BATCH / 1000,
    )


def test_a_projected_discriminator(tmp_path: Path) -> None:
    assert_resumes_exactly(
        tmp_path,
        [3],
        steps=6,
        discriminator="projected",
        learning_rate_d=0.001,
        r1_gamma=0.0,
        checkpoint_kimg=2 * BATCH / 1000,
    )


def test_pictures_with_alpha_in_all_stages(tmp_path: Path) -> None:
    random = np.random.RandomState(0)
    (tmp_path / "data").mkdir()
    for i in range(10):
        pixels = random.randint(0, 256, (8, 8, 4), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "data" / f"{i:02}.png")
    make_model(tmp_path / "start.safetensors", image_channels=4)
    assert_resumes_exactly(
        tmp_path,
        [3, 4],
        steps=10,
        image_channels=4,
        discriminator="projected",
        learning_rate_d=0.001,
        r1_gamma=1.0,
        r1_interval=2,
        reconstruction_weight=1.0,
        pretraining_kimg=3 * BATCH / 1000,
        matching_kimg=3 * BATCH / 1000,
        checkpoint_kimg=2 * BATCH / 1000,
    )


def test_rectangles_in_all_stages(tmp_path: Path) -> None:
    make_data(tmp_path / "data", size=(8, 12))
    make_model(tmp_path / "start.safetensors", resolution=(8, 12))
    assert_resumes_exactly(
        tmp_path,
        [3, 4],
        steps=10,
        discriminator="projected",
        learning_rate_d=0.001,
        r1_gamma=1.0,
        r1_interval=2,
        reconstruction_weight=1.0,
        pretraining_kimg=3 * BATCH / 1000,
        matching_kimg=3 * BATCH / 1000,
        checkpoint_kimg=2 * BATCH / 1000,
    )


@pytest.mark.parametrize("architecture", ["adain", "demodulated"])
def test_rectangles_with_penalties_on_gradients(tmp_path: Path, architecture: str) -> None:
    make_data(tmp_path / "data", size=(12, 8))
    make_model(tmp_path / "start.safetensors", architecture, resolution=(12, 8))
    assert_resumes_exactly(
        tmp_path,
        [3],
        steps=6,
        r1_interval=2,
        path_length_weight=2.0,
        path_length_interval=2,
        checkpoint_kimg=2 * BATCH / 1000,
    )
    (run,) = (tmp_path / "straight").iterdir()
    made, before = load(run), load(tmp_path / "start.safetensors")
    assert made.size == (12, 8)
    for (name, tensor), old in zip(made.named_parameters(), before.parameters(), strict=True):
        assert tensor.isfinite().all(), name
        assert name.startswith("synthesis.to_rgb.0") or not tensor.equal(old), name


def test_the_rule_of_thumb_for_r1_counts_the_pixels_of_a_rectangle() -> None:
    config = TrainConfig(batch_size=32, r1_gamma=None)
    assert config.r1_gamma_for((64, 96)) == pytest.approx(0.0002 * 64 * 96 / 32)
    assert config.r1_gamma_for(64) == config.r1_gamma_for((64, 64))


def test_an_encoder(tmp_path: Path) -> None:
    assert_resumes_exactly(
        tmp_path,
        [3],
        steps=6,
        reconstruction_weight=10.0,
        pretraining_kimg=4 * BATCH / 1000,  # killed before it ends
        checkpoint_kimg=2 * BATCH / 1000,
    )
    (run,) = (tmp_path / "straight").iterdir()
    kept = load_model_file(run, encoder=True).encoder
    assert kept is not None
    learned = newest(run)["state"]["autoencoder"]
    for name, tensor in kept.state_dict().items():
        assert torch.equal(tensor, learned[f"encoder.{name}"].half().float())


def test_attributes(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    own = {picture.name: {"hair": i % 3, "hat": i % 2} for i, picture in enumerate(data.iterdir())}
    metadata = data / "dataset.json"
    metadata.write_text(json.dumps({"labels": None, "attributes": own}))
    assert_resumes_exactly(
        tmp_path,
        [3, 2],
        steps=7,
        attributes=True,
        reconstruction_weight=10.0,
        pretraining_kimg=2 * BATCH / 1000,
        matching_kimg=2 * BATCH / 1000,
        checkpoint_kimg=1 * BATCH / 1000,
    )
    (run,) = (tmp_path / "straight").iterdir()
    kept = load_model_file(run, encoder=True).encoder
    assert kept is not None
    assert kept(torch.zeros(1, 3, 8, 8)).shape == (1, 8)  # it needs no attributes


def test_changed_attributes_are_another_data(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    own = {picture.name: {"hair": i % 3} for i, picture in enumerate(sorted(data.iterdir()))}
    metadata = data / "dataset.json"
    metadata.write_text(json.dumps({"attributes": own}))
    config = make_config(tmp_path, steps=1, attributes=True, reconstruction_weight=10.0)
    run = loop.start(config, tmp_path / "runs").run
    own["00.png"] = {"hair": 2}
    metadata.write_text(json.dumps({"attributes": own}))
    with pytest.raises(WspaceError, match="is not the data"):
        loop.resume(run, total_kimg=1.0)


def test_each_picture_comes_with_its_own_attributes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for i in range(10):
        Image.new("RGB", (8, 8), (20 * i,) * 3).save(data / f"{i:02}.png")
    own = {f"{i:02}.png": {"grey": i} for i in range(10)}
    (data / "dataset.json").write_text(json.dumps({"attributes": own}))
    seen: list[tuple[int, int]] = []

    class Watched(TrainingState):
        def run(self, real: Tensor, c: Any, values: Any = None, which: Any = None) -> StepResult:
            grey = ((real.mean(dim=(1, 2, 3)) + 1) * 127.5 / 20).round()
            seen.extend(zip(grey.int().tolist(), values[:, 0].tolist(), strict=True))
            return super().run(real, c, values, which)

    monkeypatch.setattr("wspace.training.session.TrainingState", Watched)
    config = make_config(tmp_path, steps=5, attributes=True, reconstruction_weight=10.0)
    loop.start(config, tmp_path / "runs")
    assert len(seen) == 5 * BATCH
    assert all(grey == value for grey, value in seen)
    assert len(set(seen)) > 5


def test_attributes_are_asked_for_where_there_are_none(tmp_path: Path) -> None:
    config = make_config(tmp_path, attributes=True, reconstruction_weight=10.0)
    with pytest.raises(WspaceError, match="no attributes that tell its pictures apart"):
        loop.start(config, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_flow(tmp_path: Path) -> None:
    assert_resumes_exactly(
        tmp_path,
        [3, 2],
        steps=6,
        reconstruction_weight=10.0,
        pretraining_kimg=2 * BATCH / 1000,
        matching_kimg=2 * BATCH / 1000,
        checkpoint_kimg=1 * BATCH / 1000,
    )


def test_a_part_may_last_longer_and_the_run_goes_back_to_it(tmp_path: Path) -> None:
    parts = {"pretraining_kimg": BATCH / 1000, "matching_kimg": 2 * BATCH / 1000}
    config = make_config(tmp_path, steps=4, reconstruction_weight=10.0, **parts)
    run = loop.start(config, tmp_path / "runs").run
    before = newest(run)["state"]
    assert int(before["flow"]["made"]) > 0
    loop.resume(run, pretraining_kimg=5 * BATCH / 1000, total_kimg=5 * BATCH / 1000)
    after = newest(run)["state"]
    assert int(after["flow"]["made"]) == 0
    name = "encoder.leave.1.weight"
    assert not torch.equal(after["autoencoder"][name], before["autoencoder"][name])
    assert read_config(run)["reconstruction"]["kimg"] == 5 * BATCH / 1000


@pytest.mark.parametrize(
    ("began_with", "change"), [(0.0, 1.0), (BATCH / 1000, 0.0)], ids=["comes", "goes"]
)
def test_a_part_may_not_come_or_go(tmp_path: Path, began_with: float, change: float) -> None:
    parts = {"pretraining_kimg": began_with, "matching_kimg": 0.0}
    config = make_config(tmp_path, steps=1, reconstruction_weight=10.0, **parts)
    run = loop.start(config, tmp_path / "runs").run
    with pytest.raises(WspaceError, match=rf"reconstruction\.kimg={change} cannot change from"):
        loop.resume(run, pretraining_kimg=change)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, of its compiler
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # likewise
@pytest.mark.skipif(not compiler_at_hand(), reason="no C++ compiler")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_compiled(tmp_path: Path, precision: str) -> None:
    assert_resumes_exactly(tmp_path, [7], steps=10, precision=precision, compile="on")


def test_killed_before_the_first_checkpoint_is_complete_it_starts_over(tmp_path: Path) -> None:
    config = make_config(tmp_path)
    straight = loop.start(config, tmp_path / "straight").run
    with pytest.raises(Killed):
        loop.start(config, tmp_path / "killed", killed_after(3))
    (run,) = (tmp_path / "killed").iterdir()
    (checkpoint,) = (run / "checkpoints").iterdir()
    checkpoint.rename(checkpoint.with_name(".unfinished-00"))
    (run / ".model.0123abcd.tmp.safetensors").write_bytes(b"half")
    (run / ".tmpA1b2C3").write_bytes(b"half")
    loop.resume(run)
    assert differences_of_runs(straight, run) == []
    assert not [path.name for path in run.iterdir() if path.name.startswith(".")]


def test_a_torn_newest_checkpoint_is_told_and_the_one_before_is_taken(tmp_path: Path) -> None:
    config = make_config(tmp_path)
    straight = loop.start(config, tmp_path / "straight").run
    with pytest.raises(Killed):
        loop.start(config, tmp_path / "killed", killed_after(12))
    (run,) = (tmp_path / "killed").iterdir()
    torn = sorted((run / "checkpoints").iterdir())[-1] / "state.safetensors"
    torn.write_bytes(torn.read_bytes()[:-9])
    told: list[str] = []
    loop.resume(run, lambda progress: told.append(progress.message or ""))
    (message,) = filter(None, told)
    assert message.startswith(f"{torn.parent} is not whole (state.safetensors has ")
    assert differences_of_runs(straight, run) == []


def test_when_no_checkpoint_is_whole_nothing_starts_over_in_silence(tmp_path: Path) -> None:
    run = loop.start(make_config(tmp_path, steps=4), tmp_path / "runs").run
    for path in (run / "checkpoints").iterdir():
        (path / "manifest.json").unlink()
    before = (run / "log.jsonl").read_bytes()
    with pytest.raises(WspaceError, match=r"no checkpoint of .* is whole"):
        loop.resume(run)
    assert (run / "log.jsonl").read_bytes() == before


def test_a_checkpoint_of_something_else_is_told_so(tmp_path: Path) -> None:
    from wspace.training.run.checkpoint import save_checkpoint

    run = loop.start(make_config(tmp_path, steps=4), tmp_path / "runs").run
    good = newest(run)
    for state in ({}, {"networks": 3}, good | {"state": {}}, good | {"order": {"seed": 9}}):
        save_checkpoint(run / "checkpoints", state, kimg=1, keep=9, keep_every=0)
        with pytest.raises(WspaceError, match="does not fit this run"):
            loop.resume(run)


def test_a_run_goes_on_without_the_model_that_it_started_from(tmp_path: Path) -> None:
    config = make_config(tmp_path)
    straight = loop.start(config, tmp_path / "straight").run
    with pytest.raises(Killed):
        loop.start(config, tmp_path / "killed", killed_after(8))
    (tmp_path / "start.safetensors").unlink()
    (run,) = (tmp_path / "killed").iterdir()
    loop.resume(run)
    assert differences_of_runs(straight, run) == []


def test_the_seed_fixes_a_run_and_another_seed_makes_another(tmp_path: Path) -> None:
    runs = [
        loop.start(make_config(tmp_path, steps=5, seed=seed), tmp_path / "runs").run
        for seed in (3, 3, 4)
    ]
    assert differences_of_runs(runs[0], runs[1]) == []
    assert difference(newest(runs[0])["state"], newest(runs[2])["state"]) != ""


def test_the_saved_configuration_starts_the_same_run_again(tmp_path: Path) -> None:
    first = loop.start(make_config(tmp_path, steps=5, precision="auto"), tmp_path / "a").run
    saved = read_config(first)
    saved.pop("fingerprint")
    second = loop.start(TrainConfig.from_dict(saved), tmp_path / "b").run
    assert differences_of_runs(first, second) == []


def test_a_checkpoint_by_the_clock_changes_nothing(tmp_path: Path) -> None:
    config = make_config(tmp_path, steps=8)
    straight = loop.start(config, tmp_path / "straight").run
    often = make_config(tmp_path, steps=8, checkpoint_minutes=1e-9, keep_checkpoints=100)
    run = loop.start(often, tmp_path / "often").run
    assert len(list((run / "checkpoints").iterdir())) == 9
    assert difference(newest(straight), newest(run)) == ""


def test_a_run_that_ends_by_time_goes_on_exactly(tmp_path: Path) -> None:
    config = make_config(tmp_path, steps=20)
    straight = loop.start(config, tmp_path / "straight").run
    short = make_config(tmp_path, steps=20, max_seconds=0.05)
    outcome = loop.start(short, tmp_path / "short")
    assert outcome.reason == "time"
    assert loop.resume(outcome.run).reason == "done"
    assert difference(newest(straight), newest(outcome.run)) == ""
    assert log_without_times(straight) == log_without_times(outcome.run)


def test_another_number_of_threads_is_told_and_does_no_harm(tmp_path: Path) -> None:
    run = loop.start(make_config(tmp_path, steps=4), tmp_path / "runs").run
    torch.set_num_threads(2)
    told: list[str] = []
    loop.resume(run, lambda p: told.append(p.message or ""), total_kimg=5 * BATCH / 1000)
    (message,) = filter(None, told)
    assert message.startswith("the run was computed with threads 1, now 2: it goes on")
    assert newest(run)["state"]["step"] == 5


def test_data_that_has_moved_is_followed_and_other_data_refused(tmp_path: Path) -> None:
    config = make_config(tmp_path, steps=4)
    run = loop.start(config, tmp_path / "runs").run
    (tmp_path / "data").rename(tmp_path / "moved")
    with pytest.raises(WspaceError, match="no such file or folder"):
        loop.resume(run, total_kimg=0.02)
    with pytest.raises(WspaceError, match=r"by wspace train DATA --resume /.*0-data"):
        loop.resume(run, total_kimg=0.02)
    assert loop.resume(run, total_kimg=0.02, data=str(tmp_path / "moved")).kimg == 0.02
    make_data(tmp_path / "data", seed=1)
    with pytest.raises(WspaceError, match="is not the data that"):
        loop.resume(run, data=str(tmp_path / "data"))
    (tmp_path / "moved" / "03.png").unlink()
    with pytest.raises(WspaceError, match="is not the data that"):
        loop.resume(run)


def test_a_run_goes_on_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = make_config(tmp_path, steps=4)
    monkeypatch.chdir(tmp_path)
    config = config.replace(data="data", start_from="start.safetensors")
    run = loop.start(config, tmp_path / "runs").run
    saved = read_config(run)
    assert saved["data"] == str(tmp_path / "data")
    assert saved["start_from"] == str(tmp_path / "start.safetensors")
    monkeypatch.chdir(run)
    assert loop.resume(Path(), total_kimg=5 * BATCH / 1000).kimg == 0.02
    monkeypatch.chdir(tmp_path)
    loop.resume(run, total_kimg=6 * BATCH / 1000, data="data")
    assert read_config(run)["data"] == str(tmp_path / "data")


@pytest.mark.parametrize("discriminator", ["preset", "projected"])
def test_augmentation(tmp_path: Path, discriminator: str) -> None:
    assert_resumes_exactly(
        tmp_path,
        [3, 4],
        steps=10,
        discriminator=discriminator,
        r1_gamma=1.0 if discriminator == "preset" else 0.0,
        augment="ada",
        augment_strength=0.5,
        augment_kimg=0.1,
        augment_set="bgcfnc",
        checkpoint_kimg=BATCH / 1000,
    )
    run = next((tmp_path / "straight").iterdir())
    assert newest(run)["state"]["augment"]["strength"] != 0.5  # it has moved
