"""FD (quick) of a run: when it is due, what it costs, and which model is kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny_run import (
    BATCH,
    differences_of_runs,
    log_without_times,
    make_config,
    make_data,
    newest,
)

from wspace.data.dataset import Dataset
from wspace.formats.model_file import read_metadata
from wspace.networks.generator import Generator
from wspace.training import loop
from wspace.training.config import TrainConfig
from wspace.training.plan import Plan
from wspace.training.run import quality
from wspace.training.run.quality import FEWEST_REAL, IMAGES_APART, Measured, Quality

MEASURED = {"measure": True, "measured_pictures": 4, "measured_against": 8, "report": True}


class Killed(BaseException):
    """Ends a run as a power cut does: nothing is saved on the way out."""


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One thread, a cache of their own, and measures every few steps."""
    monkeypatch.setenv("WSPACE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(quality, "IMAGES_APART", 2)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def measured_config(folder: Path, **changes: Any) -> TrainConfig:
    if not (folder / "data").exists():
        make_data(folder / "data", count=FEWEST_REAL)
    return make_config(folder, **(MEASURED | {"discriminator": "preset"} | changes))


def killed_after(steps: int) -> Any:
    left = steps

    def report(progress: loop.Progress) -> None:
        nonlocal left
        left -= progress.last is not None
        if left == 0:
            raise Killed

    return report


def measures(run: Path) -> list[dict[str, Any]]:
    return [line for line in log_without_times(run) if "fd_quick" in line]


def test_a_run_is_measured_at_its_parts_and_always_at_its_end(tmp_path: Path) -> None:
    config = measured_config(tmp_path, steps=20, measurements=4)
    told: list[loop.Progress] = []
    run = loop.start(config, tmp_path / "runs", told.append).run
    found = measures(run)
    assert [line["step"] for line in found] == [5, 10, 15, 20]
    assert all(line["fd_quick"] > 0 and line["fd_quick_real"] > 0 for line in found)
    best = min(line["fd_quick"] for line in found)
    assert (told[-1].fd, told[-1].best_fd) == (found[-2]["fd_quick"], min(
        line["fd_quick"] for line in found[:-1]
    ))  # fmt: skip
    assert newest(run)["quality"]["best"]["fd"] == best


def test_the_model_is_the_best_and_the_newest_lies_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = iter([0.0, 3.0, 1.0, 2.0, 2.5])  # the first one: real pictures among themselves
    monkeypatch.setattr(quality, "distance_of_few", lambda *_: next(values))
    run = loop.start(measured_config(tmp_path, measurements=4), tmp_path / "runs").run
    model, last = (
        read_metadata(run / name)["metadata"]
        for name in ("model.safetensors", "model-newest.safetensors")
    )
    assert (model["kimg"], last["kimg"]) == (0.04, 0.08)
    assert (model["quality"]["fd_quick"], last["quality"]["fd_quick"]) == (1.0, 2.5)
    assert model["quality"]["pictures"] == 4
    assert model["quality"]["against"] == 8
    state = newest(run)["state"]["generator_ema"]
    newest_file = load_file(run / "model-newest.safetensors")
    best_file = load_file(run / "model.safetensors")
    name = next(name for name in state if name.endswith("weight"))
    assert torch.equal(newest_file[f"generator.{name}"], state[name])
    assert not torch.equal(best_file[f"generator.{name}"], state[name])


@pytest.mark.parametrize("kills", [[3], [5], [6, 1, 4], [10, 5], [19]])
def test_measures_and_the_best_survive_kills(tmp_path: Path, kills: list[int]) -> None:
    config = measured_config(tmp_path, measurements=4, snapshot_kimg=7 * BATCH / 1000)
    straight = loop.start(config, tmp_path / "straight").run

    with pytest.raises(Killed):
        loop.start(config, tmp_path / "killed", killed_after(kills[0]))
    (run,) = (tmp_path / "killed").iterdir()
    for steps in kills[1:]:
        with pytest.raises(Killed):
            loop.resume(run, killed_after(steps))
    assert loop.resume(run).reason == "done"
    assert differences_of_runs(straight, run) == []


def test_it_survives_kills_in_a_run_of_several_stages(tmp_path: Path) -> None:
    shares = {"reconstruction.share": 0.3, "matching.share": 0.15}
    config = measured_config(tmp_path, measurements=4, discriminator="projected", **shares)
    straight = loop.start(config, tmp_path / "straight").run
    assert [line["step"] for line in measures(straight)] == [5, 7, 9, 11, 15, 20]
    with pytest.raises(Killed):
        loop.start(config, tmp_path / "killed", killed_after(8))
    (run,) = (tmp_path / "killed").iterdir()
    loop.resume(run)
    assert differences_of_runs(straight, run) == []


def test_killed_after_the_checkpoint_and_before_the_model_it_has_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = measured_config(tmp_path, measurements=4)
    straight = loop.start(config, tmp_path / "straight").run
    save = loop.Session._save_model

    def dies(self: Any, name: str) -> None:
        if self.state.step == 10:
            raise Killed
        save(self, name)

    monkeypatch.setattr(loop.Session, "_save_model", dies)
    with pytest.raises(Killed):
        loop.start(config, tmp_path / "killed")
    monkeypatch.undo()
    monkeypatch.setenv("WSPACE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(quality, "IMAGES_APART", 2)
    (run,) = (tmp_path / "killed").iterdir()
    if newest(run)["quality"]["best"]["step"] == 10:
        assert read_metadata(run)["metadata"]["kimg"] == 0.02
    loop.resume(run)
    assert differences_of_runs(straight, run) == []


def test_measuring_changes_nothing_of_what_is_learned(tmp_path: Path) -> None:
    measured = loop.start(measured_config(tmp_path), tmp_path / "a").run
    config = measured_config(tmp_path, measure=False, report=False)
    plain = loop.start(config, tmp_path / "b").run
    assert json.dumps(log_without_times(plain)) == json.dumps(
        [line for line in log_without_times(measured) if "fd_quick" not in line]
    )
    a, b = newest(measured)["state"]["generator"], newest(plain)["state"]["generator"]
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not (plain / "model-newest.safetensors").exists()
    assert not (plain / "report.html").exists()
    assert newest(plain)["quality"] == {}


def test_what_cannot_be_measured_is_said_in_a_line_and_the_newest_is_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_data(tmp_path / "data", count=10)
    told: list[str] = []
    config = make_config(tmp_path, steps=4, **MEASURED)
    run = loop.start(config, tmp_path / "runs", lambda p: told.append(p.message or "")).run
    start, place, message = filter(None, told)
    assert start.startswith("from ")
    assert str(run) in place
    assert message.startswith("FD (quick) is not measured: 10 pictures are fewer than 100")
    assert (run / "model.safetensors").is_file()
    assert not (run / "model-newest.safetensors").exists()


def test_a_missing_network_is_said_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "efficientnet_lite_pytorch", None)
    told: list[str] = []
    config = measured_config(tmp_path, steps=2)
    run = loop.start(config, tmp_path / "runs", lambda p: told.append(p.message or "")).run
    start, place, message = filter(None, told)
    assert start.startswith("from ")
    assert str(run) in place
    assert message.startswith("FD (quick) is not measured: measuring needs the package")
    assert "pip install 'wspace[metrics]'" in message
    assert (run / "model.safetensors").is_file()


def test_between_two_measures_lie_images_enough_to_pay_for_them(tmp_path: Path) -> None:
    make_data(tmp_path / "data", count=FEWEST_REAL)
    config = TrainConfig(data=str(tmp_path / "data"), total_kimg=100.0, device="cpu")
    with Dataset.open(tmp_path / "data") as data:
        watched, plan = Quality(config, data, print), Plan(config)
        quality.IMAGES_APART = IMAGES_APART  # as it is, not as in these tests
        due = [seen for seen in range(1000, 100_001, 1000) if watched.due(plan, seen)]
    assert due == [30_000, 60_000, 100_000]


def test_measures_come_after_stages_and_tenths_of_a_long_run(tmp_path: Path) -> None:
    make_data(tmp_path / "data", count=FEWEST_REAL)
    config = TrainConfig(data=str(tmp_path / "data"), total_kimg=1000.0, device="cpu")
    with Dataset.open(tmp_path / "data") as data:
        watched, plan = Quality(config, data, print), Plan(config)
        quality.IMAGES_APART = IMAGES_APART
        due = [seen // 1000 for seen in range(1000, 1_000_001, 1000) if watched.due(plan, seen)]
    ends = [round(plan.ends[stage] or 0) // 1000 for stage in ("reconstruction", "matching")]
    assert due == sorted({*range(100, 1001, 100), *ends})


def test_the_state_comes_back(tmp_path: Path, tiny_generator: Generator) -> None:
    config = measured_config(tmp_path)
    with Dataset.open(tmp_path / "data") as data:
        one, other = Quality(config, data, print), Quality(config, data, print)
    one.best, one.newest = Measured(step=1, kimg=0.1, fd=2.0), Measured(step=3, kimg=0.3, fd=4.0)
    other.load_state_dict(one.state_dict())
    assert other.state_dict() == one.state_dict()
