"""Faults injected into runs: none costs more than the time since the last checkpoint."""

import json
import math
import os
import re
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import killing
import pytest
import torch
from killing import RUN, fork_server, kill_at_operations, kill_at_random
from tiny_run import (
    BATCH,
    difference,
    differences_of_runs,
    log_without_times,
    make_config,
    newest,
    start_or_resume,
    train_command,
)
from torch import Tensor

from wspace.errors import WspaceError
from wspace.training import loop
from wspace.training.config import TrainConfig
from wspace.training.run.folder import RunLock
from wspace.training.state import StepResult, TrainingState

Spawn = Callable[..., ForkServerProcess]


@pytest.fixture(scope="module")
def spawn() -> Iterator[Spawn]:
    """Start a function in a process that has imported everything already."""

    def start(function: Callable[..., None], *arguments: Any) -> ForkServerProcess:
        process = fork_server().Process(target=function, args=arguments)
        process.start()
        return process

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        helpers = str(Path(killing.__file__).parent)
        patch.setenv("PYTHONPATH", helpers, prepend=os.pathsep)
        yield start


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def ended(process: ForkServerProcess, seconds: float = 60) -> int | None:
    process.join(seconds)
    return process.exitcode


def wait_for(condition: Callable[[], bool], process: ForkServerProcess) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert process.is_alive(), f"it ended with {process.exitcode}"
        assert time.monotonic() < end
        time.sleep(0.002)


def logged(run: Path) -> bool:
    path = run / "log.jsonl"
    return path.exists() and path.stat().st_size > 0


# Killed --------------------------------------------------------------------------------------


@pytest.mark.timeout(300)  # the first process imports everything, slowly where others compute
def test_killed_at_random_moments_it_resumes_and_loses_no_whole_checkpoint(
    tmp_path: Path, spawn: Spawn
) -> None:
    count = kill_at_random(tmp_path, 5, steps=30)
    assert count["killed"] == 5
    assert count["compared"] >= 1
    wrong = ("did not resume", "checkpoints lost", "torn", "differ")
    assert {name: count[name] for name in wrong} == dict.fromkeys(wrong, 0)


def test_killed_before_any_file_operation_it_resumes(tmp_path: Path, spawn: Spawn) -> None:
    count = kill_at_operations(tmp_path, [3, 9, 14, 20, 27, 33, 40, 46, 53, 59])
    assert count["killed"] == 10
    wrong = ("did not resume", "torn", "differ")
    assert {name: count[name] for name in wrong} == dict.fromkeys(wrong, 0)


# Asked to stop -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "status", "word"),
    [(signal.SIGTERM, 0, "terminated"), (signal.SIGINT, 130, "interrupted")],
)
def test_a_signal_saves_and_says_how_to_go_on(
    tmp_path: Path, spawn: Spawn, number: int, status: int, word: str
) -> None:
    config = make_config(tmp_path, steps=60)
    straight = loop.start(config, tmp_path / "straight").run
    long = make_config(tmp_path, steps=10**6, checkpoint_kimg=1000.0)
    run = tmp_path / "runs" / RUN
    output = tmp_path / "output"
    process = spawn(start_or_resume, run, long.to_dict())
    wait_for(lambda: logged(run), process)
    assert process.pid is not None
    os.kill(process.pid, number)
    # started by the library, a run only returns; the command turns that into a status
    assert ended(process) == 0
    stopped_at = newest(run)["state"]["step"]
    assert stopped_at >= 20
    assert (run / "model.safetensors").is_file()
    assert not list(run.glob("samples-*.png"))  # to draw it might take too long
    command = spawn(train_command, ["--resume", str(run)], output)
    wait_for(lambda: newest_step(run) == stopped_at and resumed(output), command)
    os.kill(command.pid or 0, number)
    assert ended(command) == status
    text = output.read_text()
    assert f"{word}, saved" in text
    assert f"wspace train --resume {run}" in text
    assert "Traceback" not in text
    # What was stopped twice and goes on to the end is what never was stopped.
    if newest(run)["state"]["step"] <= 60:
        loop.resume(run, total_kimg=config.total_kimg)
        assert difference(newest(straight)["state"], newest(run)["state"]) == ""


def newest_step(run: Path) -> int:
    return int(newest(run)["state"]["step"])


def resumed(output: Path) -> bool:
    return output.exists() and "kimg" in output.read_text()


def test_while_the_first_step_is_running_a_signal_ends_it_at_once(tmp_path: Path) -> None:
    config = make_config(tmp_path)

    class Slow(TrainingState):
        def run(self, real: Any, *known: Any) -> StepResult:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
            raise AssertionError

    start = time.monotonic()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wspace.training.session.TrainingState", Slow)
        outcome = loop.start(config, tmp_path / "runs")
    assert time.monotonic() - start < 30
    assert outcome.reason == "terminated"
    straight = loop.start(config, tmp_path / "straight").run
    loop.resume(outcome.run)
    assert differences_of_runs(straight, outcome.run) == []


# Disks ---------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of half a megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path) -> Path:
    path = disk / "filler"
    with open(path, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    return path


def test_a_disk_that_fills_costs_lines_snapshots_and_checkpoints_but_not_the_run(
    tmp_path: Path, small_disk: Path
) -> None:
    config = make_config(tmp_path, steps=60, snapshot_kimg=10 * BATCH / 1000)
    straight = loop.start(config, tmp_path / "straight").run
    told: list[str] = []
    filler: list[Path] = []

    def report(progress: loop.Progress) -> None:
        if progress.message:
            told.append(progress.message)
        elif not filler and progress.kimg >= 8 * BATCH / 1000:
            filler.append(fill(small_disk))
        elif progress.kimg == 47 * BATCH / 1000:
            filler[0].unlink()

    run = loop.start(config, small_disk, report).run
    text = "\n".join(told)
    assert "cannot write a checkpoint" in text
    assert "cannot write" in text
    assert "No space left on device" in text
    assert "log.jsonl" in text
    assert difference(newest(straight), newest(run)) == ""
    assert not [path.name for path in run.rglob(".*")]
    assert any(line.get("event") == "log lines lost" for line in log_without_times(run))


def test_a_disk_that_stays_full_ends_in_one_line_and_the_last_checkpoint_is_whole(
    tmp_path: Path, small_disk: Path
) -> None:
    config = make_config(tmp_path, steps=20)
    straight = loop.start(config, tmp_path / "straight").run

    def report(progress: loop.Progress) -> None:
        if progress.last is not None and progress.kimg == 8 * BATCH / 1000:
            fill(small_disk)

    with pytest.raises(WspaceError, match=r"cannot write a checkpoint .* No space left on device"):
        loop.start(config, small_disk, report)
    run = small_disk / RUN
    assert newest(run)["state"]["step"] == 5
    (small_disk / "filler").unlink()
    loop.resume(run)
    assert difference(newest(straight), newest(run)) == ""
    assert log_without_times(straight) == log_without_times(run)


def test_no_room_from_the_start_is_one_line(tmp_path: Path, small_disk: Path) -> None:
    config = make_config(tmp_path)
    fill(small_disk)
    with pytest.raises(WspaceError, match="cannot"):
        loop.start(config, small_disk / "runs")


def _write_everything_with_little_room(folder: Path, config: dict[str, Any]) -> None:
    """Every writer meets a limit on the size of files in the middle of its work."""
    from wspace.files import atomic_write_bytes

    torch.set_num_threads(1)
    run = folder / RUN
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
    failed = []
    for name, action in {
        "resume": lambda: loop.resume(run),
        "bytes": lambda: atomic_write_bytes(folder / "bytes", bytes(5000)),
        "start": lambda: loop.start(TrainConfig.from_dict(config), folder / "more"),
    }.items():
        try:
            action()
        except WspaceError as error:
            failed.append(f"{name}: {error}")
    with open(folder / "failed", "w") as file:
        file.write("\n".join(failed))
    os._exit(0)


def test_files_that_may_not_grow_are_left_whole(tmp_path: Path, spawn: Spawn) -> None:
    config = make_config(tmp_path, steps=4)
    run = loop.start(config, tmp_path).run
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file() and p.name != "lock"}
    longer = make_config(tmp_path, steps=8)
    (run / "config.json").write_text(
        json.dumps(
            json.loads((run / "config.json").read_text()) | {"total_kimg": longer.total_kimg}
        )
    )
    assert ended(spawn(_write_everything_with_little_room, tmp_path, config.to_dict())) == 0
    failed = (tmp_path / "failed").read_text()
    assert re.findall(r"^\w+", failed, re.MULTILINE) == ["resume", "bytes", "start"]
    assert failed.count("File too large") == 3
    assert not (tmp_path / "bytes").exists()
    for path, content in before.items():
        if path.name not in ("config.json", "log.jsonl"):
            assert path.read_bytes() == content
    assert newest(run)["state"]["step"] == 4


def test_a_read_only_run_folder_is_told_in_one_line(tmp_path: Path, small_disk: Path) -> None:
    run = loop.start(make_config(tmp_path, steps=4), small_disk).run
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(WspaceError, match=r"cannot lock the run .* Read-only file system"):
        loop.resume(run)
    with pytest.raises(
        WspaceError, match=r"cannot write into .* cannot be written: choose another place"
    ):
        loop.start(make_config(tmp_path, steps=4), small_disk)


# Others --------------------------------------------------------------------------------------


def test_two_processes_cannot_train_in_one_run(tmp_path: Path, spawn: Spawn) -> None:
    run = tmp_path / "runs" / RUN
    config = make_config(tmp_path, steps=10**6)
    process = spawn(start_or_resume, run, config.to_dict())
    wait_for(lambda: logged(run), process)
    with pytest.raises(WspaceError, match=rf"is in use by process {process.pid} on "):
        loop.resume(run)
    process.kill()
    ended(process)
    with RunLock(run):
        pass


@pytest.mark.parametrize("harm", ["remove", "cut", "other"])
def test_a_picture_that_changes_under_a_run_is_named(tmp_path: Path, harm: str) -> None:
    config = make_config(tmp_path, steps=20, memory_budget_gb=1e-9)
    victim = tmp_path / "data" / "04.png"
    content = victim.read_bytes()

    def report(progress: loop.Progress) -> None:
        if progress.kimg == 7 * BATCH / 1000:
            if harm == "remove":
                victim.unlink()
            else:
                victim.write_bytes(content[:50] if harm == "cut" else b"no picture")

    with pytest.raises(WspaceError, match=r"04\.png"):
        loop.start(config, tmp_path / "runs", report)
    run = tmp_path / "runs" / RUN
    if harm != "cut":
        with pytest.raises(WspaceError):
            loop.resume(run)
    victim.write_bytes(content)
    straight = loop.start(config, tmp_path / "straight").run
    loop.resume(run)
    assert differences_of_runs(straight, run) == []


# Numbers -------------------------------------------------------------------------------------


class Poisoned(TrainingState):
    """Its discriminator gets weights that are not finite for some steps."""

    poison: range = range(0)
    rates: list[float] = []  # noqa: RUF012

    def run(self, real: Any, *known: Any) -> StepResult:
        result = super().run(real * (math.nan if self.step in self.poison else 1.0), *known)
        type(self).rates.append(self.context.optimizers["generator"].param_groups[0]["lr"])
        return result


def poisoned(
    patch: pytest.MonkeyPatch, steps: range, repeats: bool = False
) -> Callable[[loop.Progress], None]:
    Poisoned.poison, Poisoned.rates = steps, []
    patch.setattr("wspace.training.session.TrainingState", Poisoned)

    def report(progress: loop.Progress) -> None:
        if progress.message and "back to the last checkpoint" in progress.message and not repeats:
            Poisoned.poison = range(0)

    return report


def events(run: Path) -> list[tuple[int, str]]:
    return [(line["step"], line["event"]) for line in log_without_times(run) if "event" in line]


def weights_are_finite(run: Path) -> bool:
    networks = [
        newest(run)["state"][name] for name in ("generator", "discriminator", "generator_ema")
    ]
    return all(bool(t.isfinite().all()) for network in networks for t in network.values())


def test_a_step_that_is_not_finite_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = poisoned(monkeypatch, range(6, 8))
    run = loop.start(make_config(tmp_path, steps=10), tmp_path / "runs", report).run
    assert events(run) == [(7, "skip"), (8, "skip")]
    assert weights_are_finite(run)
    assert newest(run)["health"]["skipped"] == 2


def test_a_path_length_that_is_not_finite_does_not_spoil_the_running_mean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wspace.training.stages import adversarial

    lengths, calls = adversarial.path_lengths, 0

    def second_is_nan(images: Tensor, ws: Tensor, direction: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return lengths(images, ws, direction) * (math.nan if calls == 2 else 1.0)

    monkeypatch.setattr(adversarial, "path_lengths", second_is_nan)
    config = make_config(tmp_path, steps=8, path_length_weight=2.0, path_length_interval=2)
    run = loop.start(config, tmp_path / "runs").run
    assert events(run) == [(3, "skip")]
    assert newest(run)["state"]["path_mean"].isfinite()
    assert weights_are_finite(run)


def test_many_in_a_row_go_back_once_with_half_the_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = poisoned(monkeypatch, range(12, 10**6))
    config = make_config(tmp_path, steps=30, checkpoint_kimg=10 * BATCH / 1000, anneal=0.0)
    run = loop.start(config, tmp_path / "runs", report).run
    assert events(run)[-1] == (10, "rollback")  # there was no checkpoint at 20, amid the trouble
    assert newest(run)["health"]["rolled_back"]
    assert set(Poisoned.rates[22:]) == {Poisoned.rates[0] / 2}
    assert newest(run)["state"]["learning_rate_factor"] == 0.5
    assert weights_are_finite(run)


def test_when_it_happens_again_the_run_stops_with_an_explanation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = poisoned(monkeypatch, range(12, 10**6), repeats=True)
    config = make_config(tmp_path, steps=60, checkpoint_kimg=10 * BATCH / 1000)
    with pytest.raises(WspaceError, match=r"training stops. Start again with a lower"):
        loop.start(config, tmp_path / "runs", report)
    run = tmp_path / "runs" / RUN
    assert [event for _, event in events(run) if event != "skip"] == ["rollback", "stop"]
    assert weights_are_finite(run)


def test_a_resumed_run_remembers_that_it_went_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = poisoned(monkeypatch, range(12, 10**6))
    config = make_config(tmp_path, steps=30, checkpoint_kimg=10 * BATCH / 1000)
    run = loop.start(config, tmp_path / "runs", report).run
    monkeypatch.undo()
    loop.resume(run, total_kimg=40 * BATCH / 1000)
    saved = newest(run)
    assert saved["health"]["rolled_back"]
    assert saved["state"]["learning_rate_factor"] == 0.5
    assert (10, "rollback") in events(run)
