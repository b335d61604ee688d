"""Training in several processes: the losses of one, elastic, and no process left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from ranks import ROOT, ended, free_port, left_behind, run_ranks, start_ranks
from runs_in_processes import config_of, furthest, furthest_tensor, losses_of, measured
from small_tars import tar_of
from tiny_run import differences_of_runs, newest

from wspace.training import loop
from wspace.training.session import Session

STEPS = 8
SCRIPT = str(ROOT / "tests/helpers/runs_in_processes.py")
CASES = {2: ["stages", "classes", "killed", "refused"], 4: ["stages", "adversarial"]}
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where data, models and all runs lie."""
    folder = tmp_path_factory.mktemp("processes")
    for name in ("stages", "adversarial", "classes"):
        config_of(folder, name, STEPS)
    return folder


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[int, list[dict[str, Any]]]:
    """What groups of two and four found, by rank."""
    started = {
        count: start_ranks(count, [SCRIPT, str(folder), str(STEPS), *names])
        for count, names in CASES.items()
    }
    ran = {count: ended(processes, 800) for count, processes in started.items()}
    for ranks in ran.values():
        assert [status for status, _, _ in ranks] == [0] * len(ranks), ranks
    return {count: [json.loads(out) for _, out, _ in ranks] for count, ranks in ran.items()}


@pytest.fixture(scope="module")
def alone(folder: Path) -> dict[str, list[dict[str, float]]]:
    """What one process measures in each step."""
    return {
        name: losses_of(config_of(folder, name, STEPS), folder / "of 1" / name)
        for name in ("stages", "adversarial", "classes")
    }


@pytest.mark.parametrize(
    ("count", "name"),
    [(2, "stages"), (4, "stages"), (4, "adversarial"), (2, "classes")],
)
def test_losses_do_not_depend_on_the_number_of_processes(
    found: dict[int, list[dict[str, Any]]],
    alone: dict[str, list[dict[str, float]]],
    count: int,
    name: str,
) -> None:
    for rank in found[count]:
        assert furthest(rank[name], alone[name]) < 1e-4


@pytest.fixture(scope="module")
def rounding(alone: dict[str, list[dict[str, float]]], folder: Path) -> float:
    """How far one process comes from itself where pictures differ in their last bit.

    A pretrained network's clipped activations are piecewise linear: of millions of them a few lie
    so near a corner that rounding decides, and gradients differ by all that they stand for.
    """
    next_batch = Session.next_batch

    def nudged(session: Session) -> Any:
        images, *rest = next_batch(session)
        return images * (1 + torch.finfo(images.dtype).eps), *rest

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "next_batch", nudged)
        losses_of(config_of(folder, "stages", STEPS), folder / "nudged" / "stages")
    (one,), (other,) = ((folder / of / "stages").iterdir() for of in ("nudged", "of 1"))
    distance, _ = furthest_tensor(newest(one)["state"], newest(other)["state"])
    return distance


@pytest.mark.parametrize(
    ("count", "name"),
    [(2, "stages"), (4, "stages"), (4, "adversarial"), (2, "classes")],
)
def test_nor_do_weights_averages_and_what_optimizers_keep_of_gradients(
    found: dict[int, list[dict[str, Any]]],
    alone: dict[str, list[dict[str, float]]],
    folder: Path,
    rounding: float,
    count: int,
    name: str,
) -> None:
    (one,), (other,) = ((folder / of / name).iterdir() for of in (f"of {count}", "of 1"))
    distance, where = furthest_tensor(newest(one)["state"], newest(other)["state"])
    allowed = max(1e-2, 4 * rounding) if name == "stages" else 1e-4
    assert distance < allowed, where


def test_every_stage_of_the_default_recipe_was_compared(
    alone: dict[str, list[dict[str, float]]],
) -> None:
    seen = {name for step in alone["stages"] for name in step}
    wanted = {"reconstruction", "perceptual", "mismatch", "flow", "matching", "generator", "r1"}
    assert wanted <= seen


def test_the_same_number_goes_on_bit_for_bit(
    found: dict[int, list[dict[str, Any]]], folder: Path
) -> None:
    (straight,), (resumed,) = ((folder / "of 2" / name).iterdir() for name in ("stages", "killed"))
    assert differences_of_runs(straight, resumed) == []


def test_one_process_goes_on_with_what_two_began(
    found: dict[int, list[dict[str, Any]]], folder: Path
) -> None:
    losses, said = [], []

    def report(progress: loop.Progress) -> None:
        if progress.message is not None:
            said.append(progress.message)
        if progress.last is not None:
            losses.append(measured(progress.last))

    loop.resume(folder / "of 2" / "killed-copy", report)
    assert len(losses) == STEPS // 2
    assert furthest(losses, found[2][0]["stages"][-len(losses) :]) < 1e-4
    assert any("processes 2, now 1" in line for line in said)


def test_what_a_group_must_not_do_is_said_in_one_line_on_every_rank(
    found: dict[int, list[dict[str, Any]]], folder: Path
) -> None:
    first, second = (rank["refused"] for rank in found[2])
    assert first == second
    assert first["batch"] == (
        "batch_size=12 cannot be shared by 2 processes, which each take whole groups of 4 "
        "pictures: give a multiple of 8, or start 1 by torchrun --nproc-per-node 1."
    )
    assert first["seed"].startswith("rank 1 has seed=1 and rank 0 has 0: give every process")
    assert first["data"].startswith("rank 1 has data=")
    assert first["task"].startswith("rank 1 has its task='to go on with ")
    assert first["tensor"].startswith("step 4: generator_ema.synthesis.")
    assert "of rank 1 is no more that of rank 0 (1 of " in first["tensor"]


def command(folder: Path, out: str, *more: str) -> list[str]:
    """``wspace train`` on a recipe without a pretrained network."""
    config_of(folder, "classes", STEPS)
    return [
        "-m", "wspace", "train", str(folder / "classes"), "--preset", "compact",
        "--from", str(folder / "classes.safetensors"), "--out", str(folder / out),
        "--set", "discriminator=preset", "--set", "batch_size=16", "--set", "measure=false",
        "--set", "report=false", "--set", "compile=off", "--set", "precision=fp32",
        "--set", "checkpoint_kimg=0.032", *more,
    ]  # fmt: skip


def sharded(folder: Path, pictures: Path) -> Path:
    """The pictures of a folder in two tars."""
    folder.mkdir()
    shards: list[str] = []
    for first in (0, 5):
        files = {
            path.name: path.read_bytes() for path in sorted(pictures.glob("*.png"))[first:][:5]
        }
        shards.append(tar_of(folder / f"shard-{first:06}.tar", files).name)
    (folder / "dataset.json").write_text(json.dumps({"labels": None, "shards": shards}))
    return folder


@pytest.mark.parametrize("case", ["batch", "configuration", "cut", "missing"])
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds processes in /proc")
def test_what_cannot_work_is_one_line_and_no_process_is_alive_ten_seconds_later(
    folder: Path, case: str
) -> None:
    arguments, of_rank_1 = command(folder, f"wrong {case}", "--kimg", "1"), []
    if case == "batch":
        arguments += ["--set", "batch_size=4"]
        said = "batch_size=4 cannot be shared by 2 processes"
    elif case == "configuration":
        of_rank_1 = ["--set", "seed=1"]
        said = "rank 1 has seed=1 and rank 0 has 0: give"
    else:
        data = sharded(folder / case, folder / "classes")
        arguments[arguments.index(str(folder / "classes"))] = str(data)
        last = data / "shard-000005.tar"
        said = f"{last.name} is {'cut off' if case == 'cut' else case}"
        last.write_bytes(last.read_bytes()[:700])
        if case == "missing":
            last.unlink()
    processes = start_ranks(2, arguments, of_rank_1=of_rank_1)
    alive = left_behind(processes, 10)
    ran = ended(processes)
    assert alive == {}
    assert [status for status, _, _ in ran] == [2, 2], ran
    (line,) = [line for line in ran[0][2].splitlines() if line.startswith("wspace: ")]
    assert said in line
    assert ran[1][2] == ""
    assert not list((folder / f"wrong {case}").glob("*/checkpoints/*"))


# A run whose disk fails rank 0 from its second checkpoint on.
FAILING_DISK = """
import sys
import time
from pathlib import Path

from runs_in_processes import config_of
from wspace.cli.main import main
from wspace.cli import train
from wspace.errors import WspaceError
from wspace.group import current
from wspace.training import loop, session

written = []
save = session.save_checkpoint

def save_checkpoint(*arguments, **named):
    written.append(arguments)
    if len(written) == 1:
        return save(*arguments, **named)
    if "{how}" == "stands still":
        time.sleep(300)
    raise WspaceError("cannot write a checkpoint: No space left on device: free some space.")

def command(**_):
    if current().is_first:
        session.save_checkpoint = save_checkpoint
    config = config_of(Path("{folder}"), "classes", 8).replace(timeout_seconds=6.0)
    loop.start(config, Path("{folder}") / "disk {how}", said)

def said(progress):
    if progress.message is not None:
        train._say(progress)

train.train_command.callback = command
main(["train"])
"""


def test_a_full_disk_costs_checkpoints_and_at_the_end_all_processes(folder: Path) -> None:
    ran = run_ranks(2, ["-c", FAILING_DISK.format(how="is full", folder=folder)], seconds=300)
    assert [status for status, _, _ in ran] == [2, 2], ran
    lines = ran[0][2].splitlines()
    goes_on = (
        "cannot write a checkpoint: No space left on device: free some space. Training goes on."
    )
    assert lines.count(goes_on) == 4  # after steps 2, 4, 6 and 8
    assert lines[-1] == f"wspace: {goes_on.removesuffix(' Training goes on.')}"
    assert ran[1][2] == ""


def test_a_disk_that_stands_still_is_named_by_a_time_out(folder: Path) -> None:
    ran = run_ranks(2, ["-c", FAILING_DISK.format(how="stands still", folder=folder)], seconds=300)
    assert [status for status, _, _ in ran] == [2, 2], ran
    line = ran[0][2].splitlines()[-1]
    assert line.startswith("wspace: after 6 s: rank 0 is writing a checkpoint for ")
    assert "; rank 1 waits at " in line
    assert ran[1][2] == ""


def torchrun(folder: Path, arguments: list[str], *options: str) -> subprocess.Popen[str]:
    """Two processes, started as users start them."""
    return subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
         *options, *arguments],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
    )  # fmt: skip


def children(parent: int) -> list[int]:
    """Processes that a process has started, oldest first."""
    text = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    return sorted(map(int, text.split()))


def checkpoint_of(out: Path, count: int, process: subprocess.Popen[str]) -> Path:
    """Wait until a run has written so many checkpoints; the newest one."""
    until = time.monotonic() + 600
    while time.monotonic() < until and process.poll() is None:
        if len(found := sorted(out.glob("*/checkpoints/kimg-*"))) >= count:
            return found[-1]
        time.sleep(0.05)
    raise AssertionError(process.communicate())


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds workers in /proc")
def test_a_killed_worker_changes_nothing(folder: Path) -> None:
    kept = ("--kimg", "0.256", "--set", "keep_checkpoints=9")
    straight = torchrun(folder, command(folder, "straight", *kept))
    killed = torchrun(folder, command(folder, "killed", *kept), "--max-restarts", "2")
    checkpoint_of(folder / "killed", 3, killed)
    os.kill(children(killed.pid)[-1], signal.SIGKILL)
    for process in (straight, killed):
        out, err = process.communicate(timeout=600)
        assert process.returncode == 0, err
        assert "finished at 0.3 kimg" in out
    assert "torchrun has begun" in err
    (one,), (other,) = ((folder / name).iterdir() for name in ("straight", "killed"))
    assert differences_of_runs(one, other) == []


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds workers in /proc")
def test_a_preempted_machine_saves_first(folder: Path) -> None:
    arguments = command(folder, "preempted", "--kimg", "100", "--set", "checkpoint_kimg=20")
    process = torchrun(folder, arguments)
    (first,) = checkpoint_of(folder / "preempted", 1, process).parent.iterdir()
    log = first.parents[1] / "log.jsonl"
    until = time.monotonic() + 300
    while not (log.exists() and log.read_text()) and time.monotonic() < until:
        time.sleep(0.05)  # until steps have been taken that no checkpoint holds
    workers = children(process.pid)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=600)
    assert out.count("terminated, saved at ") == 1
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
    assert sorted(first.parent.glob("kimg-*"))[-1] > first


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds workers in /proc")
def test_machines_that_count_restarts_apart_start_again_together(folder: Path) -> None:
    """The agent whose worker dies counts a restart; the other one only follows it."""
    port, kept = free_port(), ("--kimg", "0.256", "--set", "keep_checkpoints=9")
    straight = torchrun(folder, command(folder, "of one machine", *kept))
    arguments = command(folder, "of two machines", *kept)
    machines = [
        subprocess.Popen(
            [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--max-restarts", "2",
             "--rdzv-backend", "c10d", "--rdzv-id", "two", "--rdzv-endpoint", f"127.0.0.1:{port}",
             *arguments],
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    checkpoint_of(folder / "of two machines", 3, machines[0])
    for worker in children(machines[1].pid):
        os.kill(worker, signal.SIGKILL)
    for process in (straight, *machines):
        _, err = process.communicate(timeout=600)
        assert process.returncode == 0, err
    (one,), (other,) = (
        (folder / f"of {count}").iterdir() for count in ("one machine", "two machines")
    )
    assert differences_of_runs(one, other) == []
