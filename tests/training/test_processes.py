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
from ranks import ROOT, ended, run_ranks, start_ranks
from runs_in_processes import config_of, furthest, furthest_tensor, losses_of, measured
from tiny_run import differences_of_runs, newest

from wspace.training import loop
from wspace.training.session import Session

STEPS = 8
SCRIPT = str(ROOT / "tests/helpers/runs_in_processes.py")
CASES = {2: ["stages", "classes", "killed", "refused"], 4: ["stages", "adversarial"]}

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


def test_a_command_that_cannot_work_ends_every_process_with_one_line(folder: Path) -> None:
    more = ("--kimg", "1", "--set", "batch_size=4")
    ran = run_ranks(2, command(folder, "wrong", *more), seconds=600)
    assert [status for status, _, _ in ran] == [2, 2]
    assert [err.count("cannot be shared") for _, _, err in ran] == [1, 0], ran
    assert ran[1][2] == ""
    assert "batch_size=4 cannot be shared by 2 processes" in ran[0][2].splitlines()[-1]
    assert not list((folder / "wrong").glob("*/checkpoints/*"))


def torchrun(folder: Path, arguments: list[str], *options: str) -> subprocess.Popen[str]:
    """Two processes, started as users start them."""
    return subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
         *options, *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"},
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
    process = torchrun(folder, command(folder, "preempted", "--kimg", "100"))
    before = checkpoint_of(folder / "preempted", 2, process)
    workers = children(process.pid)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=600)
    assert out.count("terminated, saved at ") == 1
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
    assert sorted(before.parent.glob("kimg-*"))[-1] > before
